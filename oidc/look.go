package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Sight is what can be seen of a provider without logging in there.
type Sight struct {
	Issuer      string        // as it calls itself
	Skew        time.Duration // how far its clock is ahead of ours, to about a second
	Clock       bool          // it said what its clock shows
	Certificate time.Time     // when its certificate, or one that proves it, ends; zero: it speaks no TLS
	Keys        int           // that it signs with
	LogsOut     bool          // it announces a place to log out at
}

// Look asks the provider for its description and its keys, and keeps nothing of it.
func (p *Provider) Look(ctx context.Context) (s Sight, err error) {
	var told struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
		End    string `json:"end_session_endpoint"`
	}
	answer, err := p.ask(ctx, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration", &told)
	if err != nil {
		return s, err
	}
	s.Issuer, s.LogsOut = told.Issuer, p.endSession(told.End) != nil
	if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		s.Skew, s.Clock = at.Sub(p.Now().Truncate(time.Second)), true
	}
	if answer.TLS != nil {
		for _, chain := range answer.TLS.VerifiedChains[:min(1, len(answer.TLS.VerifiedChains))] {
			for _, c := range chain {
				if s.Certificate.IsZero() || c.NotAfter.Before(s.Certificate) {
					s.Certificate = c.NotAfter
				}
			}
		}
	}
	var keys struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if told.Keys == "" {
		return s, errors.New("its description names no keys (jwks_uri)")
	}
	if _, err := p.ask(ctx, told.Keys, &keys); err != nil {
		return s, fmt.Errorf("its keys: %w", err)
	}
	s.Keys = len(keys.Keys)
	return s, nil
}

// ask gets JSON.
func (p *Provider) ask(ctx context.Context, address string, into any) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return nil, fmt.Errorf("%s is no JSON: %w", address, err)
	}
	return answer, nil
}
