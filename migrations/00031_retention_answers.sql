-- What destinations answered is kept for a time of its own, apart from the attempts: an answer may repeat what was sent, or say
-- more of the same person, while the attempt tells only that something was sent. And how the last runs of retention ended.

-- +goose Up
ALTER TYPE retention_class ADD VALUE 'answers' AFTER 'attempts';
ALTER TABLE attempts     ADD COLUMN answer_removed_at timestamptz; -- retention took the answer away; null: it did not
ALTER TABLE edited_tests ADD COLUMN answer_removed_at timestamptz; -- likewise

CREATE TABLE retention_state (
    singleton boolean     PRIMARY KEY DEFAULT true CHECK (singleton), -- one row
    ended_at  timestamptz,                                            -- the last run, however it ended
    done_at   timestamptz,                                            -- the last one that left nothing that was due
    error     text        NOT NULL DEFAULT ''                         -- why the last one failed
);
INSERT INTO retention_state DEFAULT VALUES;

-- +goose Down
DROP TABLE retention_state;
ALTER TABLE attempts     DROP COLUMN answer_removed_at;
ALTER TABLE edited_tests DROP COLUMN answer_removed_at;
-- A value cannot be taken out of an enum, so it is made anew. What was removed stays removed; its counts go.
DELETE FROM retention_rules   WHERE class = 'answers';
DELETE FROM retention_swept   WHERE class = 'answers';
DELETE FROM retention_removed WHERE class = 'answers';
ALTER TABLE retention_rules DROP CONSTRAINT retention_rules_check;
ALTER TYPE retention_class RENAME TO retention_class_before;
CREATE TYPE retention_class AS ENUM ('accepted', 'rejected', 'attempts', 'audit');
ALTER TABLE retention_rules       ALTER COLUMN class TYPE retention_class USING class::text::retention_class;
ALTER TABLE retention_hold_events ALTER COLUMN class TYPE retention_class USING class::text::retention_class;
ALTER TABLE retention_swept       ALTER COLUMN class TYPE retention_class USING class::text::retention_class;
ALTER TABLE retention_removed     ALTER COLUMN class TYPE retention_class USING class::text::retention_class;
ALTER TABLE retention_rules ADD CONSTRAINT retention_rules_check CHECK (class <> 'audit' OR source_id = 0);
DROP TYPE retention_class_before;
