package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// RetentionJSON is for how long things of a class are kept.
type RetentionJSON struct {
	Source *string              `json:"source" doc:"Slug; null: every source without a rule of its own."`
	Class  store.RetentionClass `json:"class" enum:"accepted,rejected,attempts,audit"`
	Days   *int                 `json:"days" doc:"null: for ever."`
}

type retentionStatus struct {
	Rules []RetentionJSON `json:"rules" doc:"That were set; what has none is kept for ever."`
}

// dueJSON is what the next run would remove.
type dueJSON struct {
	RetentionJSON
	Until *time.Time `json:"until" doc:"What is older is due; null: nothing is."`
	Rows  int64      `json:"rows" doc:"That would go."`
	Held  int64      `json:"held" doc:"Due, and kept by holds."`
	About bool       `json:"about" doc:"rows is an estimate."`
}

type retentionPreview struct {
	Due       []dueJSON  `json:"due"`
	Open      int64      `json:"open" doc:"Due events that are kept because a delivery of theirs is open; not taken off rows."`
	CountedAt *time.Time `json:"counted_at" doc:"How recent the counts are."`
}

type holdJSON struct {
	ID         int64      `json:"id"`
	Filter     string     `json:"filter" doc:"Empty where one event was named."`
	Reason     string     `json:"reason"`
	Events     int        `json:"events"`
	PlacedBy   string     `json:"placed_by"`
	PlacedAt   time.Time  `json:"placed_at"`
	ReleasedBy string     `json:"released_by"`
	ReleasedAt *time.Time `json:"released_at" doc:"null: it holds."`
}

func newHoldJSON(h *store.Hold) holdJSON {
	return holdJSON{h.ID, h.Filter, h.Reason, h.Events, h.PlacedBy, h.PlacedAt.UTC(), h.ReleasedBy, orNull(h.ReleasedAt)}
}

type holdList struct {
	Holds []holdJSON `json:"holds"`
}

func (s *server) retentionOperations() {
	add(s, operation{id: "retention-status", method: http.MethodGet, path: "/retention", need: store.RightMetadata, summary: "Show for how long things are kept"}, s.retentionStatus)
	add(s, operation{id: "retention-preview", method: http.MethodGet, path: "/retention/preview", need: store.RightMetadata, summary: "Count what would be removed now"}, s.retentionPreview)
	add(s, operation{id: "retention-set", method: http.MethodPut, path: "/retention/{class}", need: store.RightSettings, summary: "Set for how long something is kept", fails: []int{404}}, s.retentionSet)
	add(s, operation{id: "hold-list", method: http.MethodGet, path: "/retention/holds", need: store.RightMetadata, summary: "List the holds"}, s.holdList)
	add(s, operation{id: "hold-add", method: http.MethodPost, path: "/retention/holds", need: store.RightSettings, status: http.StatusCreated, summary: "Keep one event, or what a filter finds now, whatever the rules say", fails: []int{404}}, s.holdAdd)
	add(s, operation{id: "hold-release", method: http.MethodPost, path: "/retention/holds/{id}/release", need: store.RightSettings, status: http.StatusNoContent, summary: "End a hold", fails: []int{404}}, s.holdRelease)
}

// slugs are the names of sources, removed ones too.
func (s *server) slugs(ctx context.Context) (func(int64) *string, error) {
	sources, err := s.DB.ListSources(ctx)
	if err != nil {
		return nil, err
	}
	known := map[int64]string{}
	for _, source := range sources {
		known[source.ID] = source.Slug
	}
	return func(id int64) *string {
		if id == 0 {
			return nil
		}
		if known[id] == "" {
			if source, err := s.DB.FindSourceByID(ctx, id); err == nil {
				known[id] = source.Slug
			} else {
				known[id] = fmt.Sprintf("source %d", id)
			}
		}
		return new(known[id])
	}, nil
}

func daysOrNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func (s *server) retentionStatus(ctx context.Context, _ *none) (*body[retentionStatus], error) {
	rules, err := s.DB.RetentionRules(ctx)
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	v := retentionStatus{Rules: []RetentionJSON{}}
	for _, r := range rules {
		v.Rules = append(v.Rules, RetentionJSON{slug(r.SourceID), r.Class, daysOrNull(r.Days)})
	}
	return answer(v)
}

