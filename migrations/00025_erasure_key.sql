-- What hashes of persons are keyed by is kept, sealed, so that they stay what they are when the program's key is changed.

-- +goose Up
CREATE TABLE erasure_keys (
    id     bigint NOT NULL PRIMARY KEY DEFAULT 1 CHECK (id = 1), -- one row
    sealed bytea  NOT NULL
);

-- +goose Down
DROP TABLE erasure_keys;
