package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"recall/plenigo"
	"recall/verify"
)

// faultKind is what is wrong with a callback, and with each of its repeats. The first of faultKinds is nothing.
type faultKind struct {
	name   string
	reason verify.Reason // what Recall says of it; "": that follows from the age of its t
	needs  string        // the flag without which it cannot be
	change func(s *simulation, s2 *sender, f *fault, body []byte)
}

var faultKinds = []faultKind{
	{name: "none"},
	{name: "wrong-secret", reason: verify.ReasonSignatureMismatch, change: func(_ *simulation, s *sender, f *fault, _ []byte) {
		f.Secret = "wrong-" + s.Secret
	}},
	{name: "stale", change: func(m *simulation, _ *sender, f *fault, _ []byte) { f.SignedAt = f.SignedAt.Add(-m.staleAge()) }},
	{name: "expired", change: func(m *simulation, _ *sender, f *fault, _ []byte) { f.SignedAt = f.SignedAt.Add(-m.expiredAge()) }},
	{name: "future", change: func(m *simulation, _ *sender, f *fault, _ []byte) { f.SignedAt = f.SignedAt.Add(m.ahead()) }},
	{name: "altered-body", reason: verify.ReasonSignatureMismatch, change: func(_ *simulation, _ *sender, f *fault, body []byte) {
		f.Body = bytes.Replace(body, []byte("{"), []byte(`{"altered":true,`), 1)
	}},
	{name: "missing-signature", reason: verify.ReasonSignatureMissing, change: func(_ *simulation, _ *sender, f *fault, _ []byte) {
		f.Unsigned = true
	}},
	{name: "doubled-signature", reason: verify.ReasonSignatureMalformed, change: func(_ *simulation, _ *sender, f *fault, _ []byte) {
		f.Doubled = true
	}},
	{name: "malformed-signature", reason: verify.ReasonSignatureMalformed, change: func(_ *simulation, _ *sender, f *fault, _ []byte) {
		f.Malformed = true
	}},
	{name: "wrong-basic", reason: verify.ReasonBasicMismatch, needs: "--basic", change: func(_ *simulation, s *sender, _ *fault, _ []byte) {
		s.Basic = &verify.BasicAuth{User: s.Basic.User, Password: s.Basic.Password + "-wrong"}
	}},
	{name: "missing-basic", reason: verify.ReasonBasicMissing, needs: "--basic", change: func(_ *simulation, s *sender, _ *fault, _ []byte) {
		s.Basic = nil
	}},
	{name: "wrong-header", reason: verify.ReasonHeaderMismatch, needs: "--header", change: func(_ *simulation, s *sender, _ *fault, _ []byte) {
		s.Headers = slices.Clone(s.Headers)
		s.Headers[0].Value += "-wrong"
	}},
	{name: "missing-header", reason: verify.ReasonHeaderMissing, needs: "--header", change: func(_ *simulation, s *sender, _ *fault, _ []byte) {
		s.Headers = s.Headers[1:]
	}},
}

// Ages of a t that is wrong on purpose. They stay what they are through all of plenigo's repeats, also when those are not
// signed anew and a day older.
const (
	wellPast  = time.Hour
	wellAhead = 48 * time.Hour
)

func (m *simulation) staleAge() time.Duration {
	return m.tolerance + min(m.tolerance, (m.lateWindow-m.tolerance)/2)
}
func (m *simulation) expiredAge() time.Duration { return max(m.tolerance, m.lateWindow) + wellPast }
func (m *simulation) ahead() time.Duration      { return m.tolerance + wellAhead }

// post sends one try of a callback with its fault, its t being at where nothing is wrong with it.
func (m *simulation) post(ctx context.Context, c *callback, at time.Time) (answer, error) {
	sample := plenigo.Sample{Body: m.body(c.n)}
	s, f := *m.sender, fault{SignedAt: at}
	if change := faultKinds[c.fault].change; change != nil {
		change(m, &s, &f, sample.Body)
	}
	return s.send(ctx, sample, f)
}

