package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	erasureFollower = "erasure"
	erasureBatch    = 2000 // events
)

// OpenErasures follows what is committed, and opens a case for each callback that says a customer was deleted. Only a callback that
// was verified when it came and was the first of its group to be accepted does: none that was forged, observed, late or repeated.
// Several instances may call it at once.
func (db *DB) OpenErasures(ctx context.Context) error {
	for {
		n, err := db.openSome(ctx)
		if err != nil {
			return fmt.Errorf("looking for deletions: %w", err)
		}
		if n < erasureBatch {
			return nil
		}
	}
}

func (db *DB) openSome(ctx context.Context) (looked int, err error) {
	type deletion struct {
		event  uuid.UUID
		person string
		source int64
	}
	var deletions []deletion
	var next string
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var cursor string
		err := tx.QueryRow(ctx, `
			INSERT INTO followers (name, cursor, at) VALUES ($1, '', $2)
			ON CONFLICT (name) DO UPDATE SET cursor = followers.cursor -- locks it
			RETURNING cursor`, erasureFollower, db.Now()).Scan(&cursor)
		if err != nil {
			return err
		}
		var ids []uuid.UUID
		ids, next, err = db.CommittedSince(ctx, cursor, erasureBatch)
		if errors.Is(err, ErrCursor) { // the database was restored
			ids, next, err = db.CommittedSince(ctx, firstCursor, erasureBatch)
		}
		if err != nil {
			return err
		}
		if looked = len(ids); looked > 0 {
			rows, err := tx.Query(ctx, `
				SELECT e.id, e.entity_id, e.source_id FROM events e
				JOIN arrival_groups g ON g.source_id = e.source_id AND g.body_sha256 = e.body_sha256 AND g.accepted_event_id = e.id
				WHERE e.id = ANY($1) AND e.verdict = 'verified' AND e.entity_type = 'CUSTOMER' AND e.callback_type = 'DELETION'`, ids)
			if err != nil {
				return err
			}
			var d deletion
			if _, err = pgx.ForEachRow(rows, []any{&d.event, &d.person, &d.source}, func() error {
				deletions = append(deletions, d)
				return nil
			}); err != nil {
				return err
			}
		}
		// Cases are opened before the cursor moves: should it not move, they are there already.
		settings, err := db.ErasureSettings(ctx)
		if err != nil {
			return err
		}
		for _, d := range deletions {
			if ValidPerson(d.person) != nil {
				continue
			}
			automatic := time.Time{}
			if settings.Automatic {
				automatic = db.Now().Add(settings.Grace())
			}
			wish := ErasureWish{Person: d.person, Event: d.event, Reason: "plenigo says that the customer was deleted"}
			if !settings.OneCompany {
				wish.Sources = []int64{d.source}
			}
			_, err := db.openErasure(ctx, wish, automatic, AuditEntry{Actor: "recall"})
			if err != nil && !errors.Is(err, ErrErasurePending) {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE followers SET cursor = $2, at = $3 WHERE name = $1 AND cursor <> $2`, erasureFollower, next, db.Now())
		return err
	})
	return looked, err
}
