package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// planned are the figures of planning a replay of everything among plannedEvents events.
type planned struct {
	all, latest       time.Duration // of all events; of the newest of each entity
	allListed, newest int           // events on their lists
	rss               int64         // of recall serve meanwhile, peak, bytes
}

const (
	plannedEvents   = 1_000_000
	plannedEntities = 400_000
)

// measurePlanning plans replays of a million events, as an operator does in the admin UI's background: by a serve that runs.
func measurePlanning(ctx context.Context, o options, r *report) error {
	i, err := newInstance(ctx, o, "planning")
	if err != nil {
		return err
	}
	defer i.stop()
	if _, err := (load{addr: i.addr, path: path, connections: 16, time: time.Second}).run(ctx); err != nil {
		return err
	}
	err = i.copyEvents(ctx, plannedEvents, plannedEntities)
	if err != nil {
		return fmt.Errorf("making events: %w", err)
	}
	if _, err := i.command(ctx, "destination", "add", "--name", "sink", "--url", "http://127.0.0.1:9/in"); err != nil {
		return err
	}
	if err := i.query(ctx, `ANALYZE`); err != nil {
		return err
	}
	plan := func(args ...string) (time.Duration, int, error) {
		start := time.Now()
		text, err := i.command(ctx, append([]string{"replay", "plan", "", "--to", "sink", "--json"}, args...)...)
		took := time.Since(start)
		var told struct {
			State  string
			Events int
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &told)
		}
		if err == nil && told.State != "planned" {
			err = fmt.Errorf("the replay is %s", told.State)
		}
		return took, told.Events, err
	}
	p := &r.planned
	if p.all, p.allListed, err = plan(); err != nil {
		return err
	}
	if p.latest, p.newest, err = plan("--latest"); err != nil {
		return err
	}
	p.rss = measure(i.Process.Pid, i.dataDir).peakRSS
	return nil
}

// copyEvents stores copies of an event that has arrived, of so many entities, spread over this week, whose partition is there.
func (i *instance) copyEvents(ctx context.Context, events, entities int) error {
	return i.query(ctx, fmt.Sprintf(`
		INSERT INTO events (id, source_id, verdict, reason, signature, verification, answered, arrival, sender, header, body, body_sha256, size,
			is_json, entity_type, callback_type, entity_id, api_version)
		SELECT (lpad(to_hex((extract(epoch FROM week + n * (now() - week) / %[1]d) * 1000)::bigint), 12, '0')
				|| '7' || substr(md5(n::text), 14))::uuid,
			source_id, verdict, reason, signature, verification, answered, 1, sender,
			header, body, body_sha256, size, is_json, entity_type, callback_type, (n %% %[2]d)::text, api_version
		FROM generate_series(1, %[1]d) AS n, (SELECT date_trunc('week', now()) AS week) AS w, (SELECT * FROM events LIMIT 1) AS e`,
		events, entities))
}
