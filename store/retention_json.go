package store

import (
	"context"
	"fmt"
	"time"
)

// RetentionJSON is for how long things of a class are kept. These are what retention --json prints, and the API answers.
type RetentionJSON struct {
	Source *string        `json:"source" doc:"Slug; null: every source without a rule of its own."`
	Class  RetentionClass `json:"class" enum:"accepted,rejected,attempts,answers,audit"`
	Days   *int           `json:"days" doc:"null: for ever."`
}

// RetentionStatusJSON is what was set, and how the last runs ended.
type RetentionStatusJSON struct {
	Rules     []RetentionJSON  `json:"rules" doc:"That were set; what has none is kept for ever."`
	Undecided []RetentionClass `json:"undecided" doc:"Of these nothing was said, not even that they are kept for ever."`
	LastRun   RetentionRunJSON `json:"last_run"`
}

// RetentionRunJSON is how the last runs ended.
type RetentionRunJSON struct {
	EndedAt *time.Time `json:"ended_at" doc:"However it ended; null: none has run."`
	DoneAt  *time.Time `json:"done_at" doc:"The last that left nothing that was due."`
	Error   string     `json:"error" doc:"Why the last one failed; empty: it did not."`
}

// JSON is the state for JSON.
func (s RetentionState) JSON() RetentionRunJSON {
	return RetentionRunJSON{timeOrNull(s.EndedAt), timeOrNull(s.DoneAt), s.Error}
}

// DueJSON is what the next run would remove of one source and class.
type DueJSON struct {
	RetentionJSON
	Until *time.Time `json:"until" doc:"What is older is due; null: nothing is."`
	Rows  int64      `json:"rows" doc:"That would go."`
	Held  int64      `json:"held" doc:"Due, and kept by holds."`
	About bool       `json:"about" doc:"rows is an estimate."`
}

// RetentionPreviewJSON is what the next run would remove.
type RetentionPreviewJSON struct {
	Due       []DueJSON  `json:"due"`
	Open      int64      `json:"open" doc:"Due events that are kept because a delivery of theirs is open; not taken off rows."`
	CountedAt *time.Time `json:"counted_at" doc:"How recent the counts are."`
}

// HoldJSON is a hold.
type HoldJSON struct {
	ID         int64      `json:"id"`
	Filter     string     `json:"filter" doc:"Empty where one event was named."`
	Reason     string     `json:"reason"`
	Events     int        `json:"events"`
	PlacedBy   string     `json:"placed_by"`
	PlacedAt   time.Time  `json:"placed_at"`
	ReleasedBy string     `json:"released_by"`
	ReleasedAt *time.Time `json:"released_at" doc:"null: it holds."`
}

// JSON is the hold for JSON.
func (h *Hold) JSON() HoldJSON {
	return HoldJSON{h.ID, h.Filter, h.Reason, h.Events, h.PlacedBy, h.PlacedAt.UTC(), h.ReleasedBy, timeOrNull(h.ReleasedAt)}
}

// RetentionStatusJSON reads what was set, and how the last runs ended.
func (db *DB) RetentionStatusJSON(ctx context.Context) (v RetentionStatusJSON, err error) {
	rules, err := db.RetentionRules(ctx)
	if err != nil {
		return v, err
	}
	sources, err := db.ListSources(ctx)
	if err != nil {
		return v, err
	}
	state, err := db.RetentionState(ctx)
	if err != nil {
		return v, err
	}
	v = RetentionStatusJSON{Rules: []RetentionJSON{}, Undecided: append([]RetentionClass{}, rules.Undecided(sources)...), LastRun: state.JSON()}
	for _, r := range rules {
		v.Rules = append(v.Rules, RetentionJSON{db.slugOf(ctx, r.SourceID, sources), r.Class, orNull(r.Days, 0)})
	}
	return v, nil
}

// RetentionPreviewJSON is a preview for JSON.
func (db *DB) RetentionPreviewJSON(ctx context.Context, p *Preview) (v RetentionPreviewJSON, err error) {
	sources, err := db.ListSources(ctx)
	if err != nil {
		return v, err
	}
	v = RetentionPreviewJSON{Due: []DueJSON{}, Open: p.Open, CountedAt: timeOrNull(p.CountedAt)}
	for _, d := range p.List {
		v.Due = append(v.Due, DueJSON{RetentionJSON{db.slugOf(ctx, d.SourceID, sources), d.Class, orNull(d.Days, 0)}, timeOrNull(d.Until), d.Rows, d.Held, d.About})
	}
	return v, nil
}

// slugOf is the name of a source, removed ones too; nil for none.
func (db *DB) slugOf(ctx context.Context, id int64, known []*Source) *string {
	if id == 0 {
		return nil
	}
	for _, s := range known {
		if s.ID == id {
			return &s.Slug
		}
	}
	name := fmt.Sprintf("source %d", id)
	if s, err := db.FindSourceByID(ctx, id); err == nil {
		name = s.Slug
	}
	return &name
}
