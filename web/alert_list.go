package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"recall/alert"
	"recall/store"
)

// AlertTester sends a test by an alert channel, and says why it did not arrive; alert.Watcher is one.
type AlertTester interface {
	Test(ctx context.Context, c *store.AlertChannel) error
}

const (
	shownAlerts   = 50
	shownMessages = 20
)

// alertListView is the page of alerts: what is open or past, and who is told.
type alertListView struct {
	page
	Past     bool
	Rows     []alertRow
	Older    string // URL of the next page; ""
	Channels []channelRow
	Told     []messageRow
	MayAck   bool
	MaySet   bool
}

type alertRow struct {
	ID       int64
	Anchor   string
	Title    string
	Words    string
	Instance string
	Page     string
	Runbook  string
	State    mood
	Opened   timeView
	Resolved timeView
	Told     string // how often
	ToldAt   timeView
	By       string // who acknowledged it
	ByAt     timeView
	Note     string
	MayAck   bool
}

type channelRow struct {
	Name      string
	EditURL   string
	TestURL   string
	Where     string
	Alerts    string
	State     mood
	SinceWord string
	Since     timeView
	Error     string
}

type messageRow struct {
	Made    timeView
	Channel string
	Title   string
	State   mood
	Error   string
}

func (s *server) alertList(w http.ResponseWriter, r *http.Request) error {
	q := store.AlertQuery{Limit: shownAlerts + 1}
	switch state := r.URL.Query().Get("state"); state {
	case "", "open":
		q.Limit = 1000 // all there are
	case "past":
		q.Past = true
	default:
		return mistake("In the address, state must be open or past.")
	}
	if text := r.URL.Query().Get("before"); text != "" {
		var err error
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before < 1 {
			return mistake("In the address, before must be the number of an alert.")
		}
	}
	alerts, err := s.DB.ListAlerts(r.Context(), q)
	if err != nil {
		return err
	}
	channels, err := s.DB.ListAlertChannels(r.Context())
	if err != nil {
		return err
	}
	messages, err := s.DB.ListAlertMessages(r.Context(), shownMessages)
	if err != nil {
		return err
	}
	v := newAlertListView(s.newPage(r, "Alerts"), q, alerts, channels, messages)
	v.page.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, alertListPage(v))
}

func newAlertListView(p page, q store.AlertQuery, alerts []*store.Alert, channels []*store.AlertChannel, messages []*store.AlertMessage) alertListView {
	v := alertListView{page: p, Past: q.Past, MayAck: p.maySend(), MaySet: p.mayChange(), Told: messageRows(messages, p)}
	if q.Past && len(alerts) > shownAlerts {
		alerts = alerts[:shownAlerts]
		v.Older = "/alerts?" + url.Values{"state": {"past"}, "before": {strconv.FormatInt(alerts[len(alerts)-1].ID, 10)}}.Encode()
	}
	for _, a := range alerts {
		v.Rows = append(v.Rows, newAlertRow(a, p))
	}
	for _, c := range channels {
		v.Channels = append(v.Channels, newChannelRow(c, p))
	}
	return v
}

func newAlertRow(a *store.Alert, p page) alertRow {
	row := alertRow{
		ID: a.ID, Anchor: fmt.Sprintf("alert-%d", a.ID), Title: alert.Title(&store.Alert{Kind: a.Kind, Subject: a.Subject}), Words: a.Words, Instance: a.Instance, Page: a.Page,
		Runbook: alert.Runbook(a.Kind), Opened: newTime(a.OpenedAt, p.Now), Resolved: newTime(a.ResolvedAt, p.Now), ToldAt: newTime(a.ToldAt, p.Now),
		By: a.AcknowledgedBy, ByAt: newTime(a.AcknowledgedAt, p.Now), Note: a.Note, MayAck: p.maySend() && a.Open(), Told: "not told yet",
	}
	switch {
	case a.Told == 1:
		row.Told = "told once"
	case a.Told > 1:
		row.Told = fmt.Sprintf("told %d times, last", a.Told)
	case !a.Open():
		row.Told = "not told"
	}
	switch {
	case !a.Open():
		row.State = mood{toneGood, "check", "over"}
	case row.By != "":
		row.State = mood{toneWarn, "person", "acknowledged"}
	default:
		row.State = mood{toneBad, "cross", "open"}
	}
	if !strings.HasPrefix(row.Page, "/") || strings.HasPrefix(row.Page, "//") {
		row.Page = ""
	}
	return row
}

