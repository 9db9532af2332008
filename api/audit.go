package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

type auditJSON struct {
	ID      int64          `json:"id"`
	At      time.Time      `json:"at"`
	Actor   string         `json:"actor" doc:"A user's name, USER via token NAME, or cli: and the system's user."`
	Action  string         `json:"action" example:"event.redispatch"`
	Subject string         `json:"subject"`
	Reason  string         `json:"reason"`
	Detail  map[string]any `json:"detail"`
}

type auditPage struct {
	Entries []auditJSON `json:"entries" doc:"Newest first."`
	Next    *string     `json:"next"`
}

func (s *server) auditOperations() {
	add(s, operation{id: "audit-list", method: http.MethodGet, path: "/audit", need: store.RightAudit, summary: "List who did what, and why, newest first"}, s.auditList)
}

func (s *server) auditList(ctx context.Context, in *struct {
	Actor   string    `query:"actor" maxLength:"300"`
	Subject string    `query:"subject" maxLength:"300"`
	Action  string    `query:"action" maxLength:"100" doc:"Whole, such as source.set, or its noun alone."`
	From    time.Time `query:"from" doc:"At or after."`
	Until   time.Time `query:"until" doc:"Before."`
	PageQuery
}) (*body[auditPage], error) {
	before, err := readNumberCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := s.DB.FindAudit(ctx, store.AuditQuery{
		Actor: in.Actor, Subject: in.Subject, Action: in.Action, From: in.From, Until: in.Until, Before: before, Limit: min(in.Limit, maxPage),
	})
	if err != nil {
		return nil, err
	}
	page := auditPage{Entries: []auditJSON{}}
	for _, e := range found {
		page.Entries = append(page.Entries, auditJSON{e.ID, e.At, e.Actor, e.Action, e.Subject, e.Reason, e.Detail})
	}
	if len(found) == in.Limit {
		page.Next = numberCursor(found[len(found)-1].ID)
	}
	return answer(page)
}

func numberCursor(n int64) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte("n" + strconv.FormatInt(n, 10))))
}

func readNumberCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	number, is := strings.CutPrefix(string(raw), "n")
	n, parseErr := strconv.ParseInt(number, 10, 64)
	if err != nil || !is || parseErr != nil || n < 1 {
		return 0, errCursor()
	}
	return n, nil
}
