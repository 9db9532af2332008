package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// eventsOf are the events whose ids stand at the end of the lines of simulate, in their order.
func (h *house) eventsOf(r result) []*store.Event {
	h.t.Helper()
	var events []*store.Event
	for line := range strings.Lines(r.out) {
		words := strings.Fields(line)
		if len(words) == 0 {
			break // the summary
		}
		id, err := uuid.Parse(words[len(words)-1])
		if err != nil {
			break
		}
		e, err := h.db.FindEvent(h.t.Context(), id)
		if err != nil {
			h.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// shopHouse has a source that asks for everything, and a receiver for it.
func shopHouse(t *testing.T) (h *house, args []string) {
	t.Helper()
	h = newHouse(t)
	credentials := []string{"--secret", "s", "--basic", "user:pass", "--header", "X-Shop: tea", "--header", "X-Till: 1"}
	h.run("", append([]string{"source", "add", "--slug", "shop"}, credentials...)...).want(t, 0)
	return h, append([]string{"simulate", "--to", h.receiver() + "/callbacks/shop"}, credentials...)
}

func TestEveryFaultInTheStore(t *testing.T) {
	t.Parallel()
	h, args := shopHouse(t)
	const valid, mismatch, missing, malformed = verify.Valid, verify.Mismatch, verify.Missing, verify.Malformed
	wants := map[string]verify.Result{
		"none":                {Verdict: verify.Verified, Signature: valid, Basic: valid, Header: valid},
		"wrong-secret":        {Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch, Signature: mismatch, Basic: valid, Header: valid},
		"stale":               {Verdict: verify.Late, Reason: verify.ReasonSignatureExpired, Signature: verify.Expired, Basic: valid, Header: valid},
		"expired":             {Verdict: verify.Rejected, Reason: verify.ReasonSignatureExpired, Signature: verify.Expired, Basic: valid, Header: valid},
		"future":              {Verdict: verify.Rejected, Reason: verify.ReasonSignatureFuture, Signature: verify.Future, Basic: valid, Header: valid},
		"altered-body":        {Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch, Signature: mismatch, Basic: valid, Header: valid},
		"missing-signature":   {Verdict: verify.Rejected, Reason: verify.ReasonSignatureMissing, Signature: missing, Basic: valid, Header: valid},
		"doubled-signature":   {Verdict: verify.Rejected, Reason: verify.ReasonSignatureMalformed, Signature: malformed, Basic: valid, Header: valid},
		"malformed-signature": {Verdict: verify.Rejected, Reason: verify.ReasonSignatureMalformed, Signature: malformed, Basic: valid, Header: valid},
		"wrong-basic":         {Verdict: verify.Rejected, Reason: verify.ReasonBasicMismatch, Signature: valid, Basic: mismatch, Header: valid},
		"missing-basic":       {Verdict: verify.Rejected, Reason: verify.ReasonBasicMissing, Signature: valid, Basic: missing, Header: valid},
		"wrong-header":        {Verdict: verify.Rejected, Reason: verify.ReasonHeaderMismatch, Signature: valid, Basic: valid, Header: mismatch},
		"missing-header":      {Verdict: verify.Rejected, Reason: verify.ReasonHeaderMissing, Signature: valid, Basic: valid, Header: missing},
	}
	for i, kind := range faultKinds {
		t.Run(kind.name, func(t *testing.T) {
			flags := []string{"--count", "2", "--vary", "--seed", fmt.Sprint(i), "--type", "customer.creation"}
			if i > 0 {
				flags = append(flags, "--fault", kind.name+"=100%")
			}
			r := command(t, "", append(args, flags...)...)
			r.want(t, 0)
			events := h.eventsOf(r)
			if len(events) != 2 {
				t.Fatalf("%d events", len(events))
			}
			want := wants[kind.name]
			status := http.StatusOK
			if !want.Accepted() {
				status = http.StatusUnauthorized
			}
			for _, e := range events {
				got := e.Verification
				if got.Verdict != want.Verdict || got.Reason != want.Reason || got.Signature != want.Signature || got.Basic != want.Basic || got.Header != want.Header {
					t.Errorf("got %+v, want %+v", got, want)
				}
				if e.Answered != status || e.Arrival != 1 {
					t.Errorf("answered %d, arrival %d", e.Answered, e.Arrival)
				}
			}
			if i > 0 {
				r.want(t, 0, kind.name, strings.TrimSpace(string(want.Verdict)+" "+string(want.Reason)), "All answers were as expected.")
			}
		})
	}
}

func TestExpected(t *testing.T) {
	t.Parallel()
	type callback struct {
		answer answer
		err    error
	}
	good, faulty := expected{Verdict: verify.Verified}, expected{verify.Rejected, verify.ReasonSignatureMismatch}
	late := expected{verify.Late, verify.ReasonSignatureExpired}
	for name, test := range map[string]struct {
		want expected
		got  callback
		met  bool
	}{
		"good, accepted":               {good, callback{answer{Status: 200, Verdict: verify.Verified}, nil}, true},
		"good, accepted by another":    {good, callback{answer{Status: 204}, nil}, true},
		"good, refused":                {good, callback{answer{Status: 401, Verdict: verify.Rejected}, nil}, false},
		"good, observed":               {good, callback{answer{Status: 200, Verdict: verify.Rejected}, nil}, false},
		"good, unanswered":             {good, callback{answer{}, http.ErrHandlerTimeout}, false},
		"late, accepted":               {late, callback{answer{Status: 200, Verdict: verify.Late}, nil}, true},
		"late, refused":                {late, callback{answer{Status: 401}, nil}, false},
		"faulty, refused":              {faulty, callback{answer{Status: 401, Verdict: verify.Rejected}, nil}, true},
		"faulty, observed":             {faulty, callback{answer{Status: 200, Verdict: verify.Rejected}, nil}, true},
		"faulty, accepted":             {faulty, callback{answer{Status: 200, Verdict: verify.Verified}, nil}, false},
		"faulty, accepted by another":  {faulty, callback{answer{Status: 200}, nil}, false},
		"faulty, refused by another":   {faulty, callback{answer{Status: 403}, nil}, true},
		"faulty, nobody was there":     {faulty, callback{answer{Status: 503}, nil}, false},
		"faulty, nobody had time":      {faulty, callback{answer{Status: 429}, nil}, false},
		"faulty, unanswered":           {faulty, callback{answer{}, http.ErrHandlerTimeout}, false},
		"faulty, sent somewhere else":  {faulty, callback{answer{Status: 302}, nil}, false},
		"faulty, accepted as if stale": {faulty, callback{answer{Status: 200, Verdict: verify.Late}, nil}, false},
	} {
		if met := test.want.met(test.got.answer, test.got.err); met != test.met {
			t.Errorf("%s: %v", name, met)
		}
	}
}

func FuzzShare(f *testing.F) {
	for _, text := range []string{"5%", "0.0001%", "100%", "1e1%", "-1%", "%", "", "Inf%", "0x1p-2%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		share, err := parseShare(text)
		if err == nil && (share < 1 || share > whole) || err != nil && share != 0 {
			t.Errorf("%q is %d, %v", text, share, err)
		}
	})
}
