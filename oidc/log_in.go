package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// AttemptAge is how long people may take at the provider.
const AttemptAge = 10 * time.Minute

// maxSubject bounds what a provider may call somebody, in bytes, by the specification.
const maxSubject = 255

// Attempt is a log-in under way. It belongs to the browser that began it, and nobody else may see it.
type Attempt struct {
	State    string // comes back with the answer
	Nonce    string // comes back in the ID token
	Verifier string // of PKCE: proves to the provider that who ends the log-in has begun it
	Since    int64  // Unix seconds
}

// Begin makes an attempt, and the provider's address at which it goes on. ErrUnreachable.
func (p *Provider) Begin(ctx context.Context) (Attempt, string, error) {
	found, err := p.known(ctx)
	if err != nil {
		return Attempt{}, "", err
	}
	a := Attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Since: p.Now().Unix()}
	return a, found.oauth.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), nil
}

// Finish takes the answer that a browser brought back to its attempt, and returns who that is. ErrStale, a *RefusedError,
// ErrUntrusted, ErrUnreachable: the first says that the answer is not to be looked at, so nothing of it is to be shown.
func (p *Provider) Finish(ctx context.Context, a Attempt, answer url.Values) (*Identity, error) {
	begun := time.Unix(a.Since, 0)
	if a.State == "" || !same(a.State, answer.Get("state")) || p.Now().Sub(begun) > AttemptAge {
		return nil, ErrStale
	}
	found, err := p.known(ctx)
	if err != nil {
		return nil, err
	}
	if answer.Has("iss") || found.namesIss { // RFC 9207: the answer of another provider is not taken for this one's
		if answer.Get("iss") != p.Issuer {
			return nil, fmt.Errorf("%w: it names another issuer", ErrUntrusted)
		}
	}
	if code := answer.Get("error"); code != "" {
		return nil, &RefusedError{code, answer.Get("error_description")}
	}
	if answer.Get("code") == "" {
		return nil, fmt.Errorf("%w: it has no code", ErrUntrusted)
	}
	ctx = oidc.ClientContext(ctx, p.client)
	tokens, err := found.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return nil, exchangeError(err)
	}
	token, claims, err := p.verify(ctx, found, a, tokens)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if p.lacks(claims) && found.UserInfoEndpoint() != "" {
		if err := addUserInfo(ctx, found, tokens, token.Subject, claims); err != nil {
			return nil, err
		}
	}
	who := p.identity(token.Subject, claims)
	who.Token, _ = tokens.Extra("id_token").(string)
	return who, nil
}

// verify checks the ID token: signature, issuer, audience and times by go-oidc, the rest here.
func (p *Provider) verify(ctx context.Context, found *described, a Attempt, tokens *oauth2.Token) (*oidc.IDToken, claims, error) {
	raw, is := tokens.Extra("id_token").(string)
	if !is {
		return nil, nil, errors.New("it has no ID token")
	}
	token, err := found.Verifier(&oidc.Config{ClientID: p.ClientID, Now: p.Now}).Verify(ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	var text json.RawMessage
	if err := token.Claims(&text); err != nil {
		return nil, nil, err
	}
	all, err := readClaims(text)
	if err != nil {
		return nil, nil, err
	}
	party, named := all["azp"].(string)
	switch {
	case !same(a.Nonce, token.Nonce):
		return nil, nil, errors.New("the nonce is not the one of this log-in")
	case named && party != p.ClientID, !named && len(token.Audience) > 1:
		return nil, nil, errors.New("the ID token was made for another client")
	case token.Subject == "" || len(token.Subject) > maxSubject:
		return nil, nil, fmt.Errorf("the subject has %d bytes, not 1 to %d", len(token.Subject), maxSubject)
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(tokens.AccessToken); err != nil {
			return nil, nil, err
		}
	}
	return token, all, nil
}

// addUserInfo adds the claims that the ID token lacks.
func addUserInfo(ctx context.Context, found *described, tokens *oauth2.Token, subject string, all claims) error {
	info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("%w: asking for more claims: %w", ErrUnreachable, err)
	}
	if info.Subject != subject { // the specification: otherwise it must not be used
		return fmt.Errorf("%w: the claims are of somebody else", ErrUntrusted)
	}
	var text json.RawMessage
	if err := info.Claims(&text); err != nil {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	more, err := readClaims(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	for name, value := range more {
		if _, there := all[name]; !there {
			all[name] = value
		}
	}
	return nil
}

// same compares in equal time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
