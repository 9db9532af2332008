-- Lanes: deliveries are their own queue. A delivery is claimed when it is due, under a lease that ends by itself, so that
-- nothing is lost with the process that held it; River only says where to look.

-- +goose Up
ALTER TABLE deliveries
    ADD COLUMN tries      integer NOT NULL DEFAULT 0, -- attempts that count against the retry schedule
    ADD COLUMN attempt_at timestamptz,                -- when the last attempt was begun
    ADD COLUMN entity     text,                       -- what its events are kept in order by; null: nothing
    ALTER COLUMN next_attempt_at SET DEFAULT now();
COMMENT ON COLUMN deliveries.next_attempt_at IS
    'pending and waiting: when it is due; sending: when its lease ends; null: finished, or held behind an earlier event of its entity';

UPDATE deliveries SET next_attempt_at = CASE state WHEN 'pending' THEN created_at ELSE now() END
    WHERE state IN ('pending', 'sending') OR state = 'waiting' AND next_attempt_at IS NULL;
UPDATE deliveries SET next_attempt_at = NULL
    WHERE state IN ('succeeded', 'exhausted', 'cancelled') AND next_attempt_at IS NOT NULL;
UPDATE deliveries SET tries = attempts WHERE state = 'waiting';

DROP INDEX deliveries_automatic; -- an automatic delivery's id is made of its event's and its destination's: the primary key says once
DROP INDEX deliveries_open;
CREATE INDEX deliveries_due ON deliveries (destination_id, state, next_attempt_at) WHERE state IN ('pending', 'sending', 'waiting');
CREATE INDEX deliveries_ordered ON deliveries (destination_id, entity, event_id) WHERE entity IS NOT NULL AND state IN ('pending', 'sending', 'waiting');
CREATE INDEX deliveries_exhausted ON deliveries (destination_id, id) WHERE state = 'exhausted';

-- What all instances must know of the way to one destination. Its row is locked by whoever claims where a limit, an order or
-- a probe asks for it; a lane without them is claimed without.
CREATE TABLE lanes (
    destination_id bigint  NOT NULL PRIMARY KEY,
    failures       integer NOT NULL DEFAULT 0, -- attempts in a row that failed, those made by hand left out
    probes         integer NOT NULL DEFAULT 0, -- in a row that failed, while the destination is broken
    probe_at       timestamptz,                -- when the next is due
    rate_at        timestamptz                 -- until when its rate is used up
) WITH (fillfactor = 50);

-- Jobs for single deliveries were River's until now; the deliveries themselves are due.
-- +goose StatementBegin
DO $$ BEGIN
    IF to_regclass('river_job') IS NOT NULL THEN
        DELETE FROM river_job WHERE kind = 'delivery';
    END IF;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE lanes;
DROP INDEX deliveries_exhausted, deliveries_ordered, deliveries_due;
CREATE INDEX deliveries_open ON deliveries (destination_id, id) WHERE state IN ('pending', 'sending', 'waiting', 'exhausted');
CREATE UNIQUE INDEX deliveries_automatic ON deliveries (event_id, destination_id) WHERE trigger = 'automatic';
ALTER TABLE deliveries ALTER COLUMN next_attempt_at DROP DEFAULT, DROP COLUMN entity, DROP COLUMN attempt_at, DROP COLUMN tries;
