-- Destinations in full: method, own signing secrets, headers that are no secret, limits, order, why they stand as they do.

-- +goose Up
CREATE TYPE delivery_order AS ENUM ('any', 'entity');

ALTER TABLE destinations
    ADD COLUMN method          text             NOT NULL DEFAULT 'POST' CHECK (method IN ('POST', 'PUT', 'PATCH')),
    ADD COLUMN secrets_sealed  bytea,                                    -- JSON list of signing secrets of its own, newest last; null: none
    ADD COLUMN headers         json             NOT NULL DEFAULT '[]',   -- name and value of headers that are no secret
    ADD COLUMN pass_signature  boolean          NOT NULL DEFAULT false,  -- the event's own signature goes along in a header of its own
    ADD COLUMN max_rate        double precision CHECK (max_rate > 0),    -- attempts begun a second; null: no limit
    ADD COLUMN max_concurrency integer          CHECK (max_concurrency > 0), -- attempts under way at once; null: no limit of its own
    ADD COLUMN ordering        delivery_order   NOT NULL DEFAULT 'any',  -- entity: the events of one entity go out one after the other
    ADD COLUMN state_since     timestamptz,                              -- null: since it was added
    ADD COLUMN state_reason    text             NOT NULL DEFAULT '',     -- why it is paused or broken, in words for people
    ADD COLUMN revision        integer          NOT NULL DEFAULT 1;      -- grows with each change of settings, not of the state: a change of an older one is refused
COMMENT ON COLUMN destinations.headers_sealed IS 'JSON list of name and value of secret headers; null: none';

-- +goose Down
ALTER TABLE destinations
    DROP COLUMN method, DROP COLUMN secrets_sealed, DROP COLUMN headers, DROP COLUMN pass_signature, DROP COLUMN max_rate,
    DROP COLUMN max_concurrency, DROP COLUMN ordering, DROP COLUMN state_since, DROP COLUMN state_reason, DROP COLUMN revision;
DROP TYPE delivery_order;
