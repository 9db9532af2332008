-- Customer ids are unique within one plenigo company only: a case is about a number at all sources, or at some. And since when a case
-- is in its state, so that people see what waits for them.

-- +goose Up
ALTER TABLE erasure_cases
    ADD COLUMN source_ids  bigint[] NOT NULL DEFAULT '{}', -- none: all. Of a case that a callback opened: events of others are doubtful
    ADD COLUMN state_since timestamptz;                    -- null: since it was opened
ALTER TABLE erasure_settings
    ADD COLUMN one_company boolean NOT NULL DEFAULT false; -- all sources are of one: their numbers mean the same persons

-- +goose Down
ALTER TABLE erasure_settings DROP COLUMN one_company;
ALTER TABLE erasure_cases DROP COLUMN source_ids, DROP COLUMN state_since;
