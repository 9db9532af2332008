-- Destinations, deliveries and attempts: where events are sent, and everything that happened on the way.
-- River's jobs only drive the work and are deleted after a day; these rows are the history.

-- +goose Up
CREATE TYPE signing AS ENUM ('plenigo', 'standard-webhooks', 'none');
CREATE TYPE destination_state AS ENUM ('active', 'paused', 'broken');
CREATE TYPE delivery_trigger AS ENUM ('automatic', 'manual', 'replay');
CREATE TYPE delivery_state AS ENUM ('pending', 'sending', 'succeeded', 'waiting', 'exhausted', 'cancelled');

CREATE TABLE destinations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text              NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    url             text              NOT NULL,
    match           text,                       -- filter of arriving events; null: manual only; '': every accepted event
    signing         signing           NOT NULL DEFAULT 'plenigo',
    headers_sealed  bytea,                      -- JSON list of name and value sent along; null: none
    timeout_ms      integer           NOT NULL DEFAULT 30000 CHECK (timeout_ms BETWEEN 100 AND 300000),
    retry_schedule  integer[]         NOT NULL DEFAULT '{30,120,600,3600,21600,86400}', -- seconds before each retry
    state           destination_state NOT NULL DEFAULT 'active',
    demo            boolean           NOT NULL DEFAULT false,
    created_at      timestamptz       NOT NULL DEFAULT now(),
    removed_at      timestamptz
);
CREATE UNIQUE INDEX destinations_name ON destinations (name) WHERE removed_at IS NULL;
CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE ON destinations FOR EACH STATEMENT EXECUTE FUNCTION bump_settings_revision();

CREATE TABLE deliveries (
    event_id        uuid             NOT NULL,
    id              uuid             NOT NULL, -- UUIDv7
    destination_id  bigint           NOT NULL,
    trigger         delivery_trigger NOT NULL,
    state           delivery_state   NOT NULL DEFAULT 'pending',
    attempts        integer          NOT NULL DEFAULT 0, -- attempts begun
    requested_by    text             NOT NULL DEFAULT '', -- user name; '' for automatic ones
    reason          text             NOT NULL DEFAULT '', -- why, as the user said
    created_at      timestamptz      NOT NULL,
    next_attempt_at timestamptz,                          -- set while waiting
    finished_at     timestamptz,                          -- set when succeeded, exhausted or cancelled
    last_status     smallint,                             -- HTTP status of the last attempt that got one
    last_error      text             NOT NULL DEFAULT '',
    PRIMARY KEY (event_id, id)
) PARTITION BY RANGE (event_id);
-- An event goes to a destination automatically once, however often its batch is tried.
CREATE UNIQUE INDEX deliveries_automatic ON deliveries (event_id, destination_id) WHERE trigger = 'automatic';
CREATE INDEX deliveries_open ON deliveries (destination_id, id) WHERE state IN ('pending', 'sending', 'waiting', 'exhausted');

CREATE TABLE attempts (
    event_id           uuid        NOT NULL,
    delivery_id        uuid        NOT NULL,
    number             integer     NOT NULL, -- from 1
    started_at         timestamptz NOT NULL,
    duration_ms        integer,              -- null: begun and never ended (the process died)
    request_url        text        NOT NULL,
    request_header     bytea       NOT NULL, -- as sent, values of secret headers left out
    status             smallint,             -- null: no answer
    response_header    bytea,
    response_body      bytea,                -- first bytes, bounded
    response_truncated boolean     NOT NULL DEFAULT false,
    error              text        NOT NULL DEFAULT '', -- why there is no answer, in words
    PRIMARY KEY (event_id, delivery_id, number)
) PARTITION BY RANGE (event_id);

-- +goose Down
DROP TABLE attempts, deliveries, destinations;
DROP TYPE delivery_state, delivery_trigger, destination_state, signing;
