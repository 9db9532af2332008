-- Users and the audit list: who may do what, who did what and why.

-- +goose Up
CREATE TYPE role AS ENUM ('viewer', 'operator', 'admin');

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$'),
    password_hash text        NOT NULL, -- argon2id in PHC form
    role          role        NOT NULL DEFAULT 'admin',
    session_epoch integer     NOT NULL DEFAULT 1, -- grows when the password changes: older sessions are over
    created_at    timestamptz NOT NULL DEFAULT now(),
    removed_at    timestamptz
);
CREATE UNIQUE INDEX users_name ON users (lower(name)) WHERE removed_at IS NULL;

CREATE TABLE audit_entries (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text        NOT NULL, -- user name, or "cli:" and the system's user, or "recall"
    action  text        NOT NULL, -- noun.verb: event.redispatch, source.add, user.login
    subject text        NOT NULL, -- what it was done to: an id, a slug, a name
    reason  text        NOT NULL DEFAULT '',
    detail  jsonb       NOT NULL DEFAULT '{}' -- counts, settings before and after; never secrets or payloads
);
CREATE INDEX audit_entries_subject ON audit_entries (subject, id);

-- +goose Down
DROP TABLE audit_entries, users;
DROP TYPE role;
