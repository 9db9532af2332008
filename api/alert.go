package api

import (
	"context"
	"net/http"
	"time"

	"recall/alert"
	"recall/store"
)

// alertJSON is something that somebody should look at.
type alertJSON struct {
	ID             int64      `json:"id"`
	Kind           string     `json:"kind"`
	Subject        string     `json:"subject" doc:"A source's slug, a destination's name, the number of a replay or a case; empty where there is one of the kind."`
	Instance       string     `json:"instance" doc:"The only one that can tell; empty: any can."`
	Level          int        `json:"level" doc:"How bad it is, from 1."`
	Title          string     `json:"title"`
	Words          string     `json:"words"`
	Runbook        string     `json:"runbook"`
	OpenedAt       time.Time  `json:"opened_at"`
	SeenAt         time.Time  `json:"seen_at" doc:"To the minute."`
	ResolvedAt     *time.Time `json:"resolved_at"`
	Told           int        `json:"told" doc:"How often people were told of it."`
	ToldAt         *time.Time `json:"told_at"`
	AcknowledgedBy string     `json:"acknowledged_by"`
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
	Note           string     `json:"note"`
}

func newAlertJSON(a *store.Alert) alertJSON {
	return alertJSON{
		ID: a.ID, Kind: a.Kind, Subject: a.Subject, Instance: a.Instance, Level: a.Level, Title: alert.Title(a), Words: a.Words, Runbook: alert.Runbook(a.Kind),
		OpenedAt: a.OpenedAt, SeenAt: a.SeenAt, ResolvedAt: orNull(a.ResolvedAt), Told: a.Told, ToldAt: orNull(a.ToldAt),
		AcknowledgedBy: a.AcknowledgedBy, AcknowledgedAt: orNull(a.AcknowledgedAt), Note: a.Note,
	}
}

type alertList struct {
	Alerts []alertJSON `json:"alerts" doc:"The latest first."`
}

func (s *server) alertOperations() {
	add(s, operation{id: "alert-list", method: http.MethodGet, path: "/alerts", need: store.RightMetadata, summary: "List what somebody should look at, or what was"}, s.alertList)
	add(s, operation{id: "alert-acknowledge", method: http.MethodPost, path: "/alerts/{id}/acknowledge", need: store.RightRedispatch,
		summary: "Say that somebody is at it: it is not repeated any more", more: "That it became worse, or is over, is told all the same.", fails: []int{404, 409}}, s.alertAcknowledge)
}

func (s *server) alertList(ctx context.Context, in *struct {
	State  string `query:"state" enum:"open,past" default:"open"`
	Before int64  `query:"before" minimum:"0" doc:"Only those with a smaller id: the next page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*body[alertList], error) {
	found, err := s.DB.ListAlerts(ctx, store.AlertQuery{Past: in.State == "past", Before: in.Before, Limit: in.Limit})
	list := alertList{Alerts: []alertJSON{}}
	for _, a := range found {
		list.Alerts = append(list.Alerts, newAlertJSON(a))
	}
	return &body[alertList]{list}, err
}

func (s *server) alertAcknowledge(ctx context.Context, in *numberReason) (*body[alertJSON], error) {
	if err := s.DB.AcknowledgeAlert(ctx, in.ID, actor(ctx), in.Body.why()); err != nil {
		return nil, err
	}
	a, err := s.DB.FindAlert(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(newAlertJSON(a))
}
