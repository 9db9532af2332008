-- The audit list as a chain: each entry gets a position and a hash over itself and the hash before, so that whoever changes,
-- removes, adds or moves one past the program is found out. What happens is in store/audit_seal.go.

-- +goose Up
-- The salt keeps what was said from being guessed by its commitment once it was erased; null: it was.
ALTER TABLE audit_entries ADD COLUMN salt bytea DEFAULT uuid_send(gen_random_uuid());

-- Entries that wait for their place. A row is there from the transaction of its entry until the entry is in the chain.
CREATE TABLE audit_pending (
    entry_id bigint      PRIMARY KEY,
    since    timestamptz NOT NULL DEFAULT now()
);
INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries;

CREATE TABLE audit_chain (
    position   bigint PRIMARY KEY, -- from 1, without a gap
    entry_id   bigint NOT NULL UNIQUE,
    commitment bytea  NOT NULL,    -- SHA-256 of the salt and what was said: subject, reason, detail
    hash       bytea  NOT NULL     -- SHA-256 of the hash before, position, id, time, actor, action and commitment
);

-- Hashes of the chain, authenticated by the program's key. A head is the end of the chain at some moment; an anchor is where it
-- begins, after retention removed what was before.
CREATE TABLE audit_checkpoints (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     text        NOT NULL CHECK (kind IN ('head', 'anchor')),
    position bigint      NOT NULL,
    hash     bytea       NOT NULL,
    at       timestamptz NOT NULL,
    key_id   text        NOT NULL,
    mac      bytea       NOT NULL
);
CREATE INDEX audit_checkpoints_position ON audit_checkpoints (position, kind);

-- +goose Down
DROP TABLE audit_checkpoints, audit_chain, audit_pending;
ALTER TABLE audit_entries DROP COLUMN salt;
