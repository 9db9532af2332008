package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

// signedBy is an event of the plain source "bare", signed by a secret at a time and judged as it would be.
func (s *site) signedBy(t testing.TB, secret string, signed time.Time, change ...func(*store.Event)) *store.Event {
	t.Helper()
	return s.record(t, customerBody, append([]func(*store.Event){func(e *store.Event) {
		e.SourceID = s.bare(t).ID
		e.Header.Set(verify.HeaderSignature, verify.Sign(secret, signed, e.Body))
		e.Verification = s.server.Reverify.Check(e)
		if !e.Verification.Accepted() {
			e.Answered = http.StatusUnauthorized
		}
	}}, change...)...)
}

// bare is a source that asks for a signature only.
func (s *site) bare(t testing.TB) *store.Source {
	t.Helper()
	if source, err := s.db.FindSource(t.Context(), "bare"); err == nil {
		return source
	}
	source := &store.Source{
		Slug: "bare", Name: "Bare", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: "s3cret-bare"}},
	}
	must(t, s.db.CreateSource(t.Context(), source))
	return source
}

func TestWhyItWasRejected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "vera", store.RoleViewer)
	e := s.signedBy(t, "s3cret", time.Now()) // the secret of "shop"
	for _, name := range []string{"anna", "vera"} {
		a := s.as(t, name).get("/events/" + e.ID.String())
		if containsSecret(a.body) {
			t.Error("a secret is shown")
		}
		why := a.page().one(t, "#why")
		if text := why.one(t, ".cause").text(); !strings.Contains(text, `the secret "first" of the source "Shop" is used`) {
			t.Errorf("%s: the cause is %q", name, text)
		}
		if got := why.all(".finding-links a")[0].attr("href"); got != "/sources/bare" {
			t.Errorf("%s: the settings are at %q", name, got)
		}
		steps := why.one(t, "#why-steps")
		if steps.has("open") || !strings.Contains(steps.text(), "Digest does not match") || strings.Contains(steps.text(), "The signed text, of") { // its ends are bytes of the body
			t.Errorf("%s: steps %q", name, steps.text())
		}
		form := a.page().one(t, "#reverify")
		if disabled := form.one(t, "fieldset").has("disabled"); disabled != (name == "vera") || disabled != strings.Contains(form.text(), "viewer") {
			t.Errorf("%s: the form is disabled: %v", name, disabled)
		}
	}
	if page := s.as(t, "anna").get("/events/"+e.ID.String(), "HX-Request", "true").page(); len(page.all("#why")) != 0 {
		t.Error("a part that renews itself is explained each time")
	}
}

func TestWhyElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	verified := s.signedBy(t, "s3cret-bare", time.Now())
	late := s.signedBy(t, "s3cret-bare", time.Now().Add(-61*time.Minute), func(e *store.Event) { e.Body = []byte(`{"n":1}`) }, func(e *store.Event) {
		e.Header.Set(verify.HeaderSignature, verify.Sign("s3cret-bare", time.Now().Add(-61*time.Minute), e.Body))
		e.Verification = s.server.Reverify.Check(e)
	})
	tooLarge := s.record(t, "", func(e *store.Event) {
		e.Verification, e.Size, e.Answered = verify.TooLarge(), 5<<20, http.StatusRequestEntityTooLarge
	})
	mismatch := s.signedBy(t, "s3cret-unknown", time.Now())

	if page := v.show("/events/" + verified.ID.String()); len(page.all("#why"))+len(page.all("#reverify")) != 0 {
		t.Error("a verified event is explained")
	}
	page := v.show("/events/" + late.ID.String())
	if text := page.one(t, "#why").text(); !strings.Contains(text, "Why it is late") || !strings.Contains(text, "plenigo's repeat after 1 h") {
		t.Errorf("late: %q", text)
	}
	if len(page.all("#reverify [name=release]")) != 0 {
		t.Error("what was accepted can be released")
	}
	page = v.show("/events/" + tooLarge.ID.String())
	if text := page.one(t, "#why").text(); !strings.Contains(text, "5.2 MB") || !strings.Contains(text, "RECALL_MAX_BODY") {
		t.Errorf("too large: %q", text)
	}
	if !page.one(t, "#reverify fieldset").has("disabled") {
		t.Error("what was not kept can be checked again")
	}
	path := "/events/" + mismatch.ID.String()
	if text := v.show(path).one(t, "#why").text(); !strings.Contains(text, "made by no secret known here") || !strings.Contains(text, "What was tried and does not fit") {
		t.Errorf("unknown secret: %q", text)
	}

	// The secret is added: the page sends to what puts it right.
	source := s.bare(t)
	source.Secrets = append(source.Secrets, verify.Secret{Name: "second", Key: "s3cret-unknown", From: time.Now().Add(-time.Second)})
	must(t, s.db.UpdateSource(t.Context(), source))
	if text := v.show(path).one(t, "#why .notice").text(); !strings.Contains(text, "Today’s settings accept it.") {
		t.Errorf("after the secret was added: %q", text)
	}
	source.Secrets = source.Secrets[1:]
	must(t, s.db.UpdateSource(t.Context(), source))
	if text := v.show("/events/"+late.ID.String()).one(t, "#why").text(); !strings.Contains(text, "When it came: signed too long ago. The settings were changed since") {
		t.Errorf("late, and its secret is gone: %q", text)
	}
	must(t, s.db.RemoveSource(t.Context(), "bare"))
	page = v.show(path)
	if text := page.one(t, "#why").text(); !strings.Contains(text, "source was removed") || !page.one(t, "#reverify fieldset").has("disabled") {
		t.Errorf("of a removed source: %q", text)
	}
}

// Whatever arrives in the headers, the explanation keeps the page's shape and shows no invisible character.
func TestHostileRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, hostile, rejected(verify.ReasonSignatureMalformed), func(e *store.Event) {
		e.SourceID = s.bare(t).ID
		e.Header = http.Header{verify.HeaderSignature: {hostile, "\xff\x00"}, "Content-Length": {hostile}}
	})
	signed := s.signedBy(t, "s3cret-unknown", time.Now(), func(e *store.Event) {
		e.Body = []byte(hostile)
		e.Header.Set(verify.HeaderSignature, verify.Sign("s3cret-unknown", time.Now(), e.Body))
	})
	v := s.as(t, "anna")
	run, err := s.db.CreateReverifyRun(t.Context(), `customer:"`+strings.ReplaceAll(hostile, `"`, "")+`"`, "anna", hostile)
	must(t, err)
	_, err = s.db.Reverify(t.Context(), e, verify.Result{Verdict: verify.Late, Secret: hostile}, false, hostile, hostile)
	must(t, err)
	for _, path := range []string{"/events/" + e.ID.String(), "/events/" + signed.ID.String(), "/events", "/reverify", runURL(run.ID), "/reverify/new?q=" + url.QueryEscape(hostile)} {
		a := v.get(path)
		if a.StatusCode != http.StatusOK || strings.Contains(a.body, "<img src=x") || strings.Contains(a.body, "<script>alert") {
			t.Errorf("%s: %s, or markup of theirs", path, a.Status)
		}
		if text := a.page().one(t, "main").text(); strings.ContainsAny(text, "\x00\x1b\u202e\u200b") {
			t.Errorf("%s: invisible characters", path)
		}
	}
}

