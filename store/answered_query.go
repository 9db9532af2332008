package store

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/plenigo"
)

// Answered is how a source's requests were answered of late, as its sender sees it.
type Answered struct {
	Failures map[time.Time]int64     // by day, 00:00 UTC: answered other than 2xx, requests that became no event included
	Reached  map[time.Time]time.Time // hour of that day in which they became enough
	Accepted time.Time               // when the last callback was accepted; zero: none
	Unkept   int64                   // rejected ones of the last 24 hours that were not kept, being over their budget
}

// Judge tells how near plenigo is to switching the source's callback off, and whether it must be assumed that it is off. It
// is told by the hour: a callback that was accepted after the last hour in doubt shows that plenigo still calls.
func (a *Answered) Judge(now time.Time) (judged plenigo.SwitchOff, off bool) {
	judged = plenigo.JudgeFailures(a.Failures, now)
	return judged, !judged.Off.IsZero() && !a.Accepted.After(a.Reached[judged.Off].Add(time.Hour))
}

// ListAnswered tells of each source that has any counts how its requests of the last days were answered; enough is a
// number of failures within one day. It reads counts only.
func (db *DB) ListAnswered(ctx context.Context, days, enough int) (map[int64]*Answered, error) {
	list := map[int64]*Answered{}
	of := func(source int64) *Answered {
		if list[source] == nil {
			list[source] = &Answered{Failures: map[time.Time]int64{}, Reached: map[time.Time]time.Time{}}
		}
		return list[source]
	}
	args := pgx.NamedArgs{
		"since": db.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days), "enough": enough,
		"yesterday": db.Now().Add(-24 * time.Hour),
		"rejected":  []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge},
	}
	var source, n int64
	var day time.Time
	var reached *time.Time
	var last uuid.UUID
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			WITH failed AS (
				SELECT source_id, hour, events AS n FROM source_hours WHERE hour >= @since AND answered NOT BETWEEN 200 AND 299
				UNION ALL
				SELECT source_id, hour, requests FROM unstored_hours WHERE hour >= @since
			), hours AS (
				SELECT source_id, date_trunc('day', hour, 'UTC') AS day, hour, sum(n) AS n,
					sum(sum(n)) OVER (PARTITION BY source_id, date_trunc('day', hour, 'UTC') ORDER BY hour) AS so_far
				FROM failed GROUP BY source_id, hour
			)
			SELECT source_id, day, sum(n)::bigint, min(hour) FILTER (WHERE so_far >= @enough)
			FROM hours GROUP BY source_id, day`, args)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&source, &day, &n, &reached}, func() error {
			of(source).Failures[day.UTC()] = n
			if reached != nil {
				of(source).Reached[day.UTC()] = reached.UTC()
			}
			return nil
		})
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
			SELECT source_id, (max(last_event_id::text))::uuid
			FROM source_hours WHERE hour >= @since AND verdict <> 'rejected' GROUP BY source_id`, args)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&source, &last}, func() error {
			of(source).Accepted = receivedAt(last)
			return nil
		})
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
			SELECT source_id, sum(requests)::bigint
			FROM unstored_hours WHERE hour > @yesterday AND answered = ANY(@rejected) GROUP BY source_id`, args)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&source, &n}, func() error {
			of(source).Unkept = n
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting how requests were answered: %w", err)
	}
	return list, nil
}
