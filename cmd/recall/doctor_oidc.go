package main

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"recall/oidc"
	"recall/web"
)

// providerSkew is how far the provider's clock may be off before ID tokens come near to being refused.
const providerSkew = 30 * time.Second

// provider looks at the identity provider, where people log in at one.
func (d *doctor) provider(ctx context.Context) {
	p, err := d.app.newProvider()
	if err != nil || p == nil {
		return // what is wrong with the settings is said before
	}
	seen, err := p.Look(ctx)
	d.say("provider", providerFinding(p, seen, err, d.app.cfg.ProviderLogOut, d.app.now()))
}

// providerFinding judges what was seen of the provider.
func providerFinding(p *oidc.Provider, seen oidc.Sight, err error, logOut web.ProviderLogOut, now time.Time) finding {
	var unknown x509.UnknownAuthorityError
	var otherwise x509.CertificateInvalidError
	var name x509.HostnameError
	const wayIn = "; meanwhile `recall user code NAME` lets somebody in"
	switch {
	case errors.As(err, &unknown):
		return fail("name the file with the certificate of its authority in SSL_CERT_FILE"+wayIn, "%s: %v", p.Name, err)
	case errors.As(err, &otherwise), errors.As(err, &name):
		return fail("have whoever runs it renew its certificate, and look at this machine's clock"+wayIn, "%s: %v", p.Name, err)
	case err != nil:
		return fail("see whether this machine reaches it, through a proxy perhaps (RECALL_EGRESS_PROXY=environment), and whether RECALL_OIDC_ISSUER is its issuer"+wayIn, "%s: %v", p.Name, err)
	case seen.Issuer != p.Issuer:
		return fail("write RECALL_OIDC_ISSUER letter for letter so, to the last slash, if that is the right one", "%s calls itself %q, and RECALL_OIDC_ISSUER is %q, so nobody is let in", p.Name, cut(seen.Issuer, 200), p.Issuer)
	case seen.Keys == 0:
		return fail("have whoever runs it look at its signing keys"+wayIn, "%s has no keys, so none of its ID tokens can be verified", p.Name)
	case seen.Clock && seen.Skew.Abs() > providerSkew:
		return warn("let both machines' clocks be set by NTP: ID tokens are refused before their time and after it", "%s's clock and this machine's are %s apart", p.Name, seen.Skew.Abs())
	case !seen.Certificate.IsZero() && seen.Certificate.Sub(now) < certificateWarn:
		return warn("have whoever runs it renew its certificate: afterwards nobody can log in there", "%s answers, and its certificate ends on %s", p.Name, utc(seen.Certificate))
	}
	said := []string{p.Name + " answers, calls itself as expected, and has " + counted(seen.Keys, "key", "keys")}
	if !seen.Certificate.IsZero() {
		said = append(said, "its certificate ends on "+utc(seen.Certificate))
	}
	if !seen.LogsOut && logOut == web.LogOutAlways {
		return warn("set RECALL_OIDC_LOGOUT=off, or have it announced there (end_session_endpoint)", "%s; it announces no log-out, so nobody is logged out there", strings.Join(said, "; "))
	}
	return ok("%s", strings.Join(said, "; "))
}
