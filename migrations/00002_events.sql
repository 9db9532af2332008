-- Events: one row per request that reached a source, whatever its verdict; never edited, only erased.
-- Partitioned by RANGE on the UUIDv7 id, which carries the arrival time: pages go by id, a time filter is a range of
-- ids, retention drops a partition. What hangs on an event is partitioned by the same ids. There is no DEFAULT
-- partition and no foreign key between partitioned tables, so that none stands in a drop's way. Partitions are made by
-- the program (store/partition.go), one ISO week each.

-- +goose Up
CREATE TYPE verdict AS ENUM ('verified', 'late', 'rejected');

CREATE TABLE events (
    id            uuid     NOT NULL PRIMARY KEY,
    source_id     bigint   NOT NULL,
    verdict       verdict  NOT NULL,
    reason        text     NOT NULL, -- verify.Reason; '' when verified
    signature     text     NOT NULL, -- verify.Status of the signature
    verification  json     NOT NULL, -- verify.Result whole; codes and names of ours only
    answered      smallint NOT NULL, -- HTTP status we answered
    repeat_of     uuid,              -- first event of the arrival group; null on the first
    arrival       integer  NOT NULL, -- 1 on the first of the group
    sender        inet,              -- address the request came from
    header        bytea    NOT NULL, -- "Name: value\r\n" lines: names in Go's canonical form, values exactly, Host included
    body          bytea    NOT NULL, -- raw bytes as received; the truth
    body_sha256   bytea    NOT NULL,
    size          bigint   NOT NULL, -- bytes of the body as sent, or as declared where it was too large to keep
    is_json       boolean  NOT NULL,
    entity_type   text     NOT NULL, -- '' where the body does not say; likewise below
    callback_type text     NOT NULL,
    entity_id     text     NOT NULL,
    api_version   text     NOT NULL,
    changed_at    timestamptz,       -- the entity's own changedDate
    unexpected_type boolean NOT NULL DEFAULT false -- not among the source's expected types when it arrived
) PARTITION BY RANGE (id);
CREATE INDEX events_entity ON events (entity_id, entity_type, id) WHERE entity_id <> '';
CREATE INDEX events_rejected ON events (source_id, id) WHERE verdict = 'rejected';
CREATE INDEX events_repeats ON events (repeat_of) WHERE repeat_of IS NOT NULL; -- finds a group's arrivals; costs first ones nothing

CREATE TABLE event_customers (
    event_id    uuid NOT NULL,
    customer_id text NOT NULL,
    path        text NOT NULL, -- where the body names the customer: entity.invoiceCustomerId
    PRIMARY KEY (customer_id, event_id, path)
) PARTITION BY RANGE (event_id);
CREATE INDEX event_customers_event ON event_customers (event_id);

-- Arrival groups: equal bodies of one source within the late window. One row per body, the latest group of it.
-- The primary key is what makes two equal arrivals at one moment, on two instances, agree on who was first.
CREATE TABLE arrival_groups (
    source_id         bigint      NOT NULL,
    body_sha256       bytea       NOT NULL,
    first_event_id    uuid        NOT NULL,
    last_event_id     uuid        NOT NULL,
    accepted_event_id uuid,                 -- the arrival that was sent on; null: none accepted yet
    arrivals          integer     NOT NULL,
    signed_at         bigint[]    NOT NULL, -- every t seen with this body (bounded): an equal t is always a repeat
    expires_at        timestamptz NOT NULL,
    PRIMARY KEY (source_id, body_sha256)
);
CREATE INDEX arrival_groups_expiry ON arrival_groups (expires_at);

-- Commits: the order in which batches of events became visible. Writers commit ids out of order, so whatever reads
-- "what is new" follows (xid, position) up to, not including, the oldest transaction still running
-- (pg_snapshot_xmin(pg_current_snapshot())). One row per batch. Kept for a few days.
CREATE TABLE commits (
    xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    position  bigint GENERATED ALWAYS AS IDENTITY,
    event_ids uuid[]      NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, position)
);

-- +goose Down
DROP TABLE commits, arrival_groups, event_customers, events;
DROP TYPE verdict;
