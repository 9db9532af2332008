-- What somebody has just sent by hand goes to a broken destination without waiting for a probe, so it must be found among
-- all that waits there.

-- +goose Up
CREATE INDEX deliveries_by_hand ON deliveries (destination_id, next_attempt_at) WHERE state = 'pending' AND trigger = 'manual';

-- +goose Down
DROP INDEX deliveries_by_hand;
