-- Finding events. The arriving transaction writes nothing that only search needs: the index below is made a few seconds
-- behind, from what events hold, and can be made anew at any time (store/search_index.go). What it does not hold yet is
-- scanned, and every event it names is checked, so it may be behind and may name too many, and nothing wrong is shown.
--
-- A segment is a few thousand events that were committed one after another. Its postings say for each of 2^24 numbers,
-- which words, values and ids are hashed to, the places of the events that hold it.

-- +goose Up
ALTER TABLE events ADD COLUMN customers text NOT NULL DEFAULT ''; -- JSON list of [customer id, path where the body names it]; '' where it names none
UPDATE events e SET customers = c.list
FROM (
    SELECT event_id, json_agg(json_build_array(customer_id, path) ORDER BY path, customer_id)::text AS list
    FROM event_customers
    GROUP BY event_id
) c
WHERE c.event_id = e.id;
DROP TABLE event_customers;
DROP INDEX events_entity, events_rejected;

-- Classes: which combinations of these there are. An event of a segment has one; 0 is one of those that came when there
-- were too many to tell apart, because forgeries made them up.
CREATE TABLE search_classes (
    id              smallint NOT NULL PRIMARY KEY CHECK (id > 0),
    source_id       bigint   NOT NULL,
    verdict         verdict  NOT NULL,
    signature       text     NOT NULL,
    reason          text     NOT NULL,
    answered        smallint NOT NULL,
    repeat          boolean  NOT NULL, -- not the first of its arrival group
    unexpected_type boolean  NOT NULL,
    entity_type     text     NOT NULL,
    callback_type   text     NOT NULL,
    api_version     text     NOT NULL,
    UNIQUE (source_id, verdict, signature, reason, answered, repeat, unexpected_type, entity_type, callback_type, api_version)
);

CREATE TABLE search_segments (
    id             uuid       NOT NULL PRIMARY KEY, -- UUIDv7 of the time of its last event, so that both are in one week's partition
    first_event_id uuid       NOT NULL,
    last_event_id  uuid       NOT NULL,
    classes        smallint[] NOT NULL, -- of its events, each once, ascending
    class_events   integer[]  NOT NULL, -- how many of each
    overfull       integer[]  NOT NULL, -- places of events that hold more than is listed: any word may be theirs
    event_ids      bytea      NOT NULL, -- 16 bytes each, ascending; an event's place is its number here, from 0
    event_classes  bytea      NOT NULL  -- 2 bytes each
) PARTITION BY RANGE (id);
ALTER TABLE search_segments ALTER COLUMN event_ids SET STORAGE EXTERNAL; -- read in parts

CREATE TABLE search_postings (
    segment_id uuid     NOT NULL,
    bucket     smallint NOT NULL, -- first 10 bits of the number
    postings   bytea    NOT NULL, -- steps from one (rest of the number, place) to the next, as varints
    PRIMARY KEY (segment_id, bucket)
) PARTITION BY RANGE (segment_id);

-- How far the index is. Its lock makes one instance do the work at a time.
CREATE TABLE search_progress (
    singleton  boolean     PRIMARY KEY DEFAULT true CHECK (singleton), -- one row
    version    integer     NOT NULL, -- of what is indexed: another one makes the index anew
    cursor     text        NOT NULL, -- DB.CommittedSince: what was committed before is in segments, if its id is not below
    down_to    uuid        NOT NULL, -- events that were there when the index was begun are taken newest first: this far
    indexed_at timestamptz           -- when nothing waited for longer than it should; null: never yet
);
INSERT INTO search_progress (version, cursor, down_to) VALUES (0, '', 'ffffffff-ffff-ffff-ffff-ffffffffffff');

-- +goose Down
DROP TABLE search_progress, search_postings, search_segments, search_classes;
CREATE INDEX events_entity ON events (entity_id, entity_type, id) WHERE entity_id <> '';
CREATE INDEX events_rejected ON events (source_id, id) WHERE verdict = 'rejected';
CREATE TABLE event_customers (
    event_id    uuid NOT NULL,
    customer_id text NOT NULL,
    path        text NOT NULL,
    PRIMARY KEY (customer_id, event_id, path)
) PARTITION BY RANGE (event_id);
CREATE INDEX event_customers_event ON event_customers (event_id);
ALTER TABLE events DROP COLUMN customers;
