-- Tokens of the API. A token acts for the user who made it, within the rights given to it, and never beyond those that the
-- user has at that moment (store/token.go).

-- +goose Up
CREATE TABLE api_tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint      NOT NULL REFERENCES users,
    name         text        NOT NULL CHECK (name <> ''),
    token_sha256 bytea       NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32), -- the token itself is kept nowhere
    hint         text        NOT NULL, -- its first characters, by which one that was found somewhere is told from others
    rights       text[]      NOT NULL CHECK (cardinality(rights) > 0),
    created_at   timestamptz NOT NULL,
    created_by   text        NOT NULL,
    expires_at   timestamptz, -- null: never
    used_at      timestamptz, -- to the minute; null: never
    used_from    text        NOT NULL DEFAULT '', -- address
    revoked_at   timestamptz, -- null: it is not
    revoked_by   text        NOT NULL DEFAULT ''
);
-- A name says in the audit list which token acted, so of one user's tokens that are in use no two share it.
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (user_id, lower(name)) WHERE revoked_at IS NULL;

-- +goose Down
DROP TABLE api_tokens;
