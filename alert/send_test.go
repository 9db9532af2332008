package alert_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"recall/alert"
	"recall/dispatch"
	"recall/store"
	"recall/store/storetest"
)

// failing makes a destination broken, which is something to tell.
func (w *world) failing(name string) {
	w.t.Helper()
	d := &store.Destination{Name: name, URL: "https://crm.example/in?key=geheim", Signing: store.SigningNone, Timeout: 5 * time.Second, State: store.DestinationActive}
	must(w.t, w.db.CreateDestination(w.t.Context(), d))
	_, err := w.db.SetDestinationState(w.t.Context(), d.ID, store.DestinationBroken, "it answered anna@example.org is unknown")
	must(w.t, err)
}

func (w *world) channelNamed(name string) *store.AlertChannel {
	w.t.Helper()
	c, err := w.db.FindAlertChannel(w.t.Context(), name)
	must(w.t, err)
	return c
}

// Mail arrives at a public mail server, over either kind of TLS, and a webhook gets its JSON; nothing secret or personal is in them.
func TestToldByMailAndWebhook(t *testing.T) {
	t.Parallel()
	starttls, implicit, hook, slack := newMailbox(t, false), newMailbox(t, true), newSink(t), newSink(t)
	for _, box := range []*mailbox{starttls, implicit} {
		w := newWorld(t, time.Now(), func(o *alert.Options) { o.Outgoing.Trust(box.roots) })
		security := store.SecuritySTARTTLS
		if box == implicit {
			security = store.SecurityTLS
		}
		w.channel(box.channel("mail", security))
		if box == starttls {
			c := hook.channel("hook")
			c.Webhook.HeaderName, c.Webhook.HeaderValue = "Authorization", "Bearer t0ken"
			w.channel(c)
			c = slack.channel("slack")
			c.Webhook.Format = store.FormatSlack
			w.channel(c)
		}
		w.failing("crm")
		w.step(0)
		w.step(time.Minute)
		mails := box.got()
		if len(mails) != 1 {
			t.Fatalf("%d mails by %s: %s", len(mails), security, w.channelNamed("mail").Error)
		}
		m, err := mail.ReadMessage(strings.NewReader(mails[0]))
		must(t, err)
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		must(t, err)
		for name, want := range map[string]string{
			"Subject": "[Recall] Destination crm keeps failing", "From": `"Recall" <recall@example.org>`, "Auto-Submitted": "auto-generated", "To": "<ops@example.org>, <night@example.org>",
		} {
			if got := m.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for _, want := range []string{"Ten attempts in a row failed.", "https://recall.example/destinations/crm", "docs/runbook.md#recalldestinationbroken", "https://recall.example/alerts"} {
			if !strings.Contains(string(body), want) {
				t.Errorf("no %q in:\n%s", want, body)
			}
		}
		if strings.Contains(mails[0], "geheim") || strings.Contains(mails[0], "anna@") {
			t.Errorf("the mail tells what stays in the house:\n%s", mails[0])
		}
		if c := w.channelNamed("mail"); c.SentAt.IsZero() || c.Error != "" {
			t.Errorf("the channel says %+v", c)
		}
	}
	if got := starttls.logins; len(got) == 0 || got[0] != "recall" {
		t.Errorf("logged in as %q", got)
	}

	got := hook.got()
	if len(got) != 1 || got[0]["event"] != "digest" || !strings.HasPrefix(fmt.Sprint(got[0]["text"]), "Destination crm keeps failing\n\nNew\n") {
		t.Fatalf("the webhook got %v", got)
	}
	one := got[0]["alerts"].([]any)[0].(map[string]any)
	if one["state"] != "new" || one["kind"] != "destination_broken" || one["subject"] != "crm" || one["id"] == nil {
		t.Errorf("the webhook was told %v", one)
	}
	if h := hook.header[0]; h.Get("Authorization") != "Bearer t0ken" || h.Get("Content-Type") != "application/json" || h.Get("Idempotency-Key") == "" {
		t.Errorf("headers %v", h)
	}
	if got := slack.got(); len(got) != 1 || len(got[0]) != 1 || !strings.HasPrefix(fmt.Sprint(got[0]["text"]), "*Destination crm keeps failing*\nNew\n") {
		t.Errorf("Slack got %v", got)
	}
}

// hanging is a mail server that takes connections and says nothing.
func hanging(t *testing.T) *net.TCPAddr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().(*net.TCPAddr)
}