func (s *server) retentionPreview(ctx context.Context, _ *none) (*body[retentionPreview], error) {
	rules, err := s.DB.RetentionRules(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.DB.PreviewRetention(ctx, rules)
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	v := retentionPreview{Due: []dueJSON{}, Open: p.Open, CountedAt: orNull(p.CountedAt)}
	for _, d := range p.List {
		v.Due = append(v.Due, dueJSON{RetentionJSON{slug(d.SourceID), d.Class, daysOrNull(d.Days)}, orNull(d.Until), d.Rows, d.Held, d.About})
	}
	return answer(v)
}

func (s *server) retentionSet(ctx context.Context, in *struct {
	Class string `path:"class" enum:"accepted,rejected,attempts,audit"`
	Body  struct {
		ReasonBody
		Source  string `json:"source,omitempty" maxLength:"63" doc:"Of this source; of every source that has no rule of its own where it is left out."`
		Days    *int   `json:"days" required:"true" nullable:"true" minimum:"1" maximum:"36500" doc:"null: for ever."`
		Inherit bool   `json:"inherit,omitempty" doc:"Take the source's own rule away, so that it follows the one of all."`
	}
}) (*body[retentionStatus], error) {
	id, subject := int64(0), "all sources"
	if in.Body.Source != "" {
		source, err := s.DB.FindSource(ctx, in.Body.Source)
		if err != nil {
			return nil, err
		}
		id, subject = source.ID, source.Slug
	}
	if in.Body.Inherit && id == 0 {
		return nil, wrong("body.inherit", "inherit makes a source follow the rule of all sources: name the source")
	}
	if in.Class == string(store.RetainAudit) && id != 0 {
		return nil, wrong("body.source", "the audit list is one of all sources")
	}
	days := new(0)
	give(days, in.Body.Days)
	if in.Body.Inherit {
		days = nil
	}
	if err := s.DB.SetRetention(ctx, id, store.RetentionClass(in.Class), days, s.note(ctx, "retention.set", subject, in.Body.Reason, nil)); err != nil {
		return nil, err
	}
	return s.retentionStatus(ctx, nil)
}

func (s *server) holdList(ctx context.Context, _ *none) (*body[holdList], error) {
	found, err := s.DB.ListHolds(ctx)
	list := holdList{Holds: []holdJSON{}}
	for i := range found {
		list.Holds = append(list.Holds, newHoldJSON(&found[i]))
	}
	return &body[holdList]{list}, err
}

func (s *server) holdAdd(ctx context.Context, in *struct {
	Body struct {
		Filter  string `json:"filter,omitempty" maxLength:"4096" doc:"Which events; what arrives later is not in it."`
		EventID string `json:"event_id,omitempty" format:"uuid" doc:"One event, in place of a filter."`
		Reason  string `json:"reason" minLength:"1" maxLength:"500"`
	}
}) (*body[holdJSON], error) {
	b := in.Body
	if (strings.TrimSpace(b.Filter) == "") == (b.EventID == "") {
		return nil, wrong("body", "a hold is on one event (event_id) or on what a filter finds; give one or the other")
	}
	var f filter.Filter
	var id uuid.UUID
	if b.EventID != "" {
		id = uuid.MustParse(b.EventID)
	} else {
		var err error
		if f, err = s.readFilter(ctx, b.Filter); err != nil {
			return nil, err
		}
	}
	h := &store.Hold{Filter: b.Filter, Reason: b.Reason, PlacedBy: actor(ctx)}
	err := s.DB.PlaceHold(ctx, h, f, id, store.AuditEntry{Actor: actor(ctx)})
	if errors.Is(err, store.ErrTooManyHeld) {
		return nil, wrong("body.filter", store.ErrTooManyHeld.Error())
	}
	if err != nil {
		return nil, err
	}
	return answer(newHoldJSON(h))
}

func (s *server) holdRelease(ctx context.Context, in *numberReason) (*none, error) {
	return nil, s.DB.ReleaseHold(ctx, in.ID, in.Body.why(), store.AuditEntry{Actor: actor(ctx)})
}
