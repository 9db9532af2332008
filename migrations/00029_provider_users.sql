-- Users of an identity provider: known by who issued them and by their subject there, and without a password here. And a code
-- from the command line, for who finds no other way in.

-- contract: what the release before writes always has a password, and neither issuer nor subject.

-- +goose Up
ALTER TABLE users
    ALTER COLUMN password_hash DROP NOT NULL,
    ADD COLUMN oidc_issuer text,  -- null: logs in here by a password
    ADD COLUMN oidc_subject text, -- never another's at that issuer
    ADD COLUMN refused_at timestamptz, -- the provider gave no role at the last log-in: nothing of the user works until it does
    ADD COLUMN login_code_sha256 bytea, -- of 125 random bits, so no slow hash is needed
    ADD COLUMN login_code_until timestamptz,
    ADD CONSTRAINT users_way_in CHECK (num_nonnulls(oidc_issuer, oidc_subject) IN (0, 2) AND (password_hash IS NULL) = (oidc_issuer IS NOT NULL));
-- Removed users keep their place, so that the provider cannot bring them back.
CREATE UNIQUE INDEX users_subject ON users (oidc_issuer, oidc_subject);

-- +goose Down
DROP INDEX users_subject;
ALTER TABLE users DROP CONSTRAINT users_way_in;
DELETE FROM user_sessions WHERE user_id IN (SELECT id FROM users WHERE password_hash IS NULL);
UPDATE users SET removed_at = coalesce(removed_at, now()), password_hash = '' WHERE password_hash IS NULL;
ALTER TABLE users
    DROP COLUMN oidc_issuer, DROP COLUMN oidc_subject, DROP COLUMN refused_at, DROP COLUMN login_code_sha256, DROP COLUMN login_code_until,
    ALTER COLUMN password_hash SET NOT NULL;
