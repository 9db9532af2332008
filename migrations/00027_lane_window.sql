-- Destinations are found broken by the share of attempts that failed within a minute, too: failures in a row alone would let one
-- that succeeds now and then use up the tries of all that is for it.

-- +goose Up
ALTER TABLE lanes
    ADD COLUMN window_at     timestamptz,                -- when the minute began: with a failure; null: none yet
    ADD COLUMN window_ended  integer NOT NULL DEFAULT 0, -- attempts since, those that failed by hand left out
    ADD COLUMN window_failed integer NOT NULL DEFAULT 0; -- of these

-- +goose Down
ALTER TABLE lanes DROP COLUMN window_at, DROP COLUMN window_ended, DROP COLUMN window_failed;