func TestArrivalsInWords(t *testing.T) {
	t.Parallel()
	ten := time.Date(2026, 11, 24, 10, 2, 0, 0, time.UTC)
	arrival := func(after time.Duration, verdict verify.Verdict, answered int) store.EventSummary {
		return store.EventSummary{ReceivedAt: ten.Add(after), Verdict: verdict, Answered: answered}
	}
	for name, test := range map[string]struct {
		events       []store.EventSummary
		now          time.Duration
		elsewhere    bool // not plenigo's scheme
		says, coming string
		last         string
		listed       int
	}{
		"once, accepted": {events: []store.EventSummary{arrival(0, verify.Verified, 200)}},
		"once, rejected": {
			events: []store.EventSummary{arrival(0, verify.Rejected, 401)}, now: time.Minute, listed: 1,
			coming: "If it is plenigo’s, it comes again about 2026-11-24 11:02 UTC: the 2nd of 4 tries.",
			last:   "The last try, the 4th, comes between 2026-11-25 10:02 UTC and 2026-11-25 17:02 UTC.",
		},
		"once, rejected, of another sender": {events: []store.EventSummary{arrival(0, verify.Rejected, 401)}, elsewhere: true},
		"observed": {
			events: []store.EventSummary{arrival(0, verify.Rejected, 200)}, listed: 1,
			coming: "It was answered 200, so that plenigo takes it for delivered and does not send it again.",
		},
		"due and not come": {
			events: []store.EventSummary{arrival(0, verify.Rejected, 401)}, now: 3 * time.Hour, listed: 1,
			coming: "plenigo’s 2nd try was due about 2026-11-24 11:02 UTC and has not come: its callback log says what became of it.",
			last:   "The last try, the 4th, comes between 2026-11-25 10:02 UTC and 2026-11-25 17:02 UTC.",
		},
		"accepted the second time": {
			events: []store.EventSummary{arrival(0, verify.Rejected, 401), arrival(time.Hour, verify.Verified, 200)}, listed: 2,
			says: "Rejected 10:02, arrived again 11:02, accepted.",
		},
		"before the last": {
			events: []store.EventSummary{arrival(0, verify.Rejected, 401), arrival(time.Hour, verify.Rejected, 401), arrival(6*time.Hour, verify.Rejected, 401)},
			now:    6 * time.Hour, listed: 3,
			says:   "Rejected 10:02, arrived again 11:02, rejected, arrived again 16:02, rejected.",
			coming: "If it is plenigo’s, it comes once more between 2026-11-25 10:02 UTC and 2026-11-25 17:02 UTC: that is the last of 4 tries.",
		},
		"after the last": {
			events: []store.EventSummary{
				arrival(0, verify.Rejected, 401), arrival(time.Hour, verify.Rejected, 401), arrival(6*time.Hour, verify.Rejected, 401), arrival(24*time.Hour, verify.Rejected, 401),
			},
			listed: 4, says: "Rejected 10:02, arrived again 11:02, rejected, arrived again 16:02, rejected, arrived again 25 Nov 10:02, rejected.",
			coming: "plenigo tries 4 times at most, and so often it came: it is not sent again. Find the cause, then check it again here.",
		},
		"repeats within a minute": {
			events: []store.EventSummary{arrival(0, verify.Late, 200), arrival(2*time.Second, verify.Verified, 200)}, listed: 2,
			says: "Accepted late 10:02:00, arrived again 10:02:02, only a repeat.",
		},
		"found genuine later": {
			events: []store.EventSummary{
				{ReceivedAt: ten, Verdict: verify.Rejected, Answered: 200, Reverified: verify.Verified}, arrival(time.Hour, verify.Rejected, 200),
			},
			listed: 2, says: "Rejected 10:02 and found genuine later, arrived again 11:02, rejected.",
			coming: "It was answered 200, so that plenigo takes it for delivered and does not send it again.",
		},
	} {
		v := newArrivalsView(test.events, "", !test.elsewhere, ten.Add(test.now), habits{})
		if v.Says != test.says || v.Coming != test.coming || v.Last != test.last || len(v.List) != test.listed {
			t.Errorf("%s:\n  %q\n  %q\n  %q\n  %d listed", name, v.Says, v.Coming, v.Last, len(v.List))
		}
	}
	if v := newArrivalsView(make([]store.EventSummary, shownArrivals+3), "", true, ten, habits{}); len(v.List) != shownArrivals || v.More != 3 {
		t.Errorf("%d listed, %d more", len(v.List), v.More)
	}
}
