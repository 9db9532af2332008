// Package reverify checks kept events again: on their raw bytes, with today's settings, as of the time they arrived. One
// event by hand, or everything a filter finds, counted first and then carried out in the background, step by step.
package reverify

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// Sources finds a source with its settings of now; store.Live is one.
type Sources interface {
	SourceByID(id int64) (store.LiveSource, bool)
	Renew(ctx context.Context) error // a setting that was just mended counts
}

// Reverifier re-verifies events. Make it with New.
type Reverifier struct {
	db      *store.DB
	sources Sources
	log     *slog.Logger
	now     func() time.Time
}

// New makes a Reverifier on a store whose OnRecord hook is set: what is released goes the way of a recorded event.
func New(db *store.DB, sources Sources, log *slog.Logger) *Reverifier {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reverifier{db: db, sources: sources, log: log, now: db.Now}
}

// Check judges an event again and keeps nothing. The secrets that are valid now count, and those that were when it
// arrived; freshness is the one of its arrival. What cannot be checked any more stays rejected: a body that was too large to
// keep, and an event of a source that is gone.
func (r *Reverifier) Check(e *store.Event) verify.Result {
	if e.Verification.Reason == verify.ReasonBodyTooLarge {
		return e.Verification
	}
	unreadable := verify.Result{
		Verdict: verify.Rejected, Reason: verify.ReasonSettingsUnreadable,
		Signature: verify.NotChecked, Basic: verify.NotChecked, Header: verify.NotChecked,
	}
	source, ok := r.sources.SourceByID(e.SourceID)
	if !ok || !source.RemovedAt.IsZero() {
		return unreadable
	}
	settings := source.Settings()
	now, then := r.now(), e.ReceivedAt()
	var secrets []verify.Secret
	for _, s := range settings.Secrets {
		if s.ValidAt(now) || s.ValidAt(then) {
			s.From, s.Until = time.Time{}, time.Time{}
			secrets = append(secrets, s)
		}
	}
	settings.Secrets = secrets
	policy, err := verify.NewPolicy(settings)
	if err != nil {
		return unreadable
	}
	return policy.Check(e.Header, e.Body, then)
}

// Reverify checks one event again and keeps the result. With release it is sent on to its destinations if it is authentic
// now and no arrival of the callback was accepted before. store.ErrNotFound.
func (r *Reverifier) Reverify(ctx context.Context, id uuid.UUID, release bool, by, reason string) (*store.Reverification, error) {
	e, err := r.db.FindEvent(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.sources.Renew(ctx); err != nil {
		return nil, err
	}
	return r.db.Reverify(ctx, e, r.Check(e), release, by, reason)
}

func (r *Reverifier) step(ctx context.Context) (worked bool, err error) {
	if err := r.sources.Renew(ctx); err != nil {
		return false, err
	}
	return r.db.StepReverifyRuns(ctx, r.Check)
}

// idle is how long Run waits where no run is under way.
const idle = time.Second

// Run carries out runs, its own and those of other instances, until ctx ends.
func (r *Reverifier) Run(ctx context.Context) {
	troubled := false
	for ctx.Err() == nil {
		worked, err := r.step(ctx)
		if err != nil && ctx.Err() == nil && !troubled {
			r.log.Warn("a re-verification does not go on; it is tried again", "error", err)
		}
		troubled = err != nil
		if worked {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(idle):
		}
	}
}
