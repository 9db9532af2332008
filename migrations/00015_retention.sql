-- Retention: for how long things are kept, what must stay whatever the rules say, and what was removed. Without a rule
-- everything is kept for ever. What happens is in store/retention_run.go.

-- +goose Up
CREATE TYPE retention_class AS ENUM ('accepted', 'rejected', 'attempts', 'audit');

CREATE TABLE retention_rules (
    source_id bigint          NOT NULL, -- 0: every source without a rule of its own
    class     retention_class NOT NULL,
    days      integer         CHECK (days BETWEEN 1 AND 36500), -- null: for ever
    PRIMARY KEY (source_id, class),
    CHECK (class <> 'audit' OR source_id = 0)
);

-- Holds keep events whatever the rules say. Their lists are frozen when they are placed.
CREATE TABLE retention_holds (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    filter         text        NOT NULL, -- as it was written; '' where one event was named
    reason         text        NOT NULL CHECK (reason <> ''),
    events         integer     NOT NULL,
    placed_by      text        NOT NULL,
    placed_at      timestamptz NOT NULL,
    released_by    text        NOT NULL DEFAULT '',
    released_at    timestamptz, -- null: it holds
    release_reason text        NOT NULL DEFAULT ''
);
CREATE TABLE retention_hold_events (
    event_id  uuid            NOT NULL,
    hold_id   bigint          NOT NULL REFERENCES retention_holds,
    source_id bigint          NOT NULL,
    class     retention_class NOT NULL,
    PRIMARY KEY (event_id, hold_id)
);
CREATE INDEX retention_hold_events_hold ON retention_hold_events (hold_id);

-- Weeks in which everything of a source's class was looked at, and removed unless something kept it.
CREATE TABLE retention_swept (
    week      date            NOT NULL, -- Monday
    source_id bigint          NOT NULL,
    class     retention_class NOT NULL,
    again_at  timestamptz,    -- something was kept by a hold or an open delivery: when to look again; null: never
    PRIMARY KEY (week, source_id, class)
);

-- Weeks that are removed whole. The row is there before the first partition goes, so that a crash is gone on from.
CREATE TABLE retention_weeks (
    week       date        NOT NULL PRIMARY KEY,
    decided_at timestamptz NOT NULL,
    done_at    timestamptz
);

CREATE TABLE retention_removed (
    week      date            NOT NULL, -- in which they arrived; of audit entries, in which they were made
    source_id bigint          NOT NULL, -- 0: audit entries
    class     retention_class NOT NULL,
    rows      bigint          NOT NULL,
    first_at  timestamptz     NOT NULL, -- when the first and the last of them were removed
    last_at   timestamptz     NOT NULL,
    PRIMARY KEY (week, source_id, class)
);

-- +goose Down
DROP TABLE retention_removed, retention_weeks, retention_swept, retention_hold_events, retention_holds, retention_rules;
DROP TYPE retention_class;
