-- Volume: how many events arrived, by time, source, verdict, answer and type, for charts and the overview, which read
-- nothing else. The follower that keeps the other counts keeps these (store/volume_count.go); what is there already when
-- this is migrated is counted here, once. Latencies of answers are counted by the receiver in memory (store/latency.go).

-- +goose Up
CREATE TYPE volume_grain AS ENUM ('minute', 'hour', 'day'); -- in UTC; minutes are kept for some days only

-- Types have numbers, a bounded number of them: anybody can send a body that names a new one.
CREATE TABLE volume_types (
    id            integer GENERATED ALWAYS AS IDENTITY (START 10) PRIMARY KEY, -- smaller ones are no types, see volume
    entity_type   text NOT NULL,
    callback_type text NOT NULL,
    UNIQUE (entity_type, callback_type)
);

-- Each event counts twice per grain: in its type, and in 0, so that a chart of all types reads few rows.
CREATE TABLE volume (
    grain     volume_grain NOT NULL,
    type_id   integer      NOT NULL, -- volume_types; 0: all types together, 1: those without a number
    start     timestamptz  NOT NULL,
    source_id bigint       NOT NULL,
    verdict   verdict      NOT NULL,
    answered  smallint     NOT NULL,
    events    bigint       NOT NULL,
    PRIMARY KEY (grain, type_id, start, source_id, verdict, answered)
) WITH (fillfactor = 80); -- the newest rows change every few seconds

CREATE INDEX volume_start ON volume (grain, start); -- all types of a time, and what is too old

CREATE TABLE answer_latencies (
    grain     volume_grain NOT NULL,
    start     timestamptz  NOT NULL,
    source_id bigint       NOT NULL,
    bucket    smallint     NOT NULL, -- store.LatencyBound
    answers   bigint       NOT NULL,
    PRIMARY KEY (grain, start, source_id, bucket)
) WITH (fillfactor = 80);

-- What the follower has counted so far: everything but the commits after its cursor. Nobody moves it meanwhile.
LOCK TABLE followers IN SHARE ROW EXCLUSIVE MODE;

CREATE TEMPORARY TABLE volume_counted ON COMMIT DROP AS
WITH cursor AS (
    SELECT split_part(cursor, '.', 1)::xid8 AS xid, split_part(cursor, '.', 2)::bigint AS position, split_part(cursor, '.', 3)::bigint AS index
    FROM followers WHERE name = 'rollup'
), waiting AS (
    SELECT event.id
    FROM cursor, commits c, unnest(c.event_ids) WITH ORDINALITY AS event (id, index)
    WHERE (c.xid, c.position) >= (cursor.xid, cursor.position)
    AND ((c.xid, c.position) > (cursor.xid, cursor.position) OR event.index > cursor.index)
)
SELECT date_trunc('minute', to_timestamp(('x' || substr(id::text, 1, 8) || substr(id::text, 10, 4))::bit(48)::bigint / 1000.0)) AS start,
    source_id, verdict, answered, entity_type, callback_type, count(*) AS events
FROM events
WHERE EXISTS (SELECT FROM cursor) -- else nothing is counted yet, and the follower begins with the first commit it finds
AND id NOT IN (SELECT id FROM waiting)
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO volume_types (entity_type, callback_type)
SELECT entity_type, callback_type FROM volume_counted
GROUP BY 1, 2
ORDER BY bool_or(verdict <> 'rejected') DESC, sum(events) DESC
LIMIT 250;

INSERT INTO volume (grain, type_id, start, source_id, verdict, answered, events)
SELECT grain, type.id, date_trunc(grain::text, c.start, 'UTC'), c.source_id, c.verdict, c.answered, sum(c.events)
FROM volume_counted c
LEFT JOIN volume_types t USING (entity_type, callback_type)
CROSS JOIN LATERAL (VALUES (0), (coalesce(t.id, 1))) AS type (id)
CROSS JOIN unnest(enum_range(NULL::volume_grain)) AS grain
WHERE grain <> 'minute' OR c.start > now() - interval '7 days'
GROUP BY 1, 2, 3, 4, 5, 6;

-- +goose Down
DROP TABLE answer_latencies, volume, volume_types;
DROP TYPE volume_grain;
