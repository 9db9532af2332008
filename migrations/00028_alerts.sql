-- Alerts: what somebody should look at, found once for all instances (room alert), and the channels by which people are told.

-- +goose Up
CREATE TABLE alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text        NOT NULL,            -- alert.Kind
    subject         text        NOT NULL DEFAULT '', -- a source's slug, a destination's name, the number of a replay or a case
    instance        text        NOT NULL DEFAULT '', -- the only one that can tell; '': any can
    level           integer     NOT NULL DEFAULT 1,  -- how bad it is; when it rises people are told at once
    words           text        NOT NULL,            -- nothing personal, nothing secret
    page            text        NOT NULL DEFAULT '', -- path of where it is looked into
    opened_at       timestamptz NOT NULL,
    seen_at         timestamptz NOT NULL,            -- to the minute
    clear_since     timestamptz,                     -- it seems over since; it is when that lasts
    resolved_at     timestamptz,
    tell_at         timestamptz,                     -- null: nobody is to be told again
    told_at         timestamptz,                     -- the last time
    told            integer     NOT NULL DEFAULT 0,  -- how often, its end not counted
    acknowledged_by text        NOT NULL DEFAULT '',
    acknowledged_at timestamptz,
    note            text        NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject, instance) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_at);

CREATE TABLE alert_channels (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL UNIQUE,
    kind          text        NOT NULL CHECK (kind IN ('mail', 'webhook')),
    settings      jsonb       NOT NULL,              -- what is no secret
    sealed        bytea,                             -- the rest; null: none, or given up with a lost key
    kinds         text[]      NOT NULL DEFAULT '{}', -- of alerts that go there; none: all
    paused        boolean     NOT NULL DEFAULT false,
    revision      integer     NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    sent_at       timestamptz,                       -- the last message that arrived
    failing_since timestamptz,
    error         text        NOT NULL DEFAULT ''    -- why the last one did not
);

-- What is to be told by which channel: made in the transaction that notes it in the alerts, so it goes out at least once.
CREATE TABLE alert_messages (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id bigint      NOT NULL REFERENCES alert_channels ON DELETE CASCADE,
    made_at    timestamptz NOT NULL,
    title      text        NOT NULL,
    body       text        NOT NULL,
    data       jsonb       NOT NULL, -- the same for programs
    tries      integer     NOT NULL DEFAULT 0,
    next_at    timestamptz,          -- of the next try; null: there is none
    sent_at    timestamptz,
    error      text        NOT NULL DEFAULT '' -- of the last try
);
CREATE INDEX alert_messages_due ON alert_messages (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alert_messages_channel ON alert_messages (channel_id, id);

CREATE TABLE alert_state (
    singleton        boolean     PRIMARY KEY DEFAULT true CHECK (singleton), -- one row
    looked_at        timestamptz,                    -- when an instance last began to look for all
    told_at          timestamptz,                    -- when messages were last made
    audit_checked_at timestamptz,
    audit_fault      text        NOT NULL DEFAULT '' -- found then
);
INSERT INTO alert_state DEFAULT VALUES;

-- From when on a source's silence means anything: since it was enabled.
CREATE TABLE alert_sources (
    source_id    bigint      NOT NULL PRIMARY KEY,
    watched_from timestamptz NOT NULL
);

-- Quarters of an hour in which some instance took callbacks: who was away himself cannot say that somebody was silent.
CREATE TABLE alert_uptime (
    quarter timestamptz NOT NULL PRIMARY KEY
);

-- +goose Down
DROP TABLE alert_uptime, alert_sources, alert_state, alert_messages, alert_channels, alerts;
