-- Erasure: what is held about a person, or one event, destroyed for good. A case is found, looked at by a person, confirmed
-- and carried out step by step (room erasure). What happens to rows is in store/erasure_destroy.go, what happens to
-- the files of the database in store/erasure_rewrite.go.

-- +goose Up
-- finding ─▶ open ─▶ running ─▶ closed; finding ─▶ waiting (a grace time) ─▶ running; from each but running and closed ─▶ cancelled
CREATE TYPE erasure_state AS ENUM ('finding', 'open', 'waiting', 'running', 'closed', 'cancelled');

CREATE TABLE erasure_cases (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_sealed bytea,                       -- the customer id, while the case is not over; null: of one event
    person_hash   bytea,                       -- keyed by the program's key; null: of one event
    event_id      uuid,                        -- the one event, or the callback that opened the case; null: a person did
    state         erasure_state NOT NULL DEFAULT 'finding',
    step          text          NOT NULL DEFAULT '', -- of a running one: what it is at
    why           text          NOT NULL DEFAULT '', -- it waits, in words
    reason        text          NOT NULL DEFAULT '',
    opened_by     text          NOT NULL,
    opened_at     timestamptz   NOT NULL,
    automatic_at  timestamptz,                 -- when it runs by itself; null: when somebody confirms it
    confirmed_by  text          NOT NULL DEFAULT '',
    confirmed_at  timestamptz,
    finished_at   timestamptz,
    step_at       timestamptz,                 -- when it needs its next step; null: never
    found         jsonb         NOT NULL DEFAULT '{}', -- counts
    done          jsonb         NOT NULL DEFAULT '{}', -- counts of what was destroyed
    leftover      jsonb         NOT NULL DEFAULT '[]', -- what is left to people, in words
    steps         jsonb         NOT NULL DEFAULT '[]', -- what was done when
    tables        text[]        NOT NULL DEFAULT '{}', -- still to be rewritten
    horizon       text          NOT NULL DEFAULT '',   -- transaction after which nobody sees what was destroyed
    certificate   json                                 -- made when it was closed
);
CREATE UNIQUE INDEX erasure_cases_person ON erasure_cases (person_hash) WHERE state NOT IN ('closed', 'cancelled');
CREATE INDEX erasure_cases_hash ON erasure_cases (person_hash) WHERE state = 'closed';
CREATE INDEX erasure_cases_due ON erasure_cases (step_at) WHERE step_at IS NOT NULL;

-- What a case has found. Doubtful ones are erased or left when somebody says so. Rows of what is destroyed go with it.
CREATE TABLE erasure_events (
    case_id    bigint  NOT NULL REFERENCES erasure_cases,
    event_id   uuid    NOT NULL,
    doubt      text    NOT NULL DEFAULT '', -- why it may not be the person's; '': it is
    erase      boolean,                     -- null: to be decided
    decided_by text    NOT NULL DEFAULT '',
    reason     text    NOT NULL DEFAULT '', -- of the decision
    PRIMARY KEY (case_id, event_id)
);

-- Tombstones: what is left of an erased event.
CREATE TABLE erased_events (
    event_id      uuid        NOT NULL PRIMARY KEY,
    case_id       bigint      NOT NULL,
    source_id     bigint      NOT NULL,
    verdict       verdict     NOT NULL,
    reason        text        NOT NULL,
    signature     text        NOT NULL,
    answered      smallint    NOT NULL,
    arrival       integer     NOT NULL,
    entity_type   text        NOT NULL,
    callback_type text        NOT NULL,
    api_version   text        NOT NULL,
    body_sha256   bytea       NOT NULL,
    size          bigint      NOT NULL,
    deliveries    jsonb       NOT NULL, -- where it was sent, when, how that ended
    erased_at     timestamptz NOT NULL,
    recorded      boolean     NOT NULL DEFAULT true -- it was an event once; false: an equal one that came later and was not kept
);
CREATE INDEX erased_events_case ON erased_events (case_id, event_id);

-- Equal bodies of an erased one are not kept any more, whenever they come.
ALTER TABLE arrival_groups ADD COLUMN erased_case bigint;

CREATE TABLE erasure_settings (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton), -- one row
    automatic    boolean NOT NULL DEFAULT false, -- cases opened by callbacks run by themselves
    grace_hours  integer NOT NULL DEFAULT 72 CHECK (grace_hours BETWEEN 1 AND 8760),
    backups_days integer NOT NULL DEFAULT 0 CHECK (backups_days BETWEEN 0 AND 36500) -- for how long backups are kept; 0: nobody said
);
INSERT INTO erasure_settings DEFAULT VALUES;

-- Programs that have a spool of their own, and what they say is in it of a case.
CREATE TABLE erasure_instances (
    name    text        NOT NULL PRIMARY KEY, -- machine and folder
    seen_at timestamptz NOT NULL
);
CREATE TABLE erasure_spools (
    case_id  bigint      NOT NULL REFERENCES erasure_cases,
    instance text        NOT NULL,
    erased   boolean     NOT NULL, -- false: only looked
    events   integer     NOT NULL,
    damaged  integer     NOT NULL, -- files that cannot be read, so nobody knows what they hold
    at       timestamptz NOT NULL,
    PRIMARY KEY (case_id, instance, erased)
);

-- +goose Down
DROP TABLE erasure_spools, erasure_instances, erasure_settings, erased_events, erasure_events, erasure_cases;
ALTER TABLE arrival_groups DROP COLUMN erased_case;
DROP TYPE erasure_state;
