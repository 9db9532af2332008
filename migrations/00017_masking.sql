-- Masking: what operators set beside Recall's own rules, what is revealed to whom, and who was noted to have looked.

-- +goose Up
CREATE TABLE mask_rules (
    entity_type text NOT NULL CHECK (entity_type <> '' AND length(entity_type) <= 100), -- in capitals; * every type; headers
    path        text NOT NULL CHECK (path <> '' AND length(path) <= 300),
    class       text NOT NULL CHECK (class IN ('shown', 'personal', 'secret'))
);
CREATE UNIQUE INDEX mask_rules_place ON mask_rules (entity_type, lower(path));

-- Ends with its session, whatever ends that.
CREATE TABLE reveals (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id bigint      NOT NULL REFERENCES user_sessions ON DELETE CASCADE,
    scope      text        NOT NULL CHECK (scope IN ('event', 'entity', 'customer')),
    subject    text        NOT NULL, -- an event's id; type/id of an entity, the type in capitals; a customer's id
    secrets    boolean     NOT NULL, -- what is secret too
    until      timestamptz NOT NULL
);
CREATE INDEX reveals_session ON reveals (session_id);

-- That somebody saw a payload is in the audit list once an hour. These are the ones of the last hours.
CREATE TABLE payload_views (
    actor   text        NOT NULL,
    subject text        NOT NULL,
    hour    timestamptz NOT NULL,
    PRIMARY KEY (actor, subject, hour)
);
CREATE INDEX payload_views_hour ON payload_views (hour);

-- +goose Down
DROP TABLE payload_views, reveals, mask_rules;
