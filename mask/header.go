package mask

import (
	"net/http"
	"strings"

	"recall/plenigo"
)

// Header tells how the values of a request header are treated. Credentials are secret. A header that is not known to say
// nothing of a person is personal: a sender chooses its headers freely, and an address or a session can stand in any.
func (r *Rules) Header(name string) Class {
	name = strings.ToLower(name)
	d := decision{Personal, nowhere, 0}
	if plenigo.SensitiveHeader(name) {
		d.class = Secret
	}
	for _, c := range r.header {
		if c.near <= d.near && like(c.names[0], name) {
			d = d.or(c, 1)
		}
	}
	if d.near >= nearKnown && plenigo.SensitiveHeader(name) {
		return Secret
	}
	return d.class
}

// Headers gives the headers with the values of all that is hidden covered. What is kept of an authorization is its scheme.
func (r *Rules) Headers(h http.Header, show Reveal) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		class := r.Header(name)
		for _, value := range values {
			if !show.shows(class) {
				value = coverHeader(name, value, class)
			}
			out[name] = append(out[name], value)
		}
	}
	return out
}

func coverHeader(name, value string, class Class) string {
	if scheme := AuthScheme(name, value); scheme != "" {
		return scheme + " " + coverOf(class)
	}
	return coverOf(class)
}

// AuthScheme is the scheme of an authorization, which says what was sent and nothing about the secret; "" where there is
// none that is known.
func AuthScheme(name, value string) string {
	if !strings.HasSuffix(http.CanonicalHeaderKey(name), "Authorization") {
		return ""
	}
	switch scheme, rest, _ := strings.Cut(value, " "); scheme {
	case "Basic", "Bearer", "Digest":
		if rest != "" {
			return scheme
		}
	}
	return ""
}

// headerRules are the headers that say how a request is to be read, who signed it and by which way it came. Signatures are
// harmless (docs/plenigo.md §7).
func headerRules() []Rule {
	return paths(Headers, judged, Shown,
		"accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding", "content-language",
		"content-length", "content-type", "date", "expect", "host", "keep-alive", "pragma", "te", "trailer", "transfer-encoding", "upgrade",
		"user-agent", "via", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-request-id", "x-correlation-id", "traceparent",
		"idempotency-key", "x-idempotency-key", "plenigo-signature", "*-signature", "x-hub-signature*", "webhook-*", "x-plenigo-api-version",
		"recall-*",
		// of answers
		"age", "allow", "alt-svc", "cf-ray", "content-security-policy*", "etag", "expires", "last-modified", "permissions-policy",
		"ratelimit*", "x-ratelimit*", "referrer-policy", "retry-after", "server", "server-timing", "strict-transport-security", "vary",
		"x-cache*", "x-content-type-options", "x-frame-options", "x-powered-by", "x-xss-protection")
}
