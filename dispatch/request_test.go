package dispatch

import (
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"recall/store"
	"recall/verify"
)

func TestSigningKey(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name    string
		secrets []verify.Secret
		want    string
		words   string
	}{
		{"only", []verify.Secret{{Key: "a"}}, "a", ""},
		{"newest", []verify.Secret{{Key: "a"}, {Key: "b", From: noon.Add(-day)}, {Key: "c", From: noon.Add(-2 * day)}}, "b", ""},
		{"begins now", []verify.Secret{{Key: "a"}, {Key: "b", From: noon}}, "b", ""},
		{"newest not yet", []verify.Secret{{Key: "a"}, {Key: "b", From: noon.Add(time.Second)}}, "a", ""},
		{"newest over", []verify.Secret{{Key: "a"}, {Key: "b", From: noon.Add(-day), Until: noon}}, "a", ""},
		{"equally new: the later one", []verify.Secret{{Key: "a"}, {Key: "b"}}, "b", ""},
		{"none", nil, "", "no secret that is valid now"},
		{"all over", []verify.Secret{{Key: "a", Until: noon}}, "", "no secret that is valid now"},
	} {
		got, err := signingKey(&store.Source{Slug: "shop", Secrets: c.secrets}, noon)
		if got != c.want || (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	_, err := signingKey(&store.Source{Slug: "shop", Unreadable: true}, noon)
	if err == nil || !strings.Contains(err.Error(), "cannot be opened") {
		t.Error(err)
	}
}

// TestNotSignedNotSent: without a secret nothing goes out; the attempt says why, and is tried again.
func TestNotSignedNotSent(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL)
	w.source.Secrets[0].Until = noon
	if err := w.db.UpdateSource(t.Context(), w.source); err != nil {
		t.Fatal(err)
	}
	o := w.options(to.URL)
	o.Jitter = func(wait time.Duration) time.Duration { return wait }
	delivery := w.reach(w.redispatch(w.start(o), "crm"), store.DeliveryWaiting)
	if a := delivery.History[0]; !strings.Contains(a.Error, `the source "shop" has no secret that is valid now`) || a.Status != 0 || len(to.requests()) != 0 {
		t.Errorf("%+v", a)
	}
	w.source.Secrets = append(w.source.Secrets, verify.Secret{Name: "second", Key: "new"})
	if err := w.db.UpdateSource(t.Context(), w.source); err != nil {
		t.Fatal(err)
	}
	w.clock.set(delivery.NextAttemptAt)
	w.reach(delivery, store.DeliverySucceeded)
	if got := to.requests()[0].header.Get("Plenigo-Signature"); got != verify.Sign("new", noon.Add(30*time.Second), []byte(creation)) {
		t.Errorf("signed %q", got)
	}
}

