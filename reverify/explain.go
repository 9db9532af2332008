package reverify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"recall/store"
	"recall/verify"
)

// Explain says why an event got its result: it judges the kept bytes at the time of arrival by today's settings, and looks
// for the cause with what is known of the other sources. nil where there is nothing to look at: the body was too large
// to be kept, or the source is gone.
func (r *Reverifier) Explain(ctx context.Context, e *store.Event) (*verify.Explanation, error) {
	return Explain(ctx, r.db, e)
}

// Explain is Reverifier.Explain for who has a store only.
func Explain(ctx context.Context, db *store.DB, e *store.Event) (*verify.Explanation, error) {
	if e.Verification.Reason == verify.ReasonBodyTooLarge {
		return nil, nil
	}
	source, err := db.FindSourceByID(ctx, e.SourceID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !source.RemovedAt.IsZero() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("explaining event %s: %w", e.ID, err)
	}
	policy, err := verify.NewPolicy(source.Settings())
	if err != nil { // somebody wrote them past this program
		policy, err = verify.NewPolicy(verify.Settings{Unreadable: true, Tolerance: verify.DefaultTolerance})
	}
	if err != nil {
		return nil, fmt.Errorf("explaining event %s: %w", e.ID, err)
	}
	facts, err := findFacts(ctx, db, e)
	if err != nil {
		return nil, fmt.Errorf("explaining event %s: %w", e.ID, err)
	}
	explanation := policy.Explain(e.Header, e.Body, e.ReceivedAt(), facts)
	return &explanation, nil
}

// findFacts gathers what surrounds an event: the settings of the other sources, and how the clock went.
func findFacts(ctx context.Context, db *store.DB, e *store.Event) (verify.Facts, error) {
	sources, err := db.ListSources(ctx)
	if err != nil {
		return verify.Facts{}, err
	}
	var facts verify.Facts
	for _, other := range sources {
		if other.ID != e.SourceID {
			facts.Others = append(facts.Others, verify.Other{Name: other.Name, Settings: other.Settings()})
		}
	}
	facts.Nearby, err = db.Nearby(ctx, e.ID, e.SourceID)
	return facts, err
}

// LikelyCause names the cause of a rejection, for who counts them; "" where none is found.
func (r *Reverifier) LikelyCause(e *store.Event) verify.Cause {
	ctx, cancel := context.WithTimeout(context.Background(), causeTime)
	defer cancel()
	explanation, err := r.Explain(ctx, e)
	if err != nil || explanation == nil {
		return ""
	}
	return explanation.Finding.Cause
}

// causeTime bounds the look for a cause that nobody waits for.
const causeTime = 5 * time.Second
