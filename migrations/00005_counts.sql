-- Counts that pages and guards read instead of the events. A follower of commits keeps them, a few seconds behind
-- (store/rollup.go); requests that became no event are counted by the receiver (store/unstored.go).

-- +goose Up
CREATE TABLE followers (
    name   text        NOT NULL PRIMARY KEY,
    cursor text        NOT NULL, -- DB.CommittedSince
    at     timestamptz NOT NULL  -- when it last reached the end; how far behind it is
);

CREATE TABLE source_hours (
    source_id     bigint      NOT NULL,
    hour          timestamptz NOT NULL,
    verdict       verdict     NOT NULL,
    answered      smallint    NOT NULL,
    secret        text        NOT NULL, -- name of the one that matched; '' where none did
    events        bigint      NOT NULL,
    last_event_id uuid        NOT NULL,
    PRIMARY KEY (source_id, hour, verdict, answered, secret)
);

CREATE TYPE failure_state AS ENUM ('open', 'acknowledged', 'resolved');

-- Rejected events that are one trouble: a flood of forgeries is one row.
CREATE TABLE failure_groups (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id      bigint        NOT NULL,
    reason         text          NOT NULL,
    sender         inet,                   -- null: one of many addresses (store.maxSenders), or unknown
    cause          text          NOT NULL, -- verify.Cause; '' where none fits or none was looked for
    state          failure_state NOT NULL DEFAULT 'open',
    changed_by     text          NOT NULL DEFAULT '', -- who set the state
    changed_at     timestamptz,
    events         bigint        NOT NULL,
    first_event_id uuid          NOT NULL,
    last_event_id  uuid          NOT NULL,
    UNIQUE NULLS NOT DISTINCT (source_id, reason, sender, cause)
);
CREATE INDEX failure_groups_last ON failure_groups (last_event_id);

CREATE TABLE failure_hours (
    group_id bigint      NOT NULL REFERENCES failure_groups ON DELETE CASCADE,
    hour     timestamptz NOT NULL,
    events   bigint      NOT NULL,
    PRIMARY KEY (group_id, hour)
);

CREATE TABLE unstored_hours (
    source_id bigint      NOT NULL,
    hour      timestamptz NOT NULL,
    answered  smallint    NOT NULL, -- 503 not stored, 400 or 408 not read to its end, 429, and rejected ones over their budget
    requests  bigint      NOT NULL,
    PRIMARY KEY (source_id, hour, answered)
);

-- Requests for names that are no source: a wrong URL at plenigo is found here. Bounded; the oldest give way.
CREATE TABLE unknown_requests (
    path         text        NOT NULL,
    sender       text        NOT NULL, -- address; '' unknown
    content_type text        NOT NULL,
    signed       boolean     NOT NULL, -- had a plenigo-signature header
    requests     bigint      NOT NULL,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    PRIMARY KEY (path, sender)
);

-- +goose Down
DROP TABLE unknown_requests, unstored_hours, failure_hours, failure_groups, source_hours, followers;
DROP TYPE failure_state;
