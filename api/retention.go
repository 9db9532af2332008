package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

type holdList struct {
	Holds []store.HoldJSON `json:"holds"`
}

func (s *server) retentionOperations() {
	add(s, operation{id: "retention-status", method: http.MethodGet, path: "/retention", need: store.RightMetadata, summary: "Show for how long things are kept"}, s.retentionStatus)
	add(s, operation{id: "retention-preview", method: http.MethodGet, path: "/retention/preview", need: store.RightMetadata, summary: "Count what would be removed now"}, s.retentionPreview)
	add(s, operation{id: "retention-set", method: http.MethodPut, path: "/retention/{class}", need: store.RightSettings, summary: "Set for how long something is kept", fails: []int{404}}, s.retentionSet)
	add(s, operation{id: "hold-list", method: http.MethodGet, path: "/retention/holds", need: store.RightMetadata, summary: "List the holds"}, s.holdList)
	add(s, operation{id: "hold-add", method: http.MethodPost, path: "/retention/holds", need: store.RightSettings, status: http.StatusCreated, summary: "Keep one event, or what a filter finds now, whatever the rules say", fails: []int{404}}, s.holdAdd)
	add(s, operation{id: "hold-release", method: http.MethodPost, path: "/retention/holds/{id}/release", need: store.RightSettings, status: http.StatusNoContent, summary: "End a hold", fails: []int{404}}, s.holdRelease)
}

func (s *server) retentionStatus(ctx context.Context, _ *none) (*body[store.RetentionStatusJSON], error) {
	v, err := s.DB.RetentionStatusJSON(ctx)
	return &body[store.RetentionStatusJSON]{v}, err
}

func (s *server) retentionPreview(ctx context.Context, _ *none) (*body[store.RetentionPreviewJSON], error) {
	rules, err := s.DB.RetentionRules(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.DB.PreviewRetention(ctx, rules)
	if err != nil {
		return nil, err
	}
	v, err := s.DB.RetentionPreviewJSON(ctx, p)
	return &body[store.RetentionPreviewJSON]{v}, err
}

func (s *server) retentionSet(ctx context.Context, in *struct {
	Class string `path:"class" enum:"accepted,rejected,attempts,answers,audit"`
	Body  struct {
		ReasonBody
		Source  string `json:"source,omitempty" maxLength:"63" doc:"Of this source; of every source that has no rule of its own where it is left out."`
		Days    *int   `json:"days" required:"true" nullable:"true" minimum:"1" maximum:"36500" doc:"null: for ever."`
		Inherit bool   `json:"inherit,omitempty" doc:"Take the source's own rule away, so that it follows the one of all."`
	}
}) (*body[store.RetentionStatusJSON], error) {
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
	list := holdList{Holds: []store.HoldJSON{}}
	for i := range found {
		list.Holds = append(list.Holds, found[i].JSON())
	}
	return &body[holdList]{list}, err
}

func (s *server) holdAdd(ctx context.Context, in *struct {
	Body struct {
		Filter  string `json:"filter,omitempty" maxLength:"4096" doc:"Which events; what arrives later is not in it."`
		EventID string `json:"event_id,omitempty" format:"uuid" doc:"One event, in place of a filter."`
		Reason  string `json:"reason" minLength:"1" maxLength:"500"`
	}
}) (*body[store.HoldJSON], error) {
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
	return answer(h.JSON())
}

func (s *server) holdRelease(ctx context.Context, in *numberReason) (*none, error) {
	return nil, s.DB.ReleaseHold(ctx, in.ID, in.Body.why(), store.AuditEntry{Actor: actor(ctx)})
}
