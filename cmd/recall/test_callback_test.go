package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"recall/receive"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// A test callback goes through the real receiver, and is what every source asks for.
func TestTestCallback(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	live, err := db.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	handler, err := receive.NewHandler(receive.Options{Recorder: db, Sources: live, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handler.Close(t.Context()) })
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	sender := &testSender{receiver: ownReceiver{url: server.URL}, live: live, now: time.Now}

	old := verify.Secret{Name: "old", Key: "topsecret-old", Until: time.Now().Add(-time.Hour)}
	for name, source := range map[string]*store.Source{
		"bare":     {Enabled: true, Secrets: []verify.Secret{old, {Name: "new", Key: "topsecret"}}},
		"all":      {Enabled: true, Secrets: []verify.Secret{{Name: "first", Key: "topsecret-1"}, {Name: "new", Key: "topsecret"}}, Basic: &verify.BasicAuth{User: "u", Password: "p"}, Headers: []verify.Header{{Name: "X-A", Value: "b"}}, ExpectedTypes: []string{"order"}},
		"standard": {Enabled: true, Scheme: verify.StandardWebhooks, Secrets: []verify.Secret{{Name: "new", Key: "whsec_c2VjcmV0"}}},
		"disabled": {Secrets: []verify.Secret{{Name: "new", Key: "topsecret"}}},
	} {
		t.Run(name, func(t *testing.T) {
			source.Slug, source.Name, source.Tolerance = name, name, verify.DefaultTolerance
			if err := db.CreateSource(t.Context(), source); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				if i == 1 { // changed just now
					source.Name += " 2"
					source.Secrets = append(source.Secrets, verify.Secret{Name: "newer", Key: strings.TrimSuffix(source.Secrets[len(source.Secrets)-1].Key, "==") + "dWUy"})
					if err := db.UpdateSource(t.Context(), source); err != nil {
						t.Fatal(err)
					}
				}
				id, err := sender.SendTest(t.Context(), source)
				if err != nil {
					t.Fatal(err)
				}
				e, err := db.FindEvent(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				r := e.Verification
				if name == "disabled" {
					if r.Reason != verify.ReasonSourceDisabled || e.Answered != http.StatusForbidden {
						t.Errorf("%+v, answered %d", r, e.Answered)
					}
					continue
				}
				if r.Verdict != verify.Verified || r.Secret != []string{"new", "newer"}[i] || e.RepeatOf != [16]byte{} {
					t.Errorf("%+v", r)
				}
				if e.Envelope.EntityType != store.TestEntityType || e.Envelope.CallbackType != "TEST" || e.UnexpectedType || !strings.HasPrefix(string(e.Body), `{"entityType":"RECALL_TEST","callbackType":"TEST","entityId":"2`) {
					t.Errorf("%s", e.Body)
				}
			}
		})
	}
	bare, err := db.FindSource(t.Context(), "bare")
	if err != nil {
		t.Fatal(err)
	}
	bare.Secrets = []verify.Secret{old}
	if err := db.UpdateSource(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	if _, err := sender.SendTest(t.Context(), bare); err == nil || !strings.Contains(err.Error(), "no secret that is valid now") {
		t.Errorf("without a valid secret: %v", err)
	}
	server.Close()
	all, err := db.FindSource(t.Context(), "all")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sender.SendTest(t.Context(), all); err == nil || !strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("receiver away: %v", err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	sender.receiver = ownReceiver{url: other.URL}
	if _, err := sender.SendTest(t.Context(), all); err == nil || !strings.Contains(err.Error(), "answered 404 and named no event") {
		t.Errorf("something else there: %v", err)
	}
}