func TestRequestHeader(t *testing.T) {
	w := newWorld(t)
	d := w.dispatcher(Options{Now: w.clock.now})
	task := &task{
		delivery: &store.Delivery{ID: uuid.New(), Trigger: store.TriggerReplay},
		destination: &store.Destination{ID: 7, URL: "https://crm.example/in", Signing: store.SigningNone, Headers: []verify.Header{
			{Name: "Authorization", Value: "Bearer kept"}, {Name: "x-two", Value: "kept"},
			{Name: "content-type", Value: "text/lie"}, {Name: "plenigo-signature", Value: "lie"}, {Name: "idempotency-key", Value: "lie"},
			{Name: "Recall-Event", Value: "lie"}, {Name: "recall-other", Value: "lie"}, {Name: "Webhook-Id", Value: "lie"},
			{Name: "X-Plenigo-Api-Version", Value: "lie"}, {Name: "Host", Value: "lie"}, {Name: "Content-Length", Value: "1"},
		}},
		event: w.event("\x00\xff", func(e *store.Event) {
			e.Header = http.Header{"Content-Encoding": {"gzip"}, "Content-Type": {"a/b", "c/d"}}
		}),
		source: w.source,
	}
	req, recorded, err := d.newRequest(task, 12)
	if err != nil {
		t.Fatal(err)
	}
	var sent strings.Builder
	req.Header.Write(&sent)
	if strings.Contains(sent.String(), "lie") || strings.Contains(sent.String(), "Signature") || req.Host != "crm.example" || req.ContentLength != 2 {
		t.Errorf("sends %s", &sent)
	}
	for _, want := range []string{"Content-Encoding: gzip", "Content-Type: a/b\r\nContent-Type: c/d", "Authorization: Bearer kept", "X-Two: kept", "Recall-Attempt: 12", "Recall-Trigger: replay", "User-Agent: Recall/dev"} {
		if !strings.Contains(sent.String(), want+"\r\n") {
			t.Errorf("does not send %q: %s", want, &sent)
		}
	}
	var written strings.Builder
	recorded.Write(&written)
	if strings.Contains(written.String(), "Bearer") || strings.Contains(written.String(), ": kept") || !strings.Contains(written.String(), "Authorization: (kept secret)") {
		t.Errorf("records %s", &written)
	}
	key := strings.ToLower(headerIdempotencyKey)
	first := req.Header[key]
	task.delivery = &store.Delivery{ID: uuid.New(), Trigger: store.TriggerManual}
	if req, _, _ = d.newRequest(task, 1); req.Header[key][0] != first[0] {
		t.Error("a redispatch has another idempotency key")
	}
	task.destination.ID = 8
	if req, _, _ = d.newRequest(task, 1); req.Header[key][0] == first[0] {
		t.Error("another destination has the same idempotency key")
	}
	for _, url := range []string{"", "ftp://crm.example/", "https:///", "://", "/relative"} {
		task.destination.URL = url
		if _, _, err := d.newRequest(task, 1); err == nil {
			t.Errorf("%q: no error", url)
		}
	}
	task.destination.Signing = "secret-handshake"
	if _, _, err := d.newRequest(task, 1); err == nil || !strings.Contains(err.Error(), "secret-handshake") {
		t.Error(err)
	}
}

// TestStandardWebhooks: a receiver built with the public library of Standard Webhooks accepts what is sent, with the old
// secret and the new one while they change.
func TestStandardWebhooks(t *testing.T) {
	const older, newer = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZA==", "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldw=="
	w := newWorld(t)
	w.clock.set(time.Now()) // the library knows no other time
	to := newReceiver(t, status(500), status(200))
	w.destination("crm", to.URL, func(d *store.Destination) {
		d.Signing = store.SigningStandardWebhooks
		d.Secrets = []store.SigningSecret{{Key: older, Until: w.clock.now().Add(time.Hour)}, {Key: newer}}
	})
	w.reach(w.redispatch(w.start(w.options(to.URL)), "crm"), store.DeliverySucceeded)
	got := to.requests()
	if len(got) != 2 || got[0].header.Get("Webhook-Id") == "" || got[0].header.Get("Webhook-Id") != got[1].header.Get("Webhook-Id") {
		t.Fatalf("%+v", got)
	}
	for _, r := range got {
		for name, secret := range map[string]string{"the old secret": older, "the new secret": newer, "made now": store.NewSigningSecret()} {
			library, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := library.Verify([]byte(r.body), r.header); (err == nil) != (name != "made now") {
				t.Errorf("%s: %v", name, err)
			}
			if library.Verify([]byte(r.body+" "), r.header) == nil {
				t.Errorf("%s: another body is accepted", name)
			}
		}
		if r.header.Get("Plenigo-Signature") != "" {
			t.Error("it is signed as plenigo signs too")
		}
	}
}

