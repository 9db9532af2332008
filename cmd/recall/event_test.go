package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"recall/dispatch"
	"recall/plenigo"
	"recall/receive"
	"recall/store"
)

// receiver starts a receiver and a dispatcher on the house, as serve does, and returns the receiver's URL.
func (h *house) receiver() string {
	h.t.Helper()
	ctx := h.t.Context()
	live, err := h.db.Live(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	dispatcher, err := dispatch.New(h.db, dispatch.Options{Live: live, EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Workers: 2})
	if err != nil {
		h.t.Fatal(err)
	}
	h.db.OnRecord(dispatcher.EnqueueTx)
	if err := dispatcher.Start(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { dispatcher.Stop(h.t.Context()) }) // breaks off what is under way
	handler, err := receive.NewHandler(receive.Options{Recorder: h.db, Sources: live})
	if err != nil {
		h.t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	h.t.Cleanup(server.Close)
	return server.URL
}

// events are the lines of event list --json.
func (h *house) events(args ...string) []store.EventJSON {
	h.t.Helper()
	r := h.run("", append([]string{"event", "list", "--json"}, args...)...)
	r.want(h.t, 0)
	var events []store.EventJSON
	for line := range strings.Lines(r.out) {
		var e store.EventJSON
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			h.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func TestCallbacksWholeWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	arrived := make(chan string, 100)
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, "taken\x1b[2J")
		arrived <- string(body)
	}))
	t.Cleanup(crm.Close)
	credentials := []string{"--secret", "topsecret", "--basic", "user:topsecret", "--header", "X-Shop: topsecret, too"}
	h.run("", append([]string{"source", "add", "--slug", "shop"}, credentials...)...).want(t, 0)
	h.run("", "destination", "add", "--name", "crm", "--url", crm.URL, "--header", "X-Crm: topsecret").want(t, 0)
	url := h.receiver()

	samples := plenigo.Samples()
	r := h.run("", append([]string{"simulate", "--to", url + "/callbacks/shop"}, credentials...)...)
	r.want(t, 0, fmt.Sprintf("%d callbacks sent, all answered 2xx.", len(samples)), " 200 verified 0")
	r = h.run("", append([]string{"simulate", "--to", url + "/callbacks/shop", "--type", "order.creation"}, append(credentials, "--secret-file", "-")[2:]...)...)
	r.want(t, 2, "--secret is empty")
	r = h.run("wrong", append([]string{"simulate", "--to", url + "/callbacks/shop", "--type", "order.creation", "--secret-file", "-"}, credentials[2:]...)...)
	r.want(t, 1, "order.creation", "401 rejected signature_mismatch 0", "1 of 1 callback was not accepted")
	h.run("", "simulate", "--to", url+"/callbacks/sohp", "--secret", "s", "--count", "1").want(t, 1, "404")

	events := h.events("verdict:verified")
	if len(events) != len(samples) {
		t.Fatalf("%d events, want %d", len(events), len(samples))
	}
	for i, e := range events {
		sample := samples[len(samples)-1-i] // newest first
		kind := strings.SplitN(sample.Name, ".", 3)
		if e.Source != "shop" || e.Signature != "valid" || e.Reason != "" || e.Answered != 200 || e.APIVersion != "20240827" || e.Size != int64(len(sample.Body)) ||
			!strings.EqualFold(e.EntityType, kind[0]) || !strings.EqualFold(e.CallbackType, kind[1]) || e.RepeatOf != nil || len(e.Deliveries) > 0 {
			t.Errorf("%s: %+v", sample.Name, e)
		}
		if raw := h.run("", "event", "raw", e.ID.String()); raw.status != 0 || raw.out != string(sample.Body) {
			t.Errorf("%s: %d %q", sample.Name, raw.status, raw.out)
		}
	}
	if rejected := h.events("verdict:rejected", "type:order.creation"); len(rejected) != 1 || rejected[0].Answered != 401 || rejected[0].Reason != "signature_mismatch" {
		t.Errorf("%+v", rejected)
	} else {
		h.run("", "event", "redispatch", rejected[0].ID.String(), "--to", "crm").want(t, 1, "rejected event was not proven genuine")
	}

	for text, want := range map[string]int{ // order.creation is there twice: once as a gift
		`verdict:verified type:order.creation after:2h customer:48213 "jurgen" weisshaupl`: 2, `"jurgen" -weisshaupl`: 0, `verdict:verified type:order.creation "Hinterhaus, 2. Stock"`: 2,
		`entity.invoiceAddress.city:münchen type:order.creation -verdict:rejected entity.accumulatedPrice:>9.98`: 2, "type:order.creation signature:mismatch delivery:none header.content-type:~json": 1,
	} {
		if found := h.events(text); len(found) != want {
			t.Errorf("%s: %d events", text, len(found))
		}
	}

	id := h.events("type:customer.creation", "customer:48377")[0].ID.String()
	h.run("", "event", "redispatch", id, "--to", "cmr").want(t, 1, `there is no destination "cmr"; there are crm`)
	r = h.run("", "event", "redispatch", id, "--to", "crm", "--reason", "CRM was down")
	r.want(t, 0, "is in the queue; a running recall serve sends it")
	delivery := strings.Fields(r.out)[1]
	if body := <-arrived; body != string(sampleNamed(t, "customer.creation").Body) {
		t.Errorf("the destination got %s", body)
	}
	h.settled(id)
	show := h.run("", "event", "show", id)
	show.want(t, 0, "customer.creation", "48377 at entityId", "20240827", "Verdict", "User and password are the ones of the source.",
		"Authorization: Basic (hidden)", "X-Shop: (hidden)", "Content-Type: application/json\n", "User-Agent: go-resty",
		delivery+" to crm, succeeded", "manual by "+actor()+": CRM was down", "attempt 1", "200 OK", "takenU+001B[2J", "\n  \"entity\": {\n")
	if strings.Contains(show.out, "topsecret") || strings.Contains(show.out, "dXNlcjp") {
		t.Error("a credential is shown")
	}
	if got := h.audited(id); got != "event.redispatch" {
		t.Errorf("audit list: %s", got)
	}
	h.run("", "event", "list", "id:"+id).want(t, 0, "customer.creation 48377", "48377", "shop", " 1/1 ", id)
}

