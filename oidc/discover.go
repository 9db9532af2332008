package oidc

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	describedFor = time.Hour        // then the provider is asked for its description anew; while it is away the old one does
	failedFor    = 10 * time.Second // a provider that did not answer is not asked again sooner
	reachedFor   = 30 * time.Second // likewise one that did, by Reachable
)

// discovery is what the provider says of itself, asked for by one at a time.
type discovery struct {
	turn chan struct{}

	found    *described
	at       time.Time // of the last answer
	failed   error     // of the last try, nil where it was answered
	failedAt time.Time
}

// described is a provider that has been found.
type described struct {
	*oidc.Provider
	oauth      oauth2.Config
	namesIss   bool     // it names itself in each answer (RFC 9207)
	endSession *url.URL // where people log out there; nil: nowhere
}

// discover returns the provider's description, asked for once and kept for a while. ErrUnreachable where there is none.
func (p *Provider) discover(ctx context.Context, newerThan time.Duration) (*described, error) {
	d := &p.discovery
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := p.Now()
	if d.found != nil && d.failed == nil && now.Sub(d.at) < newerThan {
		return d.found, nil
	}
	if d.failed == nil || now.Sub(d.failedAt) >= failedFor {
		found, err := p.describe(ctx)
		if err != nil && ctx.Err() != nil { // who asked has gone, which says nothing of the provider
			return nil, ctx.Err()
		}
		if d.failed = err; err == nil {
			d.found, d.at = found, now
		} else {
			d.failedAt = now
		}
	}
	return d.found, d.failed
}

func (p *Provider) describe(ctx context.Context) (*described, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: asking for its description: %w", ErrUnreachable, err)
	}
	var more struct {
		Auth     []string `json:"token_endpoint_auth_methods_supported"`
		NamesIss bool     `json:"authorization_response_iss_parameter_supported"`
		End      string   `json:"end_session_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, fmt.Errorf("%w: reading its description: %w", ErrUnreachable, err)
	}
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // the default of the specification
	if p.ClientSecret == "" || len(more.Auth) > 0 && !slices.Contains(more.Auth, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &described{found, oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint, RedirectURL: p.RedirectURL, Scopes: p.Scopes,
	}, more.NamesIss, p.endSession(more.End)}, nil
}

// known returns the provider's description; an old one does while it is away.
func (p *Provider) known(ctx context.Context) (*described, error) {
	found, err := p.discover(ctx, describedFor)
	if found != nil {
		return found, nil
	}
	return nil, err
}

// Reachable tells whether the provider answers now, or did within the last half minute.
func (p *Provider) Reachable(ctx context.Context) bool {
	_, err := p.discover(ctx, reachedFor)
	return err == nil
}
