package receive

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

// Each fault has its own answer and its own status on the event.
func TestEachFaultHasItsAnswer(t *testing.T) {
	t.Parallel()
	body := []byte(`{"entityType":"CUSTOMER","callbackType":"CHANGE"}`)
	sign := func(value string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(verify.HeaderSignature, value) }
	}
	at := func(after time.Duration) func(*http.Request) {
		return sign(verify.Sign(secret, signedNow.Add(after), body))
	}
	asks := func(s *store.Source) {
		s.Basic = &verify.BasicAuth{User: "plenigo", Password: "pa:ss"}
		s.Headers = []verify.Header{{Name: "X-Shop-Token", Value: "abc"}}
	}
	gives := func(user, password, token string) func(*http.Request) {
		return func(req *http.Request) {
			if user != "" {
				req.SetBasicAuth(user, password)
			}
			if token != "" {
				req.Header.Set("x-shop-token", token)
			}
		}
	}
	type statuses struct{ signature, basic, header verify.Status }
	plain := func(s verify.Status) statuses { return statuses{s, verify.NotRequired, verify.NotRequired} }
	for name, c := range map[string]struct {
		source func(*store.Source)
		change func(*http.Request)
		status int
		reason verify.Reason
		checks statuses
	}{
		"genuine":               {nil, at(0), 200, "", plain(verify.Valid)},
		"late":                  {nil, at(-time.Hour), 200, verify.ReasonSignatureExpired, plain(verify.Expired)},
		"too late":              {nil, at(-33 * time.Hour), 401, verify.ReasonSignatureExpired, plain(verify.Expired)},
		"from the future":       {nil, at(6 * time.Minute), 401, verify.ReasonSignatureFuture, plain(verify.Future)},
		"not signed":            {nil, func(req *http.Request) { req.Header.Del(verify.HeaderSignature) }, 401, verify.ReasonSignatureMissing, plain(verify.Missing)},
		"malformed":             {nil, sign("t=1729583536"), 401, verify.ReasonSignatureMalformed, plain(verify.Malformed)},
		"signed twice":          {nil, func(req *http.Request) { req.Header.Add(verify.HeaderSignature, "t=1,s=00") }, 401, verify.ReasonSignatureMalformed, plain(verify.Malformed)},
		"another secret":        {nil, sign(verify.Sign("other", signedNow, body)), 401, verify.ReasonSignatureMismatch, plain(verify.Mismatch)},
		"another body":          {nil, sign(verify.Sign(secret, signedNow, []byte("{}"))), 401, verify.ReasonSignatureMismatch, plain(verify.Mismatch)},
		"no secret":             {func(s *store.Source) { s.Secrets = nil }, at(0), 401, verify.ReasonNoSecret, plain(verify.NoSecret)},
		"all that is asked for": {asks, gives("plenigo", "pa:ss", "abc"), 200, "", statuses{verify.Valid, verify.Valid, verify.Valid}},
		"no basic":              {asks, gives("", "", "abc"), 401, verify.ReasonBasicMissing, statuses{verify.Valid, verify.Missing, verify.Valid}},
		"wrong password":        {asks, gives("plenigo", "pa:s", "abc"), 401, verify.ReasonBasicMismatch, statuses{verify.Valid, verify.Mismatch, verify.Valid}},
		"no header":             {asks, gives("plenigo", "pa:ss", ""), 401, verify.ReasonHeaderMissing, statuses{verify.Valid, verify.Valid, verify.Missing}},
		"wrong header":          {asks, gives("plenigo", "pa:ss", "abd"), 401, verify.ReasonHeaderMismatch, statuses{verify.Valid, verify.Valid, verify.Mismatch}},
		"disabled":              {func(s *store.Source) { s.Enabled = false }, at(0), 403, verify.ReasonSourceDisabled, plain(verify.Valid)},
		"disabled and observed": {func(s *store.Source) { s.Enabled, s.Observe = false, true }, at(0), 403, verify.ReasonSourceDisabled, plain(verify.Valid)},
		"observed":              {func(s *store.Source) { s.Observe = true }, sign("nonsense"), 200, verify.ReasonSignatureMalformed, plain(verify.Malformed)},
		"unreadable settings":   {func(s *store.Source) { s.Unreadable = true }, at(0), 401, verify.ReasonSettingsUnreadable, plain(verify.Valid)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			source := shop()
			if c.source != nil {
				c.source(source)
			}
			r := start(t, Options{Recorder: m, Sources: store.NewLive([]*store.Source{source}, nil)})
			got := send(t, r, callback(t, r, body, c.change))
			e := m.only(t)
			if got.status != c.status || got.Reason != c.reason || got.Verdict != e.Verification.Verdict || *got.Event != e.ID || got.Error != "" {
				t.Errorf("answered %d %+v, want %d %s", got.status, got.answer, c.status, c.reason)
			}
			v := e.Verification
			if v.Reason != c.reason || (statuses{v.Signature, v.Basic, v.Header}) != c.checks || e.Answered != c.status || !bytes.Equal(e.Body, body) {
				t.Errorf("kept as %+v", v)
			}
			if accepted := c.status == 200 && name != "observed"; v.Accepted() != accepted {
				t.Errorf("accepted: %t", v.Accepted())
			}
		})
	}
}

