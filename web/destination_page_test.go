package web

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// destination finds one as it is kept.
func (s *site) destination(t testing.TB, name string) *store.Destination {
	t.Helper()
	d, err := s.db.FindDestination(t.Context(), name)
	must(t, err)
	return d
}

// audit is the whole audit list as text.
func (s *site) audit(t testing.TB) string {
	t.Helper()
	entries, err := s.db.ListAudit(t.Context(), "", 1000)
	must(t, err)
	text, err := json.Marshal(entries)
	must(t, err)
	return string(text)
}

// destinationForm is a form filled in right.
func destinationForm(change url.Values) url.Values {
	form := url.Values{
		"name": {"bus"}, "url": {"https://bus.example/in?key=s3cret-url"}, "method": {"PUT"}, "sends": {sendMatch}, "match": {"source:shop type:customer.*"},
		"signing": {"plenigo"}, "timeout": {"5s"}, "retry": {"30s, 2m,1h"}, "rate": {"2,5"}, "concurrency": {"3"}, "ordering": {"entity"},
		"header_was": {"", "", ""}, "header_name.0": {"x-key"}, "header_value.0": {"s3cret-header"},
		"header_name.1": {"X-Tenant"}, "header_value.1": {"shop"}, "header_open.1": {"true"}, "pass": {"true"},
	}
	maps.Copy(form, change)
	return form
}

func TestDestinationAddedInAForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	ada := s.as(t, "ada")
	form := ada.show("/destinations/_new").one(t, "#destination-form")
	if got := form.one(t, "#retry").attr("value"); got != "30s, 2m, 10m, 1h, 6h, 24h" {
		t.Errorf("retries are proposed as %q", got)
	}
	a := ada.post("/destinations", destinationForm(nil))
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/destinations/bus" {
		t.Fatalf("%s: %s", a.Status, a.page().one(t, "main").text())
	}
	got := s.destination(t, "bus")
	if got.URL != "https://bus.example/in?key=s3cret-url" || got.Method != "PUT" || *got.Match != "source:shop type:customer.*" || got.Timeout != 5*time.Second ||
		len(got.RetrySchedule) != 3 || got.MaxRate != 2.5 || got.MaxConcurrency != 3 || got.Ordering != store.OrderEntity || !got.PassSignature ||
		len(got.Headers) != 1 || got.Headers[0] != (verify.Header{Name: "X-Key", Value: "s3cret-header"}) || got.ClearHeaders[0] != (verify.Header{Name: "X-Tenant", Value: "shop"}) {
		t.Errorf("%+v", got)
	}
	page := ada.show("/destinations/bus")
	for _, want := range []string{"PUT https://bus.example/in?…", "X-Tenant: shop", "2.5 attempts a second", "3 attempts at the same time", "one after the other per entity", "30 s, 2 min, 1 h", "passed along"} {
		if text := page.one(t, "main").text(); !strings.Contains(text, want) {
			t.Errorf("the page does not say %q: %s", want, text)
		}
	}
	for _, name := range []string{"ada", "anna"} {
		for _, path := range []string{"/destinations", "/destinations/bus", "/destinations/crm"} {
			if a := s.as(t, name).get(path); strings.Contains(a.body, "s3cret") {
				t.Errorf("%s shows %s a secret", path, name)
			}
		}
	}
	if text := s.audit(t); strings.Contains(text, "s3cret") || !strings.Contains(text, `"destination.add"`) {
		t.Errorf("audit list: %s", text)
	}

	// What was entered stands in the form again, and nothing secret does.
	for name, test := range map[string]struct {
		change url.Values
		field  string
		says   string
	}{
		"name in use":      {url.Values{"name": {"crm"}}, "name", "already"},
		"no name":          {url.Values{"name": {""}}, "name", "must be lower-case"},
		"URL":              {url.Values{"url": {"bus.example"}}, "url", "must be absolute"},
		"rule":             {url.Values{"match": {"source:shop tpye:x"}}, "match", "tpye"},
		"empty rule":       {url.Values{"match": {" "}}, "match", "choose every accepted event"},
		"header of ours":   {url.Values{"header_name.0": {"Recall-Event"}}, "header_name.0", "cannot be chosen"},
		"header no value":  {url.Values{"header_value.0": {""}}, "header_value.0", "needs a value"},
		"value, no header": {url.Values{"header_name.0": {""}}, "header_name.0", "needs the name"},
		"timeout":          {url.Values{"timeout": {"soon"}}, "timeout", "no length of time"},
		"retry":            {url.Values{"retry": {"30s, soon"}}, "retry", "no length of time"},
		"rate":             {url.Values{"rate": {"fast"}}, "rate", "is no number"},
		"concurrency":      {url.Values{"concurrency": {"0.5"}}, "concurrency", "no whole number"},
		"secret":           {url.Values{"signing": {"standard-webhooks"}, "secret": {"s3cret-x"}}, "secret", "none of Standard Webhooks"},
		"unsigned secret":  {url.Values{"signing": {"none"}, "secret": {"s3cret-x"}}, "secret", "nothing to sign"},
	} {
		t.Run(name, func(t *testing.T) {
			form := destinationForm(url.Values{"name": {"other"}})
			maps.Copy(form, test.change)
			a := ada.post("/destinations", form)
			page := a.page()
			if a.StatusCode != http.StatusUnprocessableEntity || strings.Contains(strings.ReplaceAll(a.body, "?key=s3cret-url", ""), "s3cret") {
				t.Fatalf("%s; or a secret is shown", a.Status)
			}
			if text := page.one(t, "[role=alert]").text(); !strings.Contains(text, test.says) {
				t.Errorf("the page says %q, want %q", text, test.says)
			}
			if f := page.one(t, "[name="+test.field+"]"); f.attr("aria-invalid") != "true" && f.attr("type") != "radio" {
				t.Errorf("%s is not marked", test.field)
			}
			if got := page.one(t, "#concurrency").attr("value"); got != form.Get("concurrency") {
				t.Errorf("what was entered is lost: %q", got)
			}
		})
	}
	page = ada.post("/destinations", destinationForm(url.Values{"match": {"source:shop tpye:x"}})).page()
	if got := page.one(t, "#rule mark").text(); !strings.HasPrefix(got, "tpye") {
		t.Errorf("the mistake is marked at %q", got)
	}
}

