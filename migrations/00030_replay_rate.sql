-- How fast a replay has really been of late: a destination may allow less than the rate asked for.

-- +goose Up
ALTER TABLE replays
    ADD COLUMN measured_from   timestamptz,              -- when the stretch began that is being measured; before ramp_from: it tells nothing
    ADD COLUMN measured_passed bigint NOT NULL DEFAULT 0, -- events of the list that were behind it then
    ADD COLUMN measured_rate   double precision NOT NULL DEFAULT 0; -- events a second of the last stretches; 0: not known yet

-- +goose Down
ALTER TABLE replays DROP COLUMN measured_from, DROP COLUMN measured_passed, DROP COLUMN measured_rate;