// The result of every check comes back from the database as it went in.
func TestAFaultIsStored(t *testing.T) {
	t.Parallel()
	db, live := newStore(t, func(s *store.Source) { s.Headers = []verify.Header{{Name: "X-Shop-Token", Value: "abc"}} })
	m := &memory{}
	r := start(t, Options{Recorder: recorders{m, db}, Sources: live})
	got := send(t, r, callback(t, r, []byte("{}"), func(req *http.Request) { req.Header.Set("X-Shop-Token", "abd") }))
	e, err := db.FindEvent(t.Context(), *got.Event)
	if err != nil {
		t.Fatal(err)
	}
	if want := m.only(t).Verification; !reflect.DeepEqual(e.Verification, want) || e.Answered != 401 {
		t.Errorf("kept as %+v, want %+v", e.Verification, want)
	}
}

func TestATypeThatIsNotExpectedIsMarked(t *testing.T) {
	t.Parallel()
	db, live := newStore(t, func(s *store.Source) { s.ExpectedTypes = []string{"customer.*"} })
	r := start(t, Options{Recorder: db, Sources: live})
	for body, want := range map[string]bool{
		`{"entityType":"CUSTOMER","callbackType":"CHANGE"}`: false,
		`{"entityType":"INVOICE","callbackType":"CHANGE"}`:  true,
		`no JSON`: true,
	} {
		got := send(t, r, callback(t, r, []byte(body)))
		if got.status != 200 || got.Verdict != verify.Verified {
			t.Fatalf("%s: answered %d %+v", body, got.status, got.answer)
		}
		e, err := db.FindEvent(t.Context(), *got.Event)
		if err != nil {
			t.Fatal(err)
		}
		if e.UnexpectedType != want {
			t.Errorf("%s: unexpected %t", body, e.UnexpectedType)
		}
	}
}

// recorders hands a batch to one after the other.
type recorders []Recorder

func (all recorders) RecordEvents(ctx context.Context, events []*store.Event) (errs []error) {
	for _, r := range all {
		errs = r.RecordEvents(ctx, events)
	}
	return errs
}

func TestTheLogHoldsNothingOfACallback(t *testing.T) {
	t.Parallel()
	m := &memory{before: func(_ context.Context, events []*store.Event) []error {
		if string(events[0].Body) == "private-lost" {
			return []error{context.DeadlineExceeded}
		}
		return nil
	}}
	var log bytes.Buffer
	o := Options{Recorder: m, MaxBody: 100, Log: slog.New(slog.NewJSONHandler(&lockedWriter{w: &log}, nil))}
	r, slow := start(t, o), start(t, o, outOfTime)
	header := func(req *http.Request) {
		req.Header.Set("Authorization", "Basic private-credentials")
		req.Header.Set("X-Shop-Token", "private-token")
	}
	send(t, r, callback(t, r, []byte("private-body"), header))
	send(t, r, callback(t, r, []byte("private-lost"), header))
	send(t, r, callback(t, r, bytes.Repeat([]byte("private-large"), 100), header))
	w := dial(t, slow)
	w.write(t, "private-cut", "POST /callbacks/shop?private-query HTTP/1.1", "Host: private-host", "X-Shop-Token: private-token", "Content-Length: 50")
	w.read(t)
	w = dial(t, r)
	w.write(t, "private-chunk\r\n", "POST /callbacks/shop HTTP/1.1", "Host: private-host", "Transfer-Encoding: chunked")
	w.read(t)
	r.close()
	slow.close()
	text := log.String()
	if strings.Contains(text, "private") || strings.Contains(text, secret) {
		t.Errorf("the log says too much:\n%s", text)
	}
	for _, want := range []string{`"source":"shop"`, `"answered":200`, `"answered":503`, `"answered":413`, `"answered":408`, `"answered":400`, `"event_id"`, `"verdict":"verified"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %s:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n != 5 {
		t.Errorf("%d lines for 5 callbacks:\n%s", n, text)
	}
}
