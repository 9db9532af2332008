package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// RetentionState is how the last runs ended.
type RetentionState struct {
	EndedAt time.Time // the last one, however it ended; zero: none was
	DoneAt  time.Time // the last that left nothing that was due; zero: none did
	Error   string    // why the last one failed; "": it did not
}

// RetentionOverdue is for how long no run may have come to its end before somebody should look.
const RetentionOverdue = 25 * time.Hour

// Late tells whether runs no longer come to their ends.
func (s RetentionState) Late(now time.Time) bool { return now.Sub(s.DoneAt) > RetentionOverdue }

// RetentionState returns how the last runs ended.
func (db *DB) RetentionState(ctx context.Context) (s RetentionState, err error) {
	err = db.pool.QueryRow(ctx, `SELECT ended_at, done_at, error FROM retention_state`).
		Scan((*zeronull.Timestamptz)(&s.EndedAt), (*zeronull.Timestamptz)(&s.DoneAt), &s.Error)
	if err != nil {
		return s, fmt.Errorf("reading how the last run of retention ended: %w", err)
	}
	s.EndedAt, s.DoneAt = s.EndedAt.UTC(), s.DoneAt.UTC()
	return s, nil
}

// maxRunError bounds what is kept of an error, in bytes.
const maxRunError = 500

// remember writes down how the run ended. One whose time was over has not failed: the next goes on.
func (r *retention) remember(ctx context.Context, ran error) error {
	words, done := "", ran == nil
	if ran != nil && !errors.Is(ran, errPatience) {
		words = ran.Error()
		words = validText(words[:min(len(words), maxRunError)])
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
	defer cancel()
	_, err := r.OwnerPool().Exec(ctx, `
		UPDATE retention_state SET ended_at = $1, done_at = CASE WHEN $2 THEN $1 ELSE done_at END, error = $3`, r.Now(), done, words)
	if err != nil {
		err = fmt.Errorf("writing down how the run of retention ended: %w", err)
	}
	return cmp.Or(ran, err)
}

// Undecided are the classes of which nobody has said for how long they are kept, at any source or at one that has no rule of its
// own: they are kept for ever. That may be meant, and is then said by a rule, too. Attempts and answers go with their events at
// the latest, so they need none.
func (r RetentionRules) Undecided(sources []*Source) (classes []RetentionClass) {
	for _, class := range []RetentionClass{RetainAccepted, RetainRejected, RetainAudit} {
		said := func(source int64) bool {
			return slices.ContainsFunc(r, func(set RetentionRule) bool { return set.Class == class && set.SourceID == source })
		}
		each := len(sources) > 0 && class != RetainAudit && !slices.ContainsFunc(sources, func(s *Source) bool { return !said(s.ID) })
		if !said(0) && !each {
			classes = append(classes, class)
		}
	}
	return classes
}
