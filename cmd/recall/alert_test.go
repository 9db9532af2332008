package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"recall/store"
)

func TestAlertCommands(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body)
	}))
	t.Cleanup(hook.Close)
	h := newHouse(t)
	const secret = "services/T0/topsecret"

	h.run("", "alert", "list").want(t, 0, "There is none.")
	h.run("", "alert", "channel", "list").want(t, 0, "nobody is told")
	h.run("", "alert", "test").want(t, 1, "there is no channel")
	h.run("", "alert", "channel", "add", "--name", "ops").want(t, 2, "say where to")
	h.run("", "alert", "channel", "add", "--name", "ops", "--mail", "smtp.example.org", "--user", "recall", "--from", "recall@example.org", "--to", "ops@example.org").want(t, 2, "a user needs a password")
	h.run("", "alert", "channel", "add", "--name", "ops", "--mail", "smtp.example.org", "--webhook", hook.URL).want(t, 2, "one of them")
	h.run("p4ss", "alert", "channel", "add", "--name", "ops", "--mail", "smtp.example.org", "--user", "recall", "--password", "-", "--from", "recall@example.org", "--to", "ops@example.org,night@example.org", "--paused").
		want(t, 0, "The channel ops was added")
	h.run(hook.URL+"/"+secret, "alert", "channel", "add", "--name", "slack", "--webhook", "-", "--format", "slack", "--alerts", "silence,disk").want(t, 2, `"disk" is no kind`)
	h.run(hook.URL+"/"+secret, "alert", "channel", "add", "--name", "slack", "--webhook", "-", "--format", "slack", "--alerts", "silence", "--header-file", fileWith(t, "Authorization: Bearer t0ken\n")).
		want(t, 0, "The channel slack was added")
	h.run("", "alert", "channel", "set", "slack", "--mail", "smtp.example.org").want(t, 2, "of the kind webhook")
	h.run("", "alert", "channel", "set", "nobody", "--paused").want(t, 1, `there is no channel "nobody"; there are ops, slack`)
	h.run("", "alert", "channel", "set", "slack", "--alerts", "all").want(t, 0, "was changed")
	list := h.run("", "alert", "channel", "list")
	list.want(t, 0, "ops", "mail to ops@example.org, night@example.org by smtp.example.org:587 (starttls)", "paused", hook.URL+"/…", "(slack)", "nothing sent yet")
	asJSON := h.run("", "alert", "channel", "list", "--json")
	for _, hidden := range []string{secret, "p4ss", "t0ken"} {
		if strings.Contains(list.out+asJSON.out, hidden) {
			t.Errorf("%s is shown", hidden)
		}
	}

	h.run("", "alert", "test", "slack").want(t, 1, "slack: not sent: 127.0.0.1", "RECALL_EGRESS_ALLOW")
	h.run("", "alert", "channel", "list").want(t, 0, "failing since", "RECALL_EGRESS_ALLOW does not name it")
	h.run("", "doctor").want(t, 1, "alerts", "people are not told by slack since")
	h.run("", "alert", "test", "--egress-allow", "127.0.0.0/8").want(t, 2) // a setting of serve: by its variable

	err := h.db.ChangeAlerts(t.Context(), func(book *store.AlertBook) error {
		book.Alerts = append(book.Alerts, &store.Alert{Kind: "silence", Subject: "shop", Level: 1, Words: "Nothing was accepted.", OpenedAt: time.Now(), SeenAt: time.Now()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.run("", "alert", "list").want(t, 0, "1 ", "Source shop is silent", "not told yet")
	h.run("", "alert", "ack", "9").want(t, 1, "there is no alert 9")
	h.run("", "alert", "ack", "1", "--note", "moved").want(t, 0, "not repeated")
	h.run("", "alert", "list", "--json").want(t, 0, `"acknowledged_by":"cli:`, `"note":"moved"`, `"runbook":"docs/runbook.md#recallsilence"`)
	h.run("", "alert", "channel", "remove", "slack").want(t, 0, "was removed")
	h.run("", "alert", "channel", "remove", "slack").want(t, 1, `there is no channel "slack"`)
	if got := h.audited("slack"); got != "alert.channel.add alert.channel.set alert.test alert.channel.remove" {
		t.Errorf("audit: %s", got)
	}
	if got := h.audited("1"); got != "alert.acknowledge" {
		t.Errorf("audit: %s", got)
	}
	if len(got) > 0 {
		t.Errorf("the webhook was reached past the guard: %s", <-got)
	}
}