// settled waits until no delivery of an event is under way.
func (h *house) settled(id string) {
	h.t.Helper()
	for range 1000 {
		e := h.events("id:" + id)[0]
		if e.Deliveries[store.DeliveryPending]+e.Deliveries[store.DeliverySending] == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatal("the delivery does not come to its end")
}

func TestHostileCallbacks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "s", "--observe").want(t, 0)
	url := h.receiver()
	bodies := map[string]string{
		"control":  `{"entityType":"\u001b]0;owned\u0007\u009b31m","callbackType":"\u202eABC","entityId":"` + strings.Repeat("9", 200) + `","entity":{"customerId":"\u001b[2J` + strings.Repeat("7", 200) + `","a":"` + "\u009b\u202e\xff" + `","n":18446744073709551616.50}}`,
		"not JSON": "\x1b[2J\x00\xff<script>\r\nsecond\tline",
		"deep":     strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"brackets": strings.Repeat("[", 1<<20),
		"empty":    "",
		"large":    strings.Repeat("x", 1<<20+1),
	}
	for name, body := range bodies {
		s := newSender(sender{URL: url + "/callbacks/shop", Secret: "s", APIVersion: "2024\u00ff"})
		a, err := s.send(t.Context(), plenigo.Sample{Body: []byte(body)}, fault{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		show := h.run("", "event", "show", a.Event.String())
		show.want(t, 0, "PAYLOAD")
		harmlessOnly(t, show.out)
		if len(show.out) > 3<<20 {
			t.Errorf("%s: %d bytes", name, len(show.out))
		}
		raw := h.run("", "event", "raw", a.Event.String())
		switch name {
		case "large":
			show.want(t, 0, "larger than the limit", "413 Request Entity Too Large")
			raw.want(t, 1, "larger than the limit")
			continue
		case "control":
			show.want(t, 0, `"n": 18446744073709551616.50`, "new: not in plenigo's table")
		case "not JSON":
			show.want(t, 0, `U+001B[2JU+0000\xFF<script>`+"\nsecond\tline")
		}
		if raw.out != body {
			t.Errorf("%s: %d bytes of %d came back", name, len(raw.out), len(body))
		}
	}
	list := h.run("", "event", "list")
	list.want(t, 0, "TIME (UTC)")
	harmlessOnly(t, list.out)
	for line := range strings.Lines(list.out) {
		if n := utf8.RuneCountInString(line) - 1; n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	lines := h.run("", "event", "list", "--json")
	harmlessOnly(t, lines.out)
	if got := len(h.events("--limit", "2")); got != 2 {
		t.Errorf("%d events", got)
	}
	h.run("", "event", "list", "--limit", "2").want(t, 0, "There are older ones")
}

func TestSentWord(t *testing.T) {
	t.Parallel()
	for want, counts := range map[string][]store.DeliveryCount{
		"-":    nil,
		"2/2":  {{State: store.DeliverySucceeded, Count: 2}},
		"1/2":  {{State: store.DeliverySucceeded, Count: 1}, {State: store.DeliveryWaiting, Count: 1}},
		"0/3!": {{State: store.DeliveryExhausted, Count: 1}, {State: store.DeliveryPending, Count: 2}},
	} {
		if got := sentWord(counts); got != want {
			t.Errorf("%v: %s, want %s", counts, got, want)
		}
	}
}

func harmlessOnly(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) || r == utf8.RuneError {
			t.Fatalf("%U is printed", r)
		}
	}
}

func TestEventWrongUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "event", "list").want(t, 0, "No event fulfils this.")
	if r := h.run("", "event", "list", "--json", "verdict:late"); r.status != 0 || r.out+r.errs != "" {
		t.Errorf("%+v", r)
	}
	unknown := "0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"
	for _, args := range [][]string{{"show", unknown}, {"raw", unknown}, {"redispatch", unknown, "--to", "crm"}} {
		h.run("", append([]string{"event"}, args...)...).want(t, 1, "there is no event "+unknown)
	}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"filter":          {[]string{"list", "source:shop", "verdict:wrong"}, "\"wrong\" is no verdict: it is verified, late or rejected.\n    source:shop verdict:wrong\n                        ^\n"},
		"no key":          {[]string{"list", "shop:1"}, `There is no key "shop"`},
		"limit":           {[]string{"list", "--limit", "10001"}, "--limit must be from 1 to 10000, not 10001"},
		"no limit":        {[]string{"list", "--limit", "0"}, "--limit must be from 1 to 10000, not 0"},
		"limit in words":  {[]string{"list", "--limit", "all"}, "--limit"},
		"id":              {[]string{"show", "17"}, `"17" is no event id`},
		"no id":           {[]string{"raw"}, "id"},
		"no destination":  {[]string{"redispatch", unknown}, "--to"},
		"very long story": {[]string{"redispatch", unknown, "--to", "crm", "--reason", strings.Repeat("x", 501)}, "--reason may have at most 500 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.run("", append([]string{"event"}, test.args...)...).want(t, 2, test.says)
		})
	}
	if events := h.events("--", "-verdict:rejected"); len(events) != 0 {
		t.Errorf("%+v", events)
	}
}
