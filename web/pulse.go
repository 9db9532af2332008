package web

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"recall/plenigo"
)

const (
	pulseFresh = 10 * time.Second
	pulseTime  = 2 * time.Second // it may take; no page waits longer for what stands beside it
)

// pulse is what every page tells beside its own matter: whether something needs somebody. It is looked up once in a while
// for all pages together.
type pulse struct {
	At       time.Time
	Open     int       // failure groups, 100 at most
	Alerts   int       // open ones that nobody has acknowledged, 100 at most
	Erasures int       // cases that wait for people
	Guards   []guard   // those of sources that had failures of late, the nearest to its end first
	Counts   time.Time // when the counts were last complete; zero: unknown
}

// pulses keeps the last one.
type pulses struct {
	mu      sync.Mutex // held while it is looked up
	current struct {
		sync.RWMutex
		pulse
	}
}

func (p *pulses) get() pulse {
	p.current.RLock()
	defer p.current.RUnlock()
	return p.current.pulse
}

func (p *pulses) set(now pulse) {
	p.current.Lock()
	defer p.current.Unlock()
	p.current.pulse = now
}

// forget makes the next page look anew.
func (p *pulses) forget() { p.set(pulse{}) }

// pulse returns the last one, or looks anew where that is old. One page looks; others meanwhile take the old one. When it
// cannot be found out the page goes without: whatever is wrong shows on the page itself.
func (s *server) pulse(r *http.Request) pulse {
	last := s.pulses.get()
	if age := s.Now().Sub(last.At); age >= 0 && age < pulseFresh || !s.pulses.mu.TryLock() {
		return last
	}
	defer s.pulses.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pulseTime)
	defer cancel()
	found, err := s.findPulse(ctx)
	if err != nil {
		s.Log.Debug("looking at the failures for the head of a page", "error", err)
		found = last
		found.At = s.Now()
	}
	s.pulses.set(found)
	return found
}

func (s *server) findPulse(ctx context.Context) (pulse, error) {
	p := pulse{At: s.Now()}
	var err error
	if p.Open, err = s.DB.CountOpenFailures(ctx); err != nil {
		return p, err
	}
	if _, p.Alerts, err = s.DB.OpenAlerts(ctx); err != nil {
		return p, err
	}
	if p.Counts, err = s.DB.CountedAt(ctx); err != nil {
		return p, err
	}
	if p.Erasures, err = s.DB.CountErasuresWaiting(ctx); err != nil {
		return p, err
	}
	sources, err := s.DB.ListSources(ctx)
	if err != nil {
		return p, fmt.Errorf("listing sources: %w", err)
	}
	answered, err := s.DB.ListAnswered(ctx, guardDays, plenigo.FailuresADay)
	if err != nil {
		return p, err
	}
	p.Guards = guards(sources, answered, p.At)
	return p, nil
}

// guardOf is a source's guard; none where nothing is known.
func (p pulse) guardOf(source sourceView) []guard {
	for _, g := range p.Guards {
		if g.Slug == source.Slug {
			return []guard{g}
		}
	}
	if p.Counts.IsZero() {
		return nil
	}
	return []guard{{
		Name: source.Name, Slug: source.Slug, URL: source.URL, Failures: failureQuery{Source: source.Slug}.url(), Tone: toneGood,
		Says: "No request of today was answered other than 2xx.",
	}}
}
