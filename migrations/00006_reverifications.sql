-- Re-verification: a kept event checked again on its raw bytes with today's settings. The first result stays in events.

-- +goose Up
CREATE TABLE reverifications (
    event_id     uuid        NOT NULL,
    id           uuid        NOT NULL, -- UUIDv7
    run_id       bigint,               -- reverify_runs; null: of one event by hand
    at           timestamptz NOT NULL,
    requested_by text        NOT NULL,
    verdict      verdict     NOT NULL,
    reason       text        NOT NULL,
    verification json        NOT NULL, -- verify.Result whole
    released     boolean     NOT NULL, -- sent on to its destinations by this
    PRIMARY KEY (event_id, id)
) PARTITION BY RANGE (event_id);

-- counting ─▶ counted ─▶ running ─▶ done; from each of the first three ─▶ cancelled
CREATE TYPE reverify_state AS ENUM ('counting', 'counted', 'running', 'done', 'cancelled');

-- A run over all rejected and late events that a filter finds. It is first counted, then carried out when somebody says so.
CREATE TABLE reverify_runs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    filter       text           NOT NULL,
    until        timestamptz    NOT NULL, -- later events are left out: the list is frozen
    release      boolean        NOT NULL DEFAULT false, -- send on what is authentic now; chosen when it is started
    state        reverify_state NOT NULL DEFAULT 'counting',
    requested_by text           NOT NULL,
    reason       text           NOT NULL DEFAULT '',
    created_at   timestamptz    NOT NULL,
    finished_at  timestamptz,
    cursor       uuid           NOT NULL, -- last event looked at in this pass
    checked      bigint         NOT NULL DEFAULT 0, -- in this pass; likewise below
    accepted     bigint         NOT NULL DEFAULT 0, -- verified or late now
    rejected     bigint         NOT NULL DEFAULT 0, -- still
    releasable   bigint         NOT NULL DEFAULT 0, -- accepted now, and no arrival of the callback was accepted before
    released     bigint         NOT NULL DEFAULT 0,
    counted      bigint         NOT NULL DEFAULT 0  -- events of the counting pass: what the running one has before it
);
CREATE INDEX reverify_runs_open ON reverify_runs (id) WHERE state IN ('counting', 'running');

-- +goose Down
DROP TABLE reverify_runs, reverifications;
DROP TYPE reverify_state;
