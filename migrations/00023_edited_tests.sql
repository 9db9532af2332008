-- Tests that somebody made of an event's body and sent to a destination. They are neither events nor deliveries, and hang on
-- the event they were made from: what removes that, removes them.

-- +goose Up
CREATE TABLE edited_tests (
    event_id           uuid        NOT NULL, -- it was made from
    id                 uuid        NOT NULL, -- UUIDv7; the receiver is told it as Recall-Event
    destination_id     bigint      NOT NULL,
    requested_by       text        NOT NULL,
    reason             text        NOT NULL,
    method             text        NOT NULL,
    edited             boolean     NOT NULL, -- the body is not the event's
    body               bytea       NOT NULL, -- as sent
    started_at         timestamptz NOT NULL,
    duration_ms        integer,              -- null: begun and never ended (the process died)
    request_url        text        NOT NULL,
    request_header     bytea       NOT NULL, -- as sent, values of secret headers left out
    status             smallint,             -- null: no answer
    response_header    bytea,
    response_body      bytea,                -- first bytes, bounded
    response_truncated boolean     NOT NULL DEFAULT false,
    error              text        NOT NULL DEFAULT '',
    PRIMARY KEY (event_id, id)
) PARTITION BY RANGE (event_id);
CREATE INDEX edited_tests_destination ON edited_tests (destination_id, id);

-- +goose Down
DROP TABLE edited_tests;
