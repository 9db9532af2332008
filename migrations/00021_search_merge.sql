-- A search for something rare asked each segment of 8,192 events, so it grew slower with every one of them: at ten million
-- events there are 1,200. Segments of a week are now merged into some of up to 131,072 events (store/search_merge.go). The
-- index is made anew, which takes place beside everything else.

-- +goose Up
TRUNCATE search_postings, search_segments, search_classes;
UPDATE search_progress SET version = 0;
ALTER TABLE search_segments
    ADD COLUMN bucket_bits smallint NOT NULL, -- of a number's bits, how many name the row of search_postings
    ADD COLUMN marks       bytea    NOT NULL, -- every 64th of event_ids
    ALTER COLUMN event_classes SET STORAGE EXTERNAL; -- read in parts
COMMENT ON COLUMN search_postings.bucket IS 'first bits of the number, bucket_bits of the segment';
COMMENT ON COLUMN search_postings.postings IS 'the terms of the bucket with the places of their events: encodeRow in store/search_segment.go';
ALTER TABLE search_progress
    ADD COLUMN merging      uuid,                            -- the segment that is being merged
    ADD COLUMN merging_from uuid[]   NOT NULL DEFAULT '{}',  -- of these
    ADD COLUMN merged_to    smallint NOT NULL DEFAULT 0;     -- how many parts of it are done

-- +goose Down
TRUNCATE search_postings, search_segments, search_classes;
UPDATE search_progress SET version = 0;
ALTER TABLE search_progress DROP COLUMN merging, DROP COLUMN merging_from, DROP COLUMN merged_to;
ALTER TABLE search_segments DROP COLUMN bucket_bits, DROP COLUMN marks, ALTER COLUMN event_classes SET STORAGE EXTENDED;