// TestOwnSecret: a destination's own secrets sign in the place of the source's, and both of two while they change.
func TestOwnSecret(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL, func(d *store.Destination) {
		d.Secrets = []store.SigningSecret{
			{Key: "ended", Until: noon}, {Key: "old one", Until: noon.Add(time.Hour)}, {Key: "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldw=="},
		}
	})
	w.reach(w.redispatch(w.start(w.options(to.URL)), "crm"), store.DeliverySucceeded)
	r := to.requests()[0]
	for key, want := range map[string]verify.Status{
		"old one": verify.Valid, "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldw==": verify.Valid,
		"ended": verify.Mismatch, "example-callback-secret": verify.Mismatch,
	} {
		policy, err := verify.NewPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, Secrets: []verify.Secret{{Name: "own", Key: key}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := policy.Check(r.header, []byte(r.body), noon).Signature; got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

// TestOriginalSignature: the signature that the event came with goes along, of every header that the source's scheme has.
func TestOriginalSignature(t *testing.T) {
	w := newWorld(t)
	d := w.dispatcher(Options{Now: w.clock.now})
	own := verify.StandardWebhooks
	for name, test := range map[string]struct {
		scheme verify.Scheme
		pass   bool
		want   map[string]string
	}{
		"plenigo":          {verify.Scheme{}, true, map[string]string{"Plenigo-Signature": "t=1,s=ab"}},
		"standard":         {own, true, map[string]string{"Webhook-Signature": "v1,a", "Webhook-Timestamp": "1", "Webhook-Id": "i"}},
		"not asked for":    {verify.Scheme{}, false, nil},
		"with another one": {verify.Scheme{Header: "x-none", TimeHeader: "x-time"}, true, nil},
	} {
		task := &task{
			delivery:    &store.Delivery{ID: uuid.New(), Trigger: store.TriggerAutomatic},
			destination: &store.Destination{URL: "https://crm.example/in", Method: http.MethodPatch, Signing: store.SigningPlenigo, PassSignature: test.pass},
			event: w.event("{}", func(e *store.Event) {
				e.Header = http.Header{"Plenigo-Signature": {"t=1,s=ab"}, "Webhook-Signature": {"v1,a"}, "Webhook-Timestamp": {"1"}, "Webhook-Id": {"i"}, "": {"none"}}
			}),
			source: &store.Source{Slug: "shop", Scheme: test.scheme, Secrets: w.source.Secrets},
		}
		req, recorded, err := d.newRequest(task, 1)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for header := range req.Header {
			if of, is := strings.CutPrefix(header, "Recall-Original-"); is {
				got[of] = req.Header.Get(header)
				if recorded.Get(header) != got[of] {
					t.Errorf("%s: %s is not recorded", name, header)
				}
			}
		}
		if !maps.Equal(got, test.want) || req.Method != http.MethodPatch {
			t.Errorf("%s: %s with %v, want %v", name, req.Method, got, test.want)
		}
	}
}

// TestReceiverOfTheDocs: the receiver that docs/destinations.md shows accepts what is sent, and nothing else.
func TestReceiverOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/destinations.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("receiver_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(source), "func genuine(")
	if shown = "  func genuine(" + strings.ReplaceAll(strings.TrimRight(shown, "\n"), "\n", "\n  "); !strings.Contains(string(text), shown) {
		t.Error("the docs show another receiver than the one that is tested")
	}
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL, func(d *store.Destination) {
		d.Secrets = []store.SigningSecret{{Key: "old one", Until: noon.Add(time.Hour)}, {Key: "new one"}}
	})
	w.reach(w.redispatch(w.start(w.options(to.URL)), "crm"), store.DeliverySucceeded)
	got := to.requests()[0]
	r := &http.Request{Header: got.header}
	for name, c := range map[string]struct {
		secret, body string
		now          time.Time
		want         bool
	}{
		"old secret":     {"old one", got.body, noon, true},
		"new secret":     {"new one", got.body, noon, true},
		"other secret":   {"another", got.body, noon, false},
		"other body":     {"new one", got.body + " ", noon, false},
		"hour later":     {"new one", got.body, noon.Add(time.Hour), false},
		"hour too early": {"new one", got.body, noon.Add(-time.Hour), false},
	} {
		if genuine(r, []byte(c.body), c.secret, c.now) != c.want {
			t.Errorf("%s: it says %v", name, !c.want)
		}
	}
	if genuine(&http.Request{Header: http.Header{}}, []byte(got.body), "new one", noon) {
		t.Error("accepted without a signature")
	}
}