// A channel that hangs, or refuses, keeps nobody waiting: looks go on, other channels are told, and the page says why.
func TestChannelsThatFail(t *testing.T) {
	t.Parallel()
	hook, box := newSink(t), newMailbox(t, false)
	hangs := hanging(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed := gone.Addr().(*net.TCPAddr)
	gone.Close()
	guarded := dispatch.NewOutgoing(dispatch.Options{})
	w := newWorld(t, time.Now(), func(o *alert.Options) {
		o.Outgoing.Words = guarded.Words
		o.Outgoing.Within(300 * time.Millisecond)
		o.Outgoing.Trust(box.roots)
	})
	mailTo := func(name string, addr *net.TCPAddr, change func(*store.MailSettings)) {
		m := store.MailSettings{Host: "127.0.0.1", Port: addr.Port, Security: store.SecurityNone, From: "recall@example.org", To: []string{"ops@example.org"}}
		if change != nil {
			change(&m)
		}
		w.channel(&store.AlertChannel{Name: name, Kind: store.ChannelMail, Mail: m})
	}
	mailTo("hangs", hangs, nil)
	mailTo("closed", closed, nil)
	mailTo("refuses", box.addr, func(m *store.MailSettings) {
		m.Security, m.User, m.Password = store.SecuritySTARTTLS, "recall", "wr0ng-password"
	})
	mailTo("unknown", box.addr, func(m *store.MailSettings) { m.Security, m.Host = store.SecuritySTARTTLS, "no-such-host.invalid" })
	plain := newMailbox(t, true)
	mailTo("no-starttls", plain.addr, func(m *store.MailSettings) { m.Security = store.SecuritySTARTTLS })
	failing := newSink(t)
	failing.status = http.StatusNotFound
	w.channel(failing.channel("gone"))
	w.channel(hook.channel("works"))
	w.failing("crm")
	w.step(0)
	w.now = w.now.Add(time.Minute)
	must(t, w.watch.Look(t.Context()))
	telling := make(chan struct{})
	go func() {
		w.watch.Tell(t.Context())
		close(telling)
	}()
	for range 20 {
		must(t, w.watch.Look(t.Context())) // while one hangs
	}
	<-telling
	if n := len(hook.got()); n != 1 {
		t.Errorf("the channel that works got %d messages", n)
	}
	for name, want := range map[string]string{
		"hangs": "the mail server did not answer within", "closed": "connection refused", "refuses": "invalid credentials", "unknown": "no-such-host.invalid",
		"no-starttls": "the mail server", "gone": "the webhook answered 404 Not Found: no_service", "works": "",
	} {
		c := w.channelNamed(name)
		if !strings.Contains(c.Error, want) || (want == "") != c.FailingSince.IsZero() {
			t.Errorf("%s says %q, since %s; want %q", name, c.Error, c.FailingSince, want)
		}
		for _, hidden := range []string{"secret-path", "wr0ng-password", "ops@example.org"} {
			if strings.Contains(c.Error, hidden) {
				t.Errorf("%s shows %s: %s", name, hidden, c.Error)
			}
		}
	}

	// It is tried again, and goes out once when it can; what is a day old is not.
	failing.mu.Lock()
	failing.status = 0
	failing.mu.Unlock()
	w.now = w.now.Add(time.Minute)
	w.watch.Tell(t.Context())
	w.now = w.now.Add(2 * time.Minute)
	w.watch.Tell(t.Context())
	if n, c := len(failing.got()), w.channelNamed("gone"); n != 2 || c.Error != "" || !c.FailingSince.IsZero() {
		t.Errorf("%d tries, and the channel says %q", n, c.Error)
	}
	w.now = w.now.Add(25 * time.Hour)
	w.watch.Tell(t.Context())
	list, err := w.db.ListAlertMessages(t.Context(), 50)
	must(t, err)
	for _, m := range list {
		if m.SentAt.IsZero() && m.Channel != "works" && !m.NextAt.IsZero() {
			t.Errorf("the message to %s is still tried at %s", m.Channel, m.NextAt)
		}
	}
}

// Both kinds of channels keep to RECALL_EGRESS_ALLOW.
func TestChannelsAreGuarded(t *testing.T) {
	t.Parallel()
	hook, box := newSink(t), newMailbox(t, false)
	out := dispatch.NewOutgoing(dispatch.Options{})
	w := newWorld(t, time.Now(), func(o *alert.Options) { o.Outgoing = alert.Outgoing{HTTP: out.HTTP, Dial: out.Dial, Words: out.Words} })
	for _, c := range []*store.AlertChannel{hook.channel("hook"), box.channel("mail", store.SecuritySTARTTLS)} {
		w.channel(c)
		err := w.watch.Test(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "is a loopback address (127.0.0.0/8), and RECALL_EGRESS_ALLOW does not name it") {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if len(hook.got()) > 0 || len(box.got()) > 0 {
		t.Error("something arrived")
	}
}

func TestTestMessage(t *testing.T) {
	t.Parallel()
	hook := newSink(t)
	w := newWorld(t, time.Now())
	must(t, w.watch.Test(t.Context(), w.channel(hook.channel("ops"))))
	if got := hook.got(); len(got) != 1 || got[0]["event"] != "test" || !strings.Contains(fmt.Sprint(got[0]["text"]), "This is a test of the channel ops.") {
		t.Errorf("got %v", got)
	}
}

// While the database is away an instance tells by the channels it last knew, also after a start; when it is back, what was
// told is in the list, and its end is told once.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	hook := newSink(t)
	keep := filepath.Join(t.TempDir(), "alerts.sealed")
	w := newWorld(t, time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), func(o *alert.Options) { o.Keep = keep })
	w.channel(hook.channel("ops"))
	w.step(0)

	away, err := store.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none", storetest.Key(), nil)
	must(t, err)
	away.Close()
	restarted := alert.New(alert.Options{
		Instance: "one", AdminURL: "https://recall.example", Now: w.db.Now, Local: func(context.Context) alert.Local { return w.local },
		Outgoing: alert.Outgoing{HTTP: &http.Client{}, Dial: (&net.Dialer{}).DialContext}, Key: storetest.Key(), Keep: keep,
	})
	restarted.Use(away)
	began := w.now
	w.local.Spool = alert.Spool{Events: 7, Bytes: 1 << 10, MaxBytes: 1 << 20, Oldest: began, AwaySince: began}
	look := func(d time.Duration, wantErr bool) {
		t.Helper()
		w.now = w.now.Add(d)
		if err := restarted.Look(t.Context()); (err != nil) != wantErr {
			t.Fatalf("looking: %v", err)
		}
		restarted.Tell(t.Context())
	}
	look(30*time.Second, true)
	look(30*time.Second, true) // a minute: it is away
	look(time.Minute, true)
	look(time.Minute, true)
	got := hook.got()
	if len(got) != 1 {
		t.Fatalf("%d messages: %v", len(got), got)
	}
	for _, want := range []string{"PostgreSQL is away on one", "It has not answered since 2026-11-24 09:00 UTC. Callbacks are taken", "Callbacks wait in the spool on one", "7 wait for the database"} {
		if text := fmt.Sprint(got[0]["text"]); !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	w.local.Spool.Full = true
	look(time.Minute, true)
	for range 6 {
		look(time.Minute, true)
	}
	if got := hook.got(); len(got) != 2 || !strings.Contains(fmt.Sprint(got[1]["text"]), "answered 503") {
		t.Fatalf("%d messages: %v", len(got), got)
	}

	restarted.Use(w.db)
	w.local.Spool = alert.Spool{}
	look(time.Minute, false)
	w.wantOpen("PostgreSQL is away on one", "Callbacks wait in the spool on one")
	for range 4 {
		look(time.Minute, false)
	}
	w.wantOpen()
	past, err := w.db.ListAlerts(t.Context(), store.AlertQuery{Past: true})
	must(t, err)
	if len(past) != 2 || past[0].Told != 2 || past[1].Told != 2 || past[1].OpenedAt.Sub(began) > 2*time.Minute {
		t.Errorf("in the list: %+v", past)
	}
	look(5*time.Minute, false)
	look(time.Hour, false)
	if got := hook.got(); len(got) != 3 || !strings.HasPrefix(fmt.Sprint(got[2]["text"]), "Over: ") {
		t.Errorf("%d messages: %v", len(got), got)
	}
	messages, err := w.db.ListAlertMessages(t.Context(), 10)
	must(t, err)
	if len(messages) != 3 || messages[2].SentAt.IsZero() || messages[2].Title != "PostgreSQL is away on one (and 1 more)" {
		t.Errorf("messages: %+v", messages)
	}
}

// Of two instances one looks for all, and what each sees of itself stays its own.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	hook := newSink(t)
	w := newWorld(t, time.Now())
	w.channel(hook.channel("ops"))
	second := alert.Local{Ready: true}
	two := alert.New(alert.Options{
		Instance: "two", Now: w.db.Now, Local: func(context.Context) alert.Local { return second },
		Outgoing: alert.Outgoing{HTTP: &http.Client{}, Dial: (&net.Dialer{}).DialContext}, Key: storetest.Key(),
	})
	two.Use(w.db)
	w.failing("crm")
	second.Disk = alert.Disk{Known: true, Free: 100 << 20, Wanted: 1 << 30}
	for range 8 {
		w.step(15 * time.Second)
		must(t, two.Look(t.Context()))
		two.Tell(t.Context())
	}
	w.wantOpen("Destination crm keeps failing", "The disk is nearly full on two")
	if got := hook.got(); len(got) != 1 || len(got[0]["alerts"].([]any)) != 2 {
		t.Errorf("told %v", got)
	}
}

// Everything else that fires, each from what stands in the database.
func TestFindings(t *testing.T) {
	t.Parallel()
	fault := ""
	w := newWorld(t, time.Now(), func(o *alert.Options) {
		o.Audit = func(context.Context, *store.DB) (string, error) { return fault, nil }
	})
	ctx := t.Context()
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := w.db.Pool().Exec(ctx, sql, args...)
		must(t, err)
	}
	w.step(0)
	w.wantOpen()
	w.source("shop", func(s *store.Source) { s.Secrets[0].Until = w.now.Add(3 * 24 * time.Hour).Truncate(time.Second) })
	w.source("new", func(s *store.Source) { s.Secrets = nil })
	w.source("off", func(s *store.Source) { s.Secrets, s.Enabled = nil, false })
	w.failing("crm")
	w.failing("gone")
	exec(`UPDATE destinations SET state = 'paused', state_reason = $1 WHERE name = 'gone'`, store.GoneReason)
	exec(`INSERT INTO deliveries (id, event_id, destination_id, trigger, state, created_at) SELECT $1, $1, id, 'automatic', 'exhausted', $2 FROM destinations WHERE name = 'crm'`, store.IDAt(w.now), w.now)
	exec(`INSERT INTO replays (filter, until, destination_id, latest, again, rate, canary, stop_above, state, requested_by, created_at, cursor, newer_cursor, events, sent)
		SELECT '', $2, id, false, false, 1, 1, 0.1, 'stopped', 'anna', $2, $1, '0.0.0', 10, 3 FROM destinations WHERE name = 'crm'`, store.IDAt(w.now), w.now)
	exec(`INSERT INTO erasure_cases (event_id, person_hash, state, opened_by, opened_at) VALUES ($1, '\x01', 'open', 'recall', $2)`, store.IDAt(w.now), w.now) // by a callback
	exec(`INSERT INTO erasure_cases (person_hash, state, opened_by, opened_at) VALUES ('\x02', 'open', 'anna', $1)`, w.now)
	exec(`INSERT INTO erasure_cases (person_hash, state, opened_by, opened_at, why) VALUES ('\x03', 'running', 'anna', $1, 'an instance is away')`, w.now)
	fault = "place 12 of the audit list: it was removed"
	w.now = w.now.Add(time.Hour)
	w.step(time.Minute)
	w.wantOpen("The secret of new ends", "The secret of shop ends", "Destination crm keeps failing", "Destination gone asks not to be sent to", "Replay 1 stopped",
		"Erasure case 3 waits", "Erasure case 1 waits", "Deliveries to crm are exhausted", "Recall was away", "The audit list does not fit") // nobody looked for an hour
	w.step(24 * time.Hour)
	if open := w.open(); len(open) != 11 || open[10] != "Erasure case 2 waits" {
		t.Errorf("open after a day: %q", open)
	}
	fault = ""
	exec(`UPDATE destinations SET state = 'active', state_reason = ''`)
	exec(`UPDATE deliveries SET state = 'cancelled'`)
	exec(`UPDATE replays SET state = 'cancelled'`)
	exec(`UPDATE erasure_cases SET state = 'closed'`)
	for range 10 {
		w.step(15 * time.Minute)
	}
	w.wantOpen("The secret of new ends", "The secret of shop ends", "Recall was away")
}

