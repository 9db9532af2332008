package dispatch

import (
	"context"
	"fmt"

	"recall/filter"
	"recall/store"
)

const (
	previewEvents = 1000 // the last accepted ones
	previewShown  = 5
)

// Preview tells which of the last accepted events a matching rule would have sent, judged as on their arrival. The error is
// a *filter.Error where the rule cannot be read.
func (d *Dispatcher) Preview(ctx context.Context, rule string) (*store.RulePreview, error) {
	f, err := filter.ParseRule(rule, d.now())
	if err != nil {
		return nil, err
	}
	p := &store.RulePreview{}
	p.Events, err = d.db.EachAccepted(ctx, previewEvents, func(e *store.Event, source string) error {
		if !f.Match(subject(e, source)) {
			return nil
		}
		p.Matched++
		if len(p.Newest) < previewShown {
			p.Newest = append(p.Newest, store.PreviewEvent{ID: e.ID, Source: source, EntityType: e.Envelope.EntityType, CallbackType: e.Envelope.CallbackType})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("trying a matching rule: %w", err)
	}
	return p, nil
}
