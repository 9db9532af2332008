-- Replays: many events sent again to one destination, by a list that is frozen before anything is sent.

-- +goose Up
-- planning ─▶ planned ─▶ canary ─▶ running ─▶ done
-- canary, running ─▶ paused, stopped (by itself) ─▶ canary; from each but done ─▶ cancelled
CREATE TYPE replay_state AS ENUM ('planning', 'planned', 'canary', 'running', 'paused', 'stopped', 'done', 'cancelled');

CREATE TABLE replays (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    filter         text             NOT NULL,
    until          timestamptz      NOT NULL, -- later events are left out
    destination_id bigint           NOT NULL,
    latest         boolean          NOT NULL, -- only the newest event of each entity; false: all, in order
    again          boolean          NOT NULL, -- also what was delivered to this destination before
    rate           double precision NOT NULL CHECK (rate > 0), -- events a second
    canary         integer          NOT NULL CHECK (canary >= 0),
    stop_above     double precision NOT NULL CHECK (stop_above BETWEEN 0 AND 1), -- share of failures at which it stops by itself
    state          replay_state     NOT NULL DEFAULT 'planning',
    why            text             NOT NULL DEFAULT '', -- it is stopped, or waits, in words
    requested_by   text             NOT NULL,
    reason         text             NOT NULL DEFAULT '',
    created_at     timestamptz      NOT NULL,
    planned_at     timestamptz,
    started_at     timestamptz,
    finished_at    timestamptz,
    step_at        timestamptz,               -- when it needs its next step; null: never
    cursor         uuid             NOT NULL, -- planning: what is below has not been looked at; afterwards: the last event sent
    looked         bigint           NOT NULL DEFAULT 0, -- events the filter found
    events         bigint           NOT NULL DEFAULT 0, -- of them on the list
    counts         jsonb            NOT NULL DEFAULT '{}', -- of the plan: types, verdicts, left_out
    sent           bigint           NOT NULL DEFAULT 0, -- events of the list that became deliveries
    skipped        jsonb            NOT NULL DEFAULT '{}', -- those that did not, because of what happened since the plan, by reason
    succeeded      bigint           NOT NULL DEFAULT 0,
    retrying       bigint           NOT NULL DEFAULT 0, -- failed at first, and are tried again
    failed         bigint           NOT NULL DEFAULT 0, -- given up
    canary_left    integer          NOT NULL DEFAULT 0,
    recent         text             NOT NULL DEFAULT '', -- how the last first attempts ended, 0 or 1 each: 1 failed
    ramp_from      timestamptz,               -- when it began to run at a growing rate
    sent_until     timestamptz,               -- until when the rate is used up
    newer_cursor   text             NOT NULL, -- DB.CommittedSince: what was committed before has been looked at for newer states
    settled        uuid                       -- last of the retrying ones that was looked at
);
CREATE INDEX replays_due ON replays (step_at) WHERE step_at IS NOT NULL;

-- The list. It is not changed after the plan; the cursor tells how far it is.
CREATE TABLE replay_items (
    replay_id bigint NOT NULL,
    event_id  uuid   NOT NULL,
    PRIMARY KEY (replay_id, event_id)
);

-- Deliveries of a replay whose end has not been counted. There are only so many at a time.
CREATE TABLE replay_open (
    replay_id   bigint  NOT NULL,
    event_id    uuid    NOT NULL,
    delivery_id uuid    NOT NULL,
    retrying    boolean NOT NULL DEFAULT false, -- its first attempt failed
    PRIMARY KEY (replay_id, event_id)
);

-- Entities of which a newer event was met while planning, newest first; and those that got one since.
CREATE TABLE replay_seen (
    replay_id bigint NOT NULL,
    entity    bigint NOT NULL, -- hash
    PRIMARY KEY (replay_id, entity)
);
CREATE TABLE replay_newer (
    replay_id bigint NOT NULL,
    entity    bigint NOT NULL,
    event_id  uuid   NOT NULL, -- the newest
    PRIMARY KEY (replay_id, entity)
);

-- Which replay a delivery is of; null: of none.
ALTER TABLE deliveries ADD COLUMN replay_id bigint;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN replay_id;
DROP TABLE replay_newer, replay_seen, replay_open, replay_items, replays;
DROP TYPE replay_state;
