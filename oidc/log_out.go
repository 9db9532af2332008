package oidc

import (
	"context"
	"errors"
	"net/url"
)

// ErrNoLogOut: the provider announces no place to log out at.
var ErrNoLogOut = errors.New("the identity provider has no log-out to send people to")

// LogOutURL is the provider's address at which somebody's session there ends (OpenID Connect RP-Initiated Logout 1.0), and which
// sends the browser back to back with state. The hint is the ID token of the log-in, "" where it is not known any more: the provider
// then may ask whether that is meant. ErrUnreachable, ErrNoLogOut.
func (p *Provider) LogOutURL(ctx context.Context, hint, back, state string) (string, error) {
	found, err := p.known(ctx)
	if err != nil {
		return "", err
	}
	if found.endSession == nil {
		return "", ErrNoLogOut
	}
	address := *found.endSession
	q := address.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	q.Set("state", state)
	if hint != "" {
		q.Set("id_token_hint", hint)
	}
	address.RawQuery = q.Encode()
	return address.String(), nil
}

// LogsOut tells whether the provider announces a place to log out at; false while it has never answered.
func (p *Provider) LogsOut(ctx context.Context) bool {
	found, err := p.known(ctx)
	return err == nil && found.endSession != nil
}

// endSession reads where people are sent to log out: nil where nothing is announced, or nothing to send a browser to. It may be
// in the clear only where the issuer is.
func (p *Provider) endSession(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return nil
	}
	issuer, err := url.Parse(p.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != issuer.Scheme {
		return nil
	}
	u.Fragment = ""
	return u
}