// expected is what Recall should say.
type expected struct {
	Verdict verify.Verdict
	Reason  verify.Reason
}

func (e expected) String() string {
	return strings.TrimSpace(string(e.Verdict) + " " + string(e.Reason))
}

// expect tells what Recall should say of a callback with this fault whose t was true so long ago: the signature comes
// before the other authentication.
func (m *simulation) expect(kind int, age time.Duration) expected {
	reason := faultKinds[kind].reason
	if strings.HasPrefix(string(reason), "signature_") {
		return expected{verify.Rejected, reason}
	}
	switch faultKinds[kind].name {
	case "stale":
		age += m.staleAge()
	case "expired":
		age += m.expiredAge()
	case "future":
		age -= m.ahead()
	}
	switch {
	case age < -m.tolerance:
		return expected{verify.Rejected, verify.ReasonSignatureFuture}
	case age > m.tolerance && age > m.lateWindow:
		return expected{verify.Rejected, verify.ReasonSignatureExpired}
	case reason != "":
		return expected{verify.Rejected, reason}
	case age > m.tolerance:
		return expected{verify.Late, verify.ReasonSignatureExpired}
	}
	return expected{Verdict: verify.Verified}
}

// met tells whether an answer is the expected one: a good callback must be accepted, a faulty one must not be. A receiver
// other than Recall says so by its status alone; one that was too busy to look has not judged at all.
func (e expected) met(a answer, err error) bool {
	switch {
	case err != nil:
		return false
	case e.Verdict.Accepted():
		return a.ok() && a.Verdict != verify.Rejected // an observing source answers 2xx too
	case a.Verdict != "":
		return a.Verdict == verify.Rejected
	}
	return a.Status >= 400 && a.Status < 500 && a.Status != 408 && a.Status != 429
}

// whole is 100% as shares are counted.
const whole = 1_000_000

// shares are how many of a million callbacks have each kind of fault.
type shares []int

// parseFaults reads KIND=SHARE, each kind at most once and no more than 100% together.
func parseFaults(flags []string, given map[string]bool, stalePossible bool) (shares, error) {
	all := make(shares, len(faultKinds))
	sum := 0
	for _, flag := range flags {
		name, text, found := strings.Cut(flag, "=")
		kind := slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.name == name })
		switch {
		case !found:
			return nil, usagef("--fault: write %q as KIND=SHARE, such as wrong-secret=5%%", flag)
		case kind < 1:
			return nil, usagef("--fault: there is no kind %q; there are %s", name, strings.Join(faultNames(), ", "))
		case all[kind] > 0:
			return nil, usagef("--fault: %s is given twice", name)
		case faultKinds[kind].needs != "" && !given[faultKinds[kind].needs]:
			return nil, usagef("--fault: %s needs %s, the right one", name, faultKinds[kind].needs)
		case name == "stale" && !stalePossible:
			return nil, usagef("--fault: stale is older than --tolerance and within --late-window, and nothing lies between them")
		}
		share, err := parseShare(text)
		if err != nil {
			return nil, usagef("--fault %s: %v", name, err)
		}
		all[kind] = share
		if sum += share; sum > whole {
			return nil, usagef("--fault: the shares are more than 100%% together")
		}
	}
	return all, nil
}

func faultNames() []string {
	var names []string
	for _, k := range faultKinds[1:] {
		names = append(names, k.name)
	}
	return names
}

// parseShare reads a share such as 5% or 0.5%, to the ten-thousandth of a percent.
func parseShare(text string) (int, error) {
	number, found := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(number, 64)
	share := math.Round(percent * whole / 100)
	if !found || err != nil || !(share >= 1 && share <= whole) {
		return 0, fmt.Errorf("%q is not a share; write it in percent, more than 0%% and at most 100%%, such as 5%%", text)
	}
	return int(share), nil
}

// draw chooses a kind.
func (all shares) draw(random *rand.Rand) int {
	at := random.IntN(whole)
	for kind, share := range all {
		if at -= share; at < 0 {
			return kind
		}
	}
	return 0
}