func TestRefusedRecipient(t *testing.T) {
	t.Parallel()
	box := newMailbox(t, false)
	box.refuse = &smtp.SMTPError{Code: 550, Message: "no such user ops@example.org here"}
	w := newWorld(t, time.Now(), func(o *alert.Options) { o.Outgoing.Trust(box.roots) })
	err := w.watch.Test(t.Context(), w.channel(box.channel("mail", store.SecuritySTARTTLS)))
	if err == nil || !strings.Contains(err.Error(), "550") || strings.Contains(err.Error(), "ops@") {
		t.Errorf("it says %v", err)
	}
	var none *net.OpError
	if errors.As(err, &none) {
		t.Error("an error of below comes through")
	}
}

// Names in a message are words, whatever they look like: no header of a mail, no sign that a chat acts on.
func TestHostileWordsInMessages(t *testing.T) {
	t.Parallel()
	box, hook, slack := newMailbox(t, false), newSink(t), newSink(t)
	w := newWorld(t, time.Now(), func(o *alert.Options) { o.Outgoing.Trust(box.roots) })
	hostile := "ops\r\nBcc: eve@example.org\r\nContent-Type: text/html\r\n\r\n<!channel> <b>*x*</b> & <https://evil.example|log in>"
	s := slack.channel("slack")
	s.Webhook.Format = store.FormatSlack
	for _, c := range []*store.AlertChannel{box.channel("mail", store.SecuritySTARTTLS), hook.channel("hook"), s} {
		w.channel(c)
		c.Name = hostile
		must(t, w.watch.Test(t.Context(), c))
	}
	mails := box.got()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m, err := mail.ReadMessage(strings.NewReader(mails[0]))
	must(t, err)
	if m.Header.Get("Bcc") != "" || !strings.HasPrefix(m.Header.Get("Content-Type"), "text/plain") || len(m.Header["Content-Type"]) != 1 || m.Header.Get("To") != "<ops@example.org>, <night@example.org>" {
		t.Errorf("the name became headers: %v", m.Header)
	}
	if got := hook.got(); len(got) != 1 || !strings.Contains(fmt.Sprint(got[0]["text"]), "<!channel>") {
		t.Errorf("the webhook got %v", got)
	}
	got := slack.got()
	if len(got) != 1 {
		t.Fatalf("Slack got %v", got)
	}
	if text := fmt.Sprint(got[0]["text"]); strings.ContainsAny(text, "<>") || !strings.Contains(text, "&lt;!channel&gt;") || strings.Count(strings.SplitN(text, "\n", 2)[0], "*") > 2 {
		t.Errorf("Slack got %q", text)
	}
}
