package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"recall/verify"
)

// spoolAlive is how long ago a program with a spool was last seen that is waited for.
const spoolAlive = 2 * time.Minute

// SpoolLook is what one instance says is in its spool of a case.
type SpoolLook struct {
	Instance string // machine and folder
	Erased   bool   // destroyed there; false: only looked for
	Events   int
	Damaged  int // files that cannot be read
	At       time.Time
}

// SpoolDuty tells which cases an instance has to look for in its spool, or, where they run, to clear out of it; and that it is
// alive.
func (db *DB) SpoolDuty(ctx context.Context, instance string) ([]*ErasureCase, error) {
	_, err := db.pool.Exec(ctx, `
		INSERT INTO erasure_instances AS i (name, seen_at) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at WHERE i.seen_at < excluded.seen_at - interval '15 seconds'`, instance, db.Now())
	if err != nil {
		return nil, fmt.Errorf("saying that this instance has a spool: %w", err)
	}
	return db.collectErasures(db.pool.Query(ctx, `
		SELECT `+erasureColumns+` FROM erasure_cases c
		WHERE state IN ('open', 'waiting') AND NOT EXISTS (SELECT FROM erasure_spools s WHERE s.case_id = c.id AND s.instance = $1)
		OR state = 'running' AND step = 'spool' AND NOT EXISTS (SELECT FROM erasure_spools s WHERE s.case_id = c.id AND s.instance = $1 AND s.erased)`, instance))
}

// ReportSpool writes down what an instance found, or destroyed.
func (db *DB) ReportSpool(ctx context.Context, id int64, look SpoolLook) error {
	_, err := db.pool.Exec(ctx, `
		INSERT INTO erasure_spools (case_id, instance, erased, events, damaged, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (case_id, instance, erased) DO UPDATE SET events = excluded.events, damaged = excluded.damaged, at = excluded.at`,
		id, look.Instance, look.Erased, look.Events, look.Damaged, db.Now())
	return wrapCase(id, "reporting the spool", err)
}

// ListSpoolLooks returns what instances said of a case.
func (db *DB) ListSpoolLooks(ctx context.Context, id int64) ([]SpoolLook, error) {
	looks, err := spoolLooks(db.pool.Query(ctx, `SELECT instance, erased, events, damaged, at FROM erasure_spools WHERE case_id = $1 ORDER BY instance, erased`, id))
	return looks, wrapCase(id, "reading what is in spools", err)
}

// SpoolsDone tells whether every instance that is alive has cleared its spool, and which ones that were seen once are not there
// to be asked.
func (db *DB) SpoolsDone(ctx context.Context, id int64) (waiting, away []string, err error) {
	rows, err := db.pool.Query(ctx, `
		SELECT name, seen_at >= $2 FROM erasure_instances i
		WHERE NOT EXISTS (SELECT FROM erasure_spools s WHERE s.case_id = $1 AND s.instance = i.name AND s.erased) ORDER BY name`, id, db.Now().Add(-spoolAlive))
	if err != nil {
		return nil, nil, wrapCase(id, "asking for spools", err)
	}
	var name string
	var alive bool
	_, err = forEach(rows, []any{&name, &alive}, func() {
		if alive {
			waiting = append(waiting, name)
		} else {
			away = append(away, name)
		}
	})
	return waiting, away, wrapCase(id, "asking for spools", err)
}

// ErasedBodies returns the hashes of the bodies that a case destroyed, those of its list that are still there included.
func (db *DB) ErasedBodies(ctx context.Context, id int64) (map[[32]byte]bool, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT body_sha256 FROM erased_events WHERE case_id = $1 AND reason <> $2
		UNION SELECT e.body_sha256 FROM erasure_events f JOIN events e ON e.id = f.event_id WHERE f.case_id = $1 AND f.erase AND e.reason <> $2`,
		id, verify.ReasonBodyTooLarge)
	if err != nil {
		return nil, wrapCase(id, "reading hashes", err)
	}
	bodies := map[[32]byte]bool{}
	var sha []byte
	_, err = forEach(rows, []any{&sha}, func() {
		if len(sha) == 32 {
			bodies[[32]byte(sha)] = true
		}
	})
	return bodies, wrapCase(id, "reading hashes", err)
}

// AddTombstones leaves those of events that were destroyed in a spool, before they ever were in the database.
func (db *DB) AddTombstones(ctx context.Context, id int64, events []*Event) error {
	for _, e := range events {
		_, err := db.pool.Exec(ctx, `
			INSERT INTO erased_events (event_id, case_id, source_id, verdict, reason, signature, answered, arrival, entity_type, callback_type, api_version,
				body_sha256, size, deliveries, erased_at, recorded)
			SELECT $1, $2, $3, $4, $5, $6, $7, 1, `+plainName("$8::text")+`, `+plainName("$9::text")+`, `+plainName("$10::text")+`, $11, $12, '[]', $13, false
			ON CONFLICT (event_id) DO NOTHING`,
			e.ID, id, e.SourceID, string(e.Verification.Verdict), string(e.Verification.Reason), string(e.Verification.Signature), smallint(e.Answered),
			e.Envelope.EntityType, e.Envelope.CallbackType, e.APIVersion, e.BodySHA256[:], e.Size, db.Now())
		if err != nil {
			return wrapCase(id, "leaving tombstones", err)
		}
	}
	return nil
}

func spoolLooks(rows pgx.Rows, err error) ([]SpoolLook, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[SpoolLook])
}

func forEach(rows pgx.Rows, into []any, do func()) (pgconn.CommandTag, error) {
	return pgx.ForEachRow(rows, into, func() error { do(); return nil })
}
