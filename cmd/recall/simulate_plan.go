package main

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Bounds of a simulation.
const (
	maxRate        = 1_000_000
	maxConnections = 1000
	rateConns      = 16 // connections, where a rate is asked for
	defaultHour    = 2 * time.Second
	shortestHour   = time.Millisecond
)

// simulation makes the run that the flags describe. The error names the flag that is wrong.
func (c *simulateCmd) simulation(a *app) (*simulation, error) {
	samples, err := chooseSamples(c.Type)
	if err != nil {
		return nil, err
	}
	if err := c.paceFlags.check(); err != nil {
		return nil, err
	}
	r, err := c.repeatFlags.read()
	if err != nil {
		return nil, err
	}
	s, err := c.sender(a)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Tolerance <= 0:
		return nil, usagef("--tolerance must be longer than 0, not %s", c.Tolerance)
	case c.LateWindow < 0:
		return nil, usagef("--late-window must not be negative, and is %s; 0 turns late callbacks off", c.LateWindow)
	}
	given := map[string]bool{"--basic": s.Basic != nil, "--header": len(s.Headers) > 0}
	faults, err := parseFaults(c.Fault, given, c.LateWindow-c.Tolerance >= time.Minute)
	if err != nil {
		return nil, err
	}
	seed := rand.Uint64N(1e9)
	if c.Seed != nil {
		seed = *c.Seed
	}
	m := &simulation{
		sender: s, samples: samples, rate: value(c.Rate), duration: value(c.Duration), count: int64(value(c.Count)), connections: c.connections(),
		tolerance: c.Tolerance, lateWindow: c.LateWindow, faults: faults, repeats: r,
		random: rand.New(rand.NewPCG(seed, 0)), report: &report{Seed: seed}, now: a.now,
	}
	if m.count == 0 && m.duration == 0 {
		m.count = int64(len(samples))
	}
	m.send = m.post
	m.body = func(n int64) []byte { return samples[n%int64(len(samples))].Body }
	vary := m.count == 0 || m.count > int64(len(samples))
	if c.Vary != nil {
		vary = *c.Vary
	}
	if vary {
		m.body = newVariation(samples, rand.New(rand.NewPCG(seed, 1))).body
	}
	return m, nil
}

// value is what a flag says, zero where it was not given.
func value[T any](flag *T) T {
	if flag == nil {
		return *new(T)
	}
	return *flag
}

func (f paceFlags) check() error {
	switch {
	case f.Count != nil && *f.Count < 1:
		return usagef("--count must be more than 0, not %d", *f.Count)
	case f.Duration != nil && *f.Duration <= 0:
		return usagef("--duration must be longer than 0, not %s", *f.Duration)
	case f.Rate != nil && !(*f.Rate >= 0.001 && *f.Rate <= maxRate):
		return usagef("--rate must be from 0.001 to 1,000,000 callbacks a second, not %g", *f.Rate)
	case f.Connections != nil && (*f.Connections < 1 || *f.Connections > maxConnections):
		return usagef("--connections must be from 1 to %d, not %d", maxConnections, *f.Connections)
	}
	return nil
}

func (f paceFlags) connections() int {
	if f.Rate != nil {
		return cmp.Or(value(f.Connections), rateConns)
	}
	return cmp.Or(value(f.Connections), 1)
}

func (f repeatFlags) read() (repeats, error) {
	r := repeats{on: f.Repeats, hour: defaultHour, resign: f.Resign == nil || *f.Resign}
	for _, other := range []struct {
		flag  string
		given bool
	}{{"--hour", f.Hour != nil}, {"--repeats-from", f.RepeatsFrom != nil}, {"--resign", f.Resign != nil}, {"--lost-answers", f.LostAnswers != nil}} {
		if other.given && !f.Repeats {
			return r, usagef("%s says how callbacks are repeated; give --repeats with it", other.flag)
		}
	}
	if f.Hour != nil {
		r.hour = *f.Hour
	}
	if r.hour < shortestHour || r.hour > time.Hour {
		return r, usagef("--hour must last from %s to 1h, not %s", shortestHour, r.hour)
	}
	if f.RepeatsFrom != nil {
		switch *f.RepeatsFrom {
		case "first":
		case "previous":
			r.fromPrevious = true
		default:
			return r, usagef("--repeats-from must be first or previous, not %q", *f.RepeatsFrom)
		}
	}
	if f.LostAnswers != nil {
		share, err := parseShare(*f.LostAnswers)
		if err != nil {
			return r, usagef("--lost-answers: %v", err)
		}
		r.lost = share
	}
	return r, nil
}

// sender makes the sender that the flags describe.
func (c *simulateCmd) sender(a *app) (*sender, error) {
	if c.To == "" {
		return nil, usagef("--to is missing: the callback URL of a source, such as http://127.0.0.1:8080/callbacks/shop")
	}
	if err := checkURL("--to", c.To); err != nil {
		return nil, err
	}
	r := secretReader{in: a.in}
	secret, given, err := c.secretFlags.read(&r)
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, usagef("--secret or --secret-file is missing: the secret that the source at %s has", c.To)
	}
	basic, headers, err := c.credentialFlags.read(&r)
	if err != nil {
		return nil, err
	}
	if headers, err := parseHeaders("--api-version", []string{"X: " + c.APIVersion}); err != nil || headers[0].Value == "" {
		return nil, usagef("--api-version %q cannot stand in a header; it is a date such as %s", c.APIVersion, defaultAPIVersion)
	}
	return newSender(sender{URL: c.To, Secret: secret, Basic: basic, Headers: headers, APIVersion: c.APIVersion, Now: a.now, Kept: c.connections()}), nil
}
