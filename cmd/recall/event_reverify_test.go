package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Callbacks come for a while to a source whose secret was mistyped; it is mended, and nothing is lost.
func TestReverify(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var arrived atomic.Int64
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived.Add(1)
	}))
	t.Cleanup(crm.Close)
	h.run("", "source", "add", "--slug", "shop", "--secret", "topsecret mistyped").want(t, 0)
	h.run("", "destination", "add", "--name", "crm", "--url", crm.URL, "--match", "").want(t, 0)
	url := h.receiver() // from here on serve's part is done in this process, but for re-verifying
	h.run("", "simulate", "--to", url+"/callbacks/shop", "--secret", "topsecret", "--type", "order.creation", "--type", "customer.creation", "--type", "invoice.change", "--count", "3").
		want(t, 1, "401 rejected signature_mismatch")
	id := h.events("verdict:rejected")[0].ID.String()

	h.run("", "event", "show", id).want(t, 0, "WHY, BY TODAY'S SETTINGS", "Cause", "made by no secret known here", "Digest", "Tried, and does not fit:")
	h.run("", "event", "redispatch", id, "--to", "crm").want(t, 1, "re-verify it")
	h.run("", "event", "reverify", id, "--release").want(t, 0, "was rejected (signature_mismatch), and is rejected (signature_mismatch) by today's settings", "event show "+id)

	h.run("topsecret", "source", "set", "shop", "--secret", "-").want(t, 0)
	h.run("", "event", "reverify", "--filter", "source:shop").want(t, 0, "Genuine by today's settings      3", "Nothing was changed", "--yes")
	if events := h.events("verdict:rejected"); len(events) != 3 || events[0].Reverified == nil || *events[0].Reverified != "rejected" || events[1].Reverified != nil {
		t.Errorf("counting changed something: %+v", events)
	}
	h.run("", "event", "reverify", id, "--reason", "the secret was mistyped").want(t, 0, "is verified by today's settings")
	h.run("", "event", "reverify", "--filter", "source:shop", "--release", "--yes", "--reason", "the secret was mistyped").
		want(t, 0, "Genuine and not sent on yet      3", "Done: 3 checked again, 3 genuine, 0 still rejected, 3 released")
	h.run("", "event", "reverify", id, "--release").want(t, 0, "not sent on, since this callback was already")
	for _, e := range h.events("verdict:rejected") {
		if h.settled(e.ID.String()); e.Reverified == nil || *e.Reverified != "verified" {
			t.Errorf("listed: %+v", e)
		}
	}
	if n := arrived.Load(); n != 3 {
		t.Errorf("%d callbacks arrived", n)
	}
	r := h.run("", "event", "show", id)
	r.want(t, 0, "RE-VERIFIED", "released", "DELIVERIES", "succeeded")
	if strings.Contains(r.out, "topsecret") {
		t.Error("a secret is shown")
	}
	h.run("", "event", "redispatch", id, "--to", "crm").want(t, 0, "in the queue")
	if got := h.audited(id); got != "event.reverify event.reverify event.reverify event.redispatch" {
		t.Errorf("audit list: %s", got)
	}
	if got := h.audited("run 2"); got != "reverify.plan reverify.start" {
		t.Errorf("audit list of the run: %s", got)
	}
}

func TestReverifyOfNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "topsecret").want(t, 0)
	url := h.receiver()
	h.run("", "simulate", "--to", url+"/callbacks/shop", "--secret", "topsecret", "--count", "1").want(t, 0)
	id := h.events()[0].ID.String()
	h.run("", "event", "reverify", id).want(t, 1, "was verified when it came")
	h.run("", "event", "reverify", "--filter", "", "--yes").want(t, 0, "finds no event that was rejected or late")
	if got := h.audited("run 1"); got != "reverify.plan reverify.cancel" {
		t.Errorf("audit list of the run: %s", got)
	}
	if r := h.run("", "event", "show", id); strings.Contains(r.out, "WHY") || strings.Contains(r.out, "RE-VERIFIED") {
		t.Errorf("a verified event is explained:\n%s", r.out)
	}
}

func TestReverifyWrongUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const id = "0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"
	for says, args := range map[string][]string{
		"name an event by its id, or many":     {},
		"not both":                             {id, "--filter", "source:shop"},
		"--yes belongs to --filter":            {id, "--yes"},
		"is no event id":                       {"12"},
		`--filter: There is no key "nonsense"`: {"--filter", "nonsense:1"},
		"--reason may have at most":            {id, "--reason", strings.Repeat("ü", 501)},
	} {
		h.run("", append([]string{"event", "reverify"}, args...)...).want(t, 2, says)
	}
	h.run("", "event", "reverify", id).want(t, 1, "there is no event "+id)
}

func TestOnlyYesIsYes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"yes\n": true, " YES \r\n": true, "yes": true, "y\n": false, "\n": false, "": false, "no\nyes\n": false} {
		if got := saysYes(strings.NewReader(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// The cause is named, in words and as a code; the fields of old stay.
func TestVerifyNamesTheCause(t *testing.T) {
	t.Parallel()
	body := string(sampleNamed(t, "customer.creation").Body)
	args := []string{"verify", "--secret", exampleSecret, "--header", "plenigo-signature: " + exampleSignature, "--now", fmt.Sprint(time.Unix(1729583536, 0).Unix())}
	command(t, body+"\n", args...).want(t, 1, "rejected (signature_mismatch)", "Cause", "line break", "Received", "Digest", "The signed text")
	r := command(t, body+"\n", append(args, "--json")...)
	r.want(t, 1)
	var got struct {
		Accepted    *bool
		Explanation []struct{ Name, Words string }
		Cause       string
		Finding     struct{ Words, Do string }
		Signed      struct{ Size int }
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Accepted == nil || *got.Accepted || len(got.Explanation) < 5 || got.Cause != "body_newline" || got.Finding.Words == "" || got.Finding.Do == "" || got.Signed.Size != len("1729583536.")+len(body)+1 {
		t.Errorf("got %s", r.out)
	}
	command(t, body, args...).want(t, 0, "verified", "these settings accept it")
}
