// Package oidc logs people in at an identity provider, by OpenID Connect: the authorization code flow with PKCE, and state and
// nonce that belong to one browser. It knows what a provider's answer has to be, and what role follows from its claims; it
// keeps nothing but the provider's own description.
//
// Nothing is asked of the provider before somebody wants to log in: receiving goes on whether it is there or not.
package oidc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"recall/store"
)

// RoleRule gives a role to who has a value in the role claim.
type RoleRule struct {
	Value string
	Role  store.Role
}

// Options of a Provider.
type Options struct {
	Issuer       string // as the provider itself writes it
	ClientID     string
	ClientSecret string // "": a public client, which PKCE alone protects
	RedirectURL  string // where the provider sends people back to, as it is registered there
	LoggedOutURL string // likewise after a log-out there
	Name         string // shown to people; "": the issuer's host
	Scopes       []string
	RoleClaim    string     // its name, or the way to it with dots between
	Roles        []RoleRule // none: the provider says nothing of roles, and they are changed here
	DefaultRole  store.Role // of who has none by the rules; "": who has none is refused
	Proxy        func(*http.Request) (*url.URL, error)
	Now          func() time.Time
}

// Provider is the identity provider that people may log in at.
type Provider struct {
	Options
	client    *http.Client
	discovery discovery
}

const (
	requestTimeout = 5 * time.Second // of one request to the provider
	maxAnswer      = 1 << 20         // bytes of one answer
)

// New makes a Provider without asking it anything. The error says what is wrong with the options.
func New(o Options) (*Provider, error) {
	issuer, err := url.Parse(o.Issuer)
	switch {
	case err != nil || issuer.Host == "":
		return nil, errors.New("the issuer is no address")
	case o.ClientID == "":
		return nil, errors.New("no client id given")
	case o.RedirectURL == "":
		return nil, errors.New("no address to come back to given")
	case len(o.Roles) == 0 && o.DefaultRole == "":
		return nil, errors.New("nobody would have a role: give rules, or a default")
	}
	if o.Name == "" {
		o.Name = issuer.Hostname()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if !slices.Contains(o.Scopes, "openid") {
		o.Scopes = append([]string{"openid"}, o.Scopes...)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = o.Proxy
	p := &Provider{Options: o, client: &http.Client{Transport: bounded{transport}, Timeout: requestTimeout}}
	p.discovery.turn = make(chan struct{}, 1)
	return p, nil
}

// Host is the issuer's, without the port.
func (p *Provider) Host() string {
	u, err := url.Parse(p.Issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// ManagesRoles tells whether the provider's claims say what users may do.
func (p *Provider) ManagesRoles() bool { return len(p.Roles) > 0 }

// What a log-in may end in besides an Identity. The texts are for people, those behind them for the log.
var (
	ErrUnreachable = errors.New("the identity provider does not answer")
	ErrStale       = errors.New("this log-in was not begun in this browser, or too long ago")
	ErrUntrusted   = errors.New("the identity provider's answer is not one to trust")
)

// RefusedError is what the provider says where it lets nobody in. Both texts are its own.
type RefusedError struct{ Code, Description string }

func (e *RefusedError) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return e.Code + ": " + e.Description
}

// exchangeError tells a refused code from a provider that is away. Its body, which may hold what was sent, is left out.
func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%w: exchanging the code: %w", ErrUnreachable, err)
	}
	if refused.ErrorCode != "" {
		return &RefusedError{refused.ErrorCode, refused.ErrorDescription}
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	return fmt.Errorf("%w: its token endpoint answered %d", ErrUnreachable, status)
}

// bounded ends answers that are too long.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// ParseRoles reads rules such as recall-admins=admin,recall-ops=operator. A value may have = in it: the last one counts.
func ParseRoles(text string) ([]RoleRule, error) {
	var rules []RoleRule
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		cut := strings.LastIndex(part, "=")
		if cut <= 0 {
			return nil, fmt.Errorf("%.80q is no rule: write them as recall-admins=admin,recall-ops=operator", part)
		}
		rule := RoleRule{strings.TrimSpace(part[:cut]), store.Role(strings.TrimSpace(part[cut+1:]))}
		if err := rule.Role.Validate(); err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