func TestDestinationRuleIsTried(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	ada := s.as(t, "ada")
	e := s.record(t, customerBody)
	s.tried.preview = store.RulePreview{Events: 1000, Matched: 120, Newest: []store.PreviewEvent{{ID: e.ID, Source: "shop", EntityType: "CUSTOMER<", CallbackType: "CREATION"}}}
	for name, test := range map[string]struct {
		change url.Values
		rule   string
		says   string
	}{
		"rule":    {nil, "source:shop type:customer.*", "120 of the last 1,000 accepted events"},
		"all":     {url.Values{"sends": {sendAll}}, "", "120 of the last 1,000 accepted events"},
		"nothing": {url.Values{"sends": {sendNothing}}, "-", "Nothing is sent automatically"},
		"mistake": {url.Values{"match": {"tpye:x"}}, "tpye:x", "tpye"},
	} {
		s.tried.rules = nil
		form := destinationForm(url.Values{"preview": {"rule"}})
		maps.Copy(form, test.change)
		a := ada.post("/destinations", form)
		if text := a.page().one(t, "#rule").text(); a.StatusCode != http.StatusOK || !strings.Contains(text, test.says) {
			t.Errorf("%s: %s, %q", name, a.Status, text)
		}
		if strings.Join(s.tried.rules, "") != strings.TrimPrefix(test.rule, "-") {
			t.Errorf("%s: tried %q", name, s.tried.rules)
		}
	}
	if text := ada.post("/destinations", destinationForm(url.Values{"preview": {"rule"}})).page().one(t, "#rule a").text(); text != "customer<.creation from shop" {
		t.Errorf("the newest is %q", text)
	}
	if all, err := s.db.ListDestinations(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("a try added a destination: %v, %v", all, err)
	}
}

func TestDestinationChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	ada := s.as(t, "ada")
	edit := func() url.Values {
		page := ada.show("/destinations/crm/edit")
		form := url.Values{}
		for _, f := range page.all("#destination-form input") {
			if kind := f.attr("type"); kind != "checkbox" && kind != "radio" || f.has("checked") {
				form.Add(f.attr("name"), f.attr("value"))
			}
		}
		form.Set("method", "POST")
		form.Set("match", page.one(t, "#match").text())
		return form
	}
	form := edit()
	if a := ada.post("/destinations/crm", form); a.StatusCode != http.StatusSeeOther || !strings.Contains(ada.show("/destinations/crm").one(t, "[role=status]").text(), "nothing was changed") {
		t.Errorf("unchanged: %s", a.Status)
	}
	form.Set("name", "crm-2")
	form.Set("header_value.0", "")
	form.Set("header_name.1", "X-More")
	form.Set("header_value.1", "s3cret-more")
	if a := ada.post("/destinations/crm", form); a.Header.Get("Location") != "/destinations/crm-2" {
		t.Fatalf("%s: %s", a.Status, a.page().one(t, "main").text())
	}
	ada.show("/destinations/crm-2")
	got := s.destination(t, "crm-2")
	if len(got.Headers) != 2 || got.Headers[0].Value != "s3cret" || got.Headers[1] != (verify.Header{Name: "X-More", Value: "s3cret-more"}) || got.URL != s.crm.URL {
		t.Errorf("%+v", got)
	}
	form.Set("name", "crm-3")
	if a := ada.post("/destinations/crm-2", form); a.StatusCode != http.StatusConflict || !strings.Contains(a.page().one(t, "[role=alert]").text(), "By ada") {
		t.Errorf("from an older form: %s", a.Status)
	}

	for _, test := range []struct {
		form  url.Values
		state store.DestinationState
		says  string
	}{
		{url.Values{"state": {"paused"}, "reason": {"the CRM moves"}}, store.DestinationPaused, "0 wait by now"},
		{url.Values{"state": {"paused"}}, store.DestinationPaused, "already"},
		{url.Values{"state": {"active"}}, store.DestinationActive, "Nothing was waiting"},
	} {
		ada.post("/destinations/crm-2/state", test.form)
		page := ada.show("/destinations/crm-2")
		if got := s.destination(t, "crm-2"); got.State != test.state || !strings.Contains(page.one(t, "[role=status]").text(), test.says) {
			t.Errorf("%v: %s, %q", test.form, got.State, page.one(t, "[role=status]").text())
		}
		if test.state == store.DestinationPaused && !strings.Contains(page.one(t, "[role=note]").text(), "the CRM moves") {
			t.Errorf("the page does not say why: %s", page.one(t, "[role=note]").text())
		}
	}
	if a := ada.post("/destinations/crm-2/state", url.Values{"state": {"broken"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("broken by hand: %s", a.Status)
	}
	_, err := s.db.SetDestinationState(t.Context(), got.ID, store.DestinationBroken, "it answers 500")
	must(t, err)
	if text := ada.show("/destinations/crm-2").one(t, "[role=note]").text(); !strings.Contains(text, "Broken") || !strings.Contains(text, "it answers 500") {
		t.Errorf("broken: %q", text)
	}
	ada.show("/destinations/crm-2/remove")
	if a := ada.post("/destinations/crm-2/remove", url.Values{"reason": {"gone"}}); a.Header.Get("Location") != "/destinations" || ada.get("/destinations/crm-2").StatusCode != http.StatusNotFound {
		t.Errorf("removed: %s", a.Status)
	}
	text := s.audit(t)
	for _, want := range []string{"destination.set", "destination.pause", "destination.resume", "destination.remove", "the CRM moves", `"after":"crm-2","before":"crm"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit list does not hold %s", want)
		}
	}
	if strings.Contains(text, "s3cret") {
		t.Error("a secret is in the audit list")
	}
}

// A secret that was made is shown once, to whoever made it, and again only with a reason.
func TestDestinationSigningSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	s.addUser(t, "eve", store.RoleAdmin)
	ada, eve := s.as(t, "ada"), s.as(t, "eve")
	a := ada.post("/destinations", destinationForm(url.Values{"signing": {"standard-webhooks"}}))
	key := s.destination(t, "bus").Secrets[0].Key
	if a.Header.Get("Location") != "/destinations/bus/reveal?made=1" || !strings.HasPrefix(key, "whsec_") {
		t.Fatalf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	for name, test := range map[string]struct {
		v     *visitor
		shown bool
	}{"another admin": {eve, false}, "who made it": {ada, true}} {
		if a := test.v.get("/destinations/bus/reveal?made=1"); strings.Contains(a.body, key) != test.shown || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: shown is %v", name, !test.shown)
		}
	}
	if a := ada.get("/destinations/bus/reveal?made=1"); strings.Contains(a.body, key) {
		t.Error("it is shown twice")
	}
	if a := ada.post("/destinations/bus/reveal", url.Values{}); a.StatusCode != http.StatusUnprocessableEntity || strings.Contains(a.body, key) {
		t.Errorf("without a reason: %s", a.Status)
	}
	if a := ada.post("/destinations/bus/reveal", url.Values{"reason": {"to enter it"}}); !strings.Contains(a.body, key) || !strings.Contains(s.audit(t), "destination.reveal") {
		t.Errorf("with a reason: %s", a.Status)
	}

	if a := ada.post("/destinations/bus/secret", url.Values{"overlap": {"12h"}}); a.Header.Get("Location") != "/destinations/bus/reveal?made=1" {
		t.Fatalf("changed: %s: %s", a.Status, a.page().one(t, "main").text())
	}
	d := s.destination(t, "bus")
	if len(d.Secrets) != 2 || d.Secrets[0].Key != key || d.Secrets[0].Until.Sub(d.Secrets[1].MadeAt) != 12*time.Hour {
		t.Errorf("%+v", d.Secrets)
	}
	if body := ada.get("/destinations/bus/reveal?made=1").body; !strings.Contains(body, d.Secrets[1].Key) || strings.Contains(body, key) {
		t.Error("it does not show the new one, and it alone")
	}
	if text := ada.show("/destinations/bus").one(t, "[aria-labelledby=signing-title]").text(); !strings.Contains(text, "signs too") || !strings.Contains(text, "until 20") {
		t.Errorf("the page says %q", text)
	}
	for form, says := range map[string]string{"secret=s3cret&overlap=1h": "none of Standard Webhooks", "overlap=-1h": "between 0", "overlap=x": "no length of time", "secret=" + url.QueryEscape(key) + "&overlap=1h": "already"} {
		values, _ := url.ParseQuery(form)
		a := ada.post("/destinations/bus/secret", values)
		if text := a.page().one(t, "[role=alert]").text(); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, says) || strings.Contains(a.body, key) {
			t.Errorf("%s: %s, %q", says, a.Status, text)
		}
	}
	if a := ada.post("/destinations/bus/secret", url.Values{"drop": {"true"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("dropped: %s", a.Status)
	}
	if a := ada.post("/destinations/crm/secret", url.Values{"secret": {"s3cret-own"}}); a.Header.Get("Location") != "/destinations/crm" || s.destination(t, "crm").Secrets[0].Key != "s3cret-own" {
		t.Errorf("an own one for plenigo: %s", a.Status)
	}
	if a := ada.post("/destinations/crm/secret", url.Values{"drop": {"true"}}); a.StatusCode != http.StatusSeeOther || len(s.destination(t, "crm").Secrets) != 0 {
		t.Errorf("dropped: %s", a.Status)
	}
	if a := ada.get("/destinations/crm/reveal"); a.StatusCode != http.StatusNotFound {
		t.Errorf("nothing to reveal: %s", a.Status)
	}
	if text := s.audit(t); strings.Contains(text, "whsec_") || strings.Contains(text, "s3cret") {
		t.Errorf("a secret is in the audit list: %s", text)
	}
}

func TestDestinationIsTested(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anna := s.as(t, "anna")
	s.tried.trial = store.Trial{Body: []byte(`{"entityType":"RECALL_TEST"}`), Attempt: store.Attempt{
		Status: 200, Duration: 30 * time.Millisecond, RequestHeader: http.Header{"Recall-Test": {"true"}, "X-Crm-Token": {"(kept secret)"}},
		ResponseHeader: http.Header{"X-Seen": {"<b>"}}, ResponseBody: []byte("<script>\x00 thanks"),
	}}
	for _, test := range []struct {
		status int
		words  string
		says   []string
	}{
		{200, "", []string{"200 OK", "It was taken", "RECALL_TEST", "Recall-Test", "X-Seen: <b>", "<script>U+0000 thanks"}},
		{500, "", []string{"500 Internal Server Error", "did not take it"}},
		{0, "not sent: 10.0.0.1:443 is a private address (10.0.0.0/8), and RECALL_EGRESS_ALLOW does not name it", []string{"no answer", "RECALL_EGRESS_ALLOW"}},
	} {
		s.tried.trial.Status, s.tried.trial.Error = test.status, test.words
		a := anna.post("/destinations/crm/test", url.Values{})
		text := a.page().one(t, "main").text()
		for _, want := range test.says {
			if a.StatusCode != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("%d: %s; it does not say %q: %s", test.status, a.Status, want, text)
			}
		}
	}
	if entries, err := s.db.ListAudit(t.Context(), "crm", 10); err != nil || len(entries) != 3 || entries[0].Action != "destination.test" || entries[0].Actor != "anna" || entries[2].Detail["status"] != 200.0 {
		t.Errorf("%+v, %v", entries, err)
	}
	s.tried.err = errors.New("there is no source with a secret")
	if a := anna.post("/destinations/crm/test", url.Values{}); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.page().one(t, "main").text(), "no source with a secret") {
		t.Errorf("%s", a.Status)
	}
}

// gaveUp makes a delivery of a new event that was given up.
func (s *site) gaveUp(t testing.TB, status int, words string) *store.Event {
	t.Helper()
	e := s.record(t, customerBody, func(e *store.Event) { e.Body = append(e.Body, ' ') })
	id := uuid.Must(uuid.NewV7())
	_, err := s.db.Pool().Exec(t.Context(), `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, attempts, created_at, finished_at, last_status, last_error, next_attempt_at)
		VALUES ($1, $2, $3, 'automatic', 'exhausted', 1, now(), now(), nullif($4, 0), $5, NULL)`, e.ID, id, s.crm.ID, status, words)
	must(t, err)
	_, err = s.db.Pool().Exec(t.Context(), `
		INSERT INTO attempts (event_id, delivery_id, number, started_at, duration_ms, request_url, request_header, status, error)
		VALUES ($1, $2, 1, now(), 5, '', '', nullif($3, 0), $4)`, e.ID, id, status, words)
	must(t, err)
	return e
}

func TestExhaustedDeliveries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anna := s.as(t, "anna")
	if text := anna.show("/exhausted").one(t, "main").text(); !strings.Contains(text, "Nothing was given up") {
		t.Errorf("empty: %q", text)
	}
	const words = "could not connect to <b>:443"
	first, second := s.gaveUp(t, 500, ""), s.gaveUp(t, 500, "")
	other := s.gaveUp(t, 0, words)
	if text := anna.show("/destinations").one(t, "main").text(); !strings.Contains(text, "3 deliveries were given up") {
		t.Errorf("the list says %q", text)
	}
	if text := anna.show("/destinations/crm").one(t, "main").text(); !strings.Contains(text, "0 of its last 3 deliveries succeeded") || !strings.Contains(text, "500 Internal Server Error") {
		t.Errorf("the destination's page says %q", text)
	}
	page := anna.show("/exhausted?destination=crm")
	if text := page.one(t, "main").text(); !strings.Contains(text, "It answered 500 Internal Server Error.") || !strings.Contains(text, "Could not connect to <b>:443.") || !strings.Contains(text, "Send all 2 again") {
		t.Errorf("the page says %q", text)
	}
	if text := anna.show("/exhausted?destination=other").one(t, "main").text(); !strings.Contains(text, "Nothing was given up") {
		t.Errorf("of another: %q", text)
	}

	group := func(status, words, reason string) url.Values {
		return url.Values{"group": {page.all("[name=group]")[0].attr("value")}, "status": {status}, "error": {words}, "reason": {reason}, "only": {"crm"}}
	}
	for name, form := range map[string]url.Values{"no reason": group("500", "", " "), "no status": group("", "", "mended"), "no group": {"status": {"500"}, "reason": {"mended"}}} {
		if a := anna.post("/exhausted/redispatch", form); a.StatusCode != http.StatusBadRequest || len(s.sent.asked()) != 0 {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	s.addUser(t, "vera", store.RoleViewer)
	if a := s.as(t, "vera").post("/exhausted/redispatch", group("500", "", "mended")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: %s", a.Status)
	}
	if a := anna.post("/exhausted/redispatch", group("500", "", "mended")); a.Header.Get("Location") != "/exhausted?destination=crm" {
		t.Fatalf("%s: %s", a.Status, a.page().one(t, "main").text())
	}
	asked := s.sent.asked()
	if len(asked) != 2 || asked[0] != (store.Redispatch{EventID: first.ID, Destination: "crm", By: "anna", Reason: "mended"}) || asked[1].EventID != second.ID {
		t.Errorf("asked for %+v", asked)
	}
	page = anna.show("/exhausted")
	if text := page.one(t, "main").text(); !strings.Contains(text, "2 events are being sent again to crm.") || strings.Contains(text, "answered 500") || !strings.Contains(text, "1 delivery was given up") {
		t.Errorf("afterwards: %q", text)
	}

	if a := anna.post("/exhausted/let-go", group("0", words, "")); a.StatusCode != http.StatusBadRequest {
		t.Errorf("without a reason: %s", a.Status)
	}
	anna.post("/exhausted/let-go", group("0", words, "the customer is gone"))
	if text := anna.show("/exhausted").one(t, "main").text(); !strings.Contains(text, "1 delivery is let go") || !strings.Contains(text, "Nothing was given up") {
		t.Errorf("let go: %q", text)
	}
	if list, err := s.db.ListDeliveries(t.Context(), other.ID); err != nil || list[0].State != store.DeliveryCancelled {
		t.Errorf("%+v, %v", list, err)
	}
	if entries, err := s.db.ListAudit(t.Context(), "crm", 10); err != nil || entries[0].Action != "delivery.let_go" || entries[0].Reason != "the customer is gone" || entries[0].Detail["deliveries"] != 1.0 {
		t.Errorf("%+v, %v", entries, err)
	}

	s.gaveUp(t, 410, "")
	_, err := s.db.SetDestinationState(t.Context(), s.crm.ID, store.DestinationPaused, "it answered 410 Gone")
	must(t, err)
	if a := anna.post("/exhausted/redispatch", group("410", "", "mended")); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.page().one(t, "main").text(), "is paused") {
		t.Errorf("paused: %s", a.Status)
	}
	if text := anna.show("/exhausted").one(t, "main").text(); !strings.Contains(text, "It is paused: It answered 410 Gone. Nothing is sent to it until somebody resumes it") || !strings.Contains(text, "may resume it") {
		t.Errorf("paused: %q", text)
	}
	s.addUser(t, "ada", store.RoleAdmin)
	ada := s.as(t, "ada")
	resume := ada.show("/exhausted").one(t, ".notice form button")
	if a := ada.post("/destinations/crm/state", url.Values{resume.attr("name"): {resume.attr("value")}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("resume: %s", a.Status)
	}
	if text := anna.show("/exhausted").one(t, "main").text(); strings.Contains(text, "It is paused") || !strings.Contains(text, "Send all 1 again") {
		t.Errorf("resumed: %q", text)
	}
	_, err = s.db.BreakDestination(t.Context(), s.crm.ID, "10 attempts in a row failed", time.Now(), store.AuditEntry{Actor: "recall", Action: "destination.break", Subject: "crm"})
	must(t, err)
	if text := ada.show("/exhausted").one(t, "main").text(); !strings.Contains(text, "It is broken: 10 attempts in a row failed.") || !strings.Contains(text, "send a test request") || strings.Contains(text, "Resume it") {
		t.Errorf("broken: %q", text)
	}
	must(t, s.db.RemoveDestination(t.Context(), "crm"))
	if got := anna.show(anna.show("/exhausted").one(t, ".notice a").attr("href")).one(t, "#q").attr("value"); got != "delivery:crm/exhausted" {
		t.Errorf("a replay of what a removed one did not get: %q", got)
	}
	if text := anna.show("/exhausted").one(t, "main").text(); !strings.Contains(text, "removed") || !strings.Contains(text, "Let all 1 go") || strings.Contains(text, "Send all") {
		t.Errorf("removed: %q", text)
	}
	if a := anna.post("/exhausted/redispatch", group("410", "", "mended")); a.StatusCode != http.StatusBadRequest {
		t.Errorf("removed: %s", a.Status)
	}
}

// The links of a destination's page lead to lists that can be shown.
func TestDestinationLinks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anna := s.as(t, "anna")
	v := newDestinationView(s.crm, openDeliveries{}, time.Now())
	for _, path := range []string{v.EventsURL, v.WaitingURL, v.ExhaustedURL, v.PageURL} {
		if page := anna.show(path); len(page.all("[role=alert]")) > 0 {
			t.Errorf("%s: %s", path, page.all("[role=alert]")[0].text())
		}
	}
	for rate, want := range map[float64]string{1: "1 attempt a second", 2.5: "2.5 attempts a second", 0.5: "1 attempt every 2 s", 0.001: "1 attempt every 16 min 40 s"} {
		if got := rateWords(rate); got != want {
			t.Errorf("%v: %q, want %q", rate, got, want)
		}
	}
	for to, want := range map[string]bool{
		"https://recall.example/callbacks/shop": true, "https://RECALL.example/callbacks/x?y": true, "https://recall.example/other": false,
		"https://crm.example/callbacks/shop": false, "://": false,
	} {
		if got := callsItself(to, "https://recall.example"); got != want {
			t.Errorf("%s: %v", to, got)
		}
	}
}
