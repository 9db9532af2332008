-- Sessions: a log-in of a user in one browser, so that each can be seen and ended, on every instance at once. And what
-- a second factor needs.

-- +goose Up
CREATE TABLE user_sessions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint      NOT NULL REFERENCES users,
    token_sha256 bytea       NOT NULL UNIQUE, -- the token itself is in the browser alone
    address      text        NOT NULL, -- where the log-in came from
    agent        text        NOT NULL, -- what the browser calls itself
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL  -- to the minute
);
CREATE INDEX user_sessions_user ON user_sessions (user_id);

ALTER TABLE users
    DROP COLUMN session_epoch, -- a changed password ends the sessions themselves
    ADD COLUMN totp_sealed bytea,          -- the secret of the authenticator app; null: no second factor
    ADD COLUMN totp_confirmed_at timestamptz, -- null: begun, not asked for yet
    ADD COLUMN totp_step bigint NOT NULL DEFAULT 0; -- of the last code used: none is taken twice

CREATE TABLE user_recovery_codes (
    user_id     bigint NOT NULL REFERENCES users,
    code_sha256 bytea  NOT NULL, -- of 80 random bits, so no slow hash is needed
    PRIMARY KEY (user_id, code_sha256)
);

-- +goose Down
DROP TABLE user_recovery_codes, user_sessions;
ALTER TABLE users
    DROP COLUMN totp_sealed, DROP COLUMN totp_confirmed_at, DROP COLUMN totp_step,
    ADD COLUMN session_epoch integer NOT NULL DEFAULT 1;