func newChannelRow(c *store.AlertChannel, p page) channelRow {
	row := channelRow{Name: c.Name, Alerts: "all", EditURL: channelURL(c.Name), TestURL: channelURL(c.Name) + "/test"}
	switch {
	case c.Kind == store.ChannelMail && p.mayChange():
		row.Where = fmt.Sprintf("Mail to %s by %s", strings.Join(c.Mail.To, ", "), c.Mail.Host)
	case c.Kind == store.ChannelMail:
		row.Where = "Mail to " + plural(len(c.Mail.To), "recipient", "recipients")
	default:
		row.Where = "Webhook at " + c.Webhook.Shown
	}
	if n := len(c.Kinds); n > 0 {
		row.Alerts = plural(n, "kind", "kinds")
	}
	switch {
	case c.Unreadable:
		row.State, row.Error = mood{toneBad, "cross", "unreadable"}, "What is secret of it cannot be opened with this program’s key: enter it anew."
	case c.Paused:
		row.State = mood{toneIdle, "dash", "paused"}
	case !c.FailingSince.IsZero():
		row.State, row.SinceWord, row.Since, row.Error = mood{toneBad, "cross", "failing"}, "since", newTime(c.FailingSince, p.Now), sentence(cut(c.Error, 400))
	case c.SentAt.IsZero():
		row.State = mood{toneIdle, "question", "not tried"}
	default:
		row.State, row.SinceWord, row.Since = mood{toneGood, "check", "works"}, "last message", newTime(c.SentAt, p.Now)
	}
	return row
}

func messageRows(messages []*store.AlertMessage, p page) (rows []messageRow) {
	for _, m := range messages {
		row := messageRow{Made: newTime(m.MadeAt, p.Now), Channel: m.Channel, Title: m.Title}
		switch {
		case !m.SentAt.IsZero():
			row.State = mood{toneGood, "check", "sent"}
		case m.NextAt.IsZero():
			row.State, row.Error = mood{toneBad, "cross", "given up"}, sentence(cut(m.Error, 400))
		case m.Error == "":
			row.State = mood{toneInfo, "dots", "on its way"}
		default:
			row.State, row.Error = mood{toneWarn, "retry", "tried again"}, sentence(cut(m.Error, 400))
		}
		rows = append(rows, row)
	}
	return rows
}

// alertAcknowledge says that somebody is at it.
func (s *server) alertAcknowledge(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	id, err := strconv.ParseInt(r.PostForm.Get("id"), 10, 64)
	if err != nil {
		return mistake("Say which alert: its number is missing.")
	}
	note, err := readReason(r)
	if err != nil {
		return err
	}
	message := "Acknowledged: it is not repeated. That it became worse, or is over, is told all the same."
	switch err := s.DB.AcknowledgeAlert(r.Context(), id, userOf(r).Name, note); {
	case errors.Is(err, store.ErrNotFound):
		return missing(fmt.Sprintf("There is no alert %d, or not any more.", id))
	case errors.Is(err, store.ErrAlertOver):
		message = "It was over already, so there was nothing to acknowledge."
	case err != nil:
		return err
	}
	s.pulses.forget() // the mark in the head
	return s.alertsDone(w, r, message)
}

func (s *server) alertsDone(w http.ResponseWriter, r *http.Request, message string) error {
	return s.done(w, r, "/alerts", message)
}
