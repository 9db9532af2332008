-- Which programs may run on this schema: while instances are replaced one by one, those of the release before run on the
-- schema of the next one. The newer program says here how old another may be.

-- +goose Up
CREATE TABLE schema_support (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    least bigint NOT NULL -- the newest migration that a program must know at least
);
INSERT INTO schema_support (least) VALUES (22);

-- +goose Down
DROP TABLE schema_support;
