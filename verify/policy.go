package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// NewPolicy checks the settings and keeps a copy of them. The error names what is wrong in one sentence.
func NewPolicy(s Settings) (*Policy, error) {
	if s.Tolerance <= 0 {
		return nil, errors.New("the tolerance must be longer than zero; plenigo suggests 5m")
	}
	if s.LateWindow < 0 {
		return nil, errors.New("the late window must not be negative; 0 turns late callbacks off")
	}
	scheme, err := s.Scheme.compile()
	if err != nil {
		return nil, err
	}
	p := &Policy{scheme: scheme}
	for _, secret := range s.Secrets {
		if secret.Key == "" {
			return nil, fmt.Errorf("the secret %q is empty", secret.Name)
		}
		if !secret.Until.IsZero() && !secret.Until.After(secret.From) {
			return nil, fmt.Errorf("the secret %q ends before it begins", secret.Name)
		}
		key, err := scheme.key(secret.Key)
		if err != nil {
			return nil, fmt.Errorf("the secret %q %w", secret.Name, err)
		}
		p.keys = append(p.keys, key)
	}
	if s.Basic != nil && s.Basic.User == "" {
		return nil, errors.New("basic authentication needs a user, as USER:PASSWORD")
	}
	if s.Basic != nil && strings.Contains(s.Basic.User, ":") {
		return nil, errors.New("the user of basic authentication must not contain a colon (RFC 7617)")
	}
	if s.Basic != nil {
		basic := *s.Basic
		s.Basic, p.basic = &basic, sumOf(basic.User+":"+basic.Password)
	}
	s.Headers = slices.Clone(s.Headers)
	for i, h := range s.Headers {
		if !httpguts.ValidHeaderFieldName(h.Name) {
			return nil, fmt.Errorf("%q is not a header name; write the pair as 'Name: value'", h.Name)
		}
		if h.Value == "" || !httpguts.ValidHeaderFieldValue(h.Value) {
			return nil, fmt.Errorf("the value of the header %s is empty or holds a line break", h.Name)
		}
		s.Headers[i].Name = http.CanonicalHeaderKey(h.Name)
		p.headers = append(p.headers, sumOf(h.Value))
	}
	s.Secrets = slices.Clone(s.Secrets)
	p.settings = s
	return p, nil
}

// Check judges one callback at the time now. It always returns a whole Result, also where the first check already
// decides, so that every fault is seen at once. Comparisons take equal time for right and wrong values.
func (p *Policy) Check(header http.Header, body []byte, now time.Time) Result {
	s := &p.settings
	r := Result{Verdict: Verified}
	p.checkSignature(&r, header, body, now)
	r.Basic = p.checkBasic(header)
	r.Header, r.Headers = p.checkHeaders(header)
	r.Verdict, r.Reason = s.judge(&r)
	return r
}

// judge names the first finding, in the order disabled, unreadable, signature, basic, headers.
func (s *Settings) judge(r *Result) (Verdict, Reason) {
	switch {
	case s.Disabled:
		return Rejected, ReasonSourceDisabled
	case s.Unreadable:
		return Rejected, ReasonSettingsUnreadable
	}
	switch r.Signature {
	case Valid:
	case Expired:
		if r.skew() > s.LateWindow {
			return Rejected, ReasonSignatureExpired
		}
	case NoSecret:
		return Rejected, ReasonNoSecret
	default:
		return Rejected, Reason("signature_" + string(r.Signature))
	}
	if r.Basic != Valid && r.Basic != NotRequired {
		return Rejected, Reason("basic_" + string(r.Basic))
	}
	if r.Header != Valid && r.Header != NotRequired {
		return Rejected, Reason("header_" + string(r.Header))
	}
	if r.Signature == Expired {
		return Late, ReasonSignatureExpired
	}
	return Verified, ""
}

func (p *Policy) checkSignature(r *Result, header http.Header, body []byte, now time.Time) {
	r.SignatureHeader = p.scheme.reported
	sig, err := p.scheme.read(header)
	switch {
	case err == errNoSignature:
		r.Signature = Missing
		return
	case err != nil:
		r.Signature = Malformed
		return
	}
	r.SignedAt = sig.unix
	r.SkewSeconds = now.Unix() - sig.unix

	known, matched := false, ""
	prefix := p.scheme.prefix(sig)
	for i, secret := range p.settings.Secrets {
		if !secret.ValidAt(now) {
			continue
		}
		known = true
		if anyEqual(p.scheme.digest(p.keys[i], prefix, body), sig.s) && r.Signature != Valid {
			r.Signature, matched = Valid, secret.Name
		}
	}
	skew := now.Sub(time.Unix(sig.unix, 0))
	switch {
	case !known:
		r.Signature = NoSecret
	case r.Signature != Valid:
		r.Signature = Mismatch
	case skew > p.settings.Tolerance:
		r.Signature, r.Secret = Expired, matched
	case skew < -p.settings.Tolerance:
		r.Signature, r.Secret = Future, matched
	default:
		r.Secret = matched
	}
}

// ValidAt tells whether the secret counts at that time.
func (s Secret) ValidAt(now time.Time) bool {
	return !now.Before(s.From) && (s.Until.IsZero() || now.Before(s.Until))
}

func (p *Policy) checkBasic(header http.Header) Status {
	if p.settings.Basic == nil {
		return NotRequired
	}
	values := header["Authorization"]
	if len(values) == 0 {
		return Missing
	}
	scheme, encoded, _ := strings.Cut(values[0], " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if len(values) > 1 || !strings.EqualFold(scheme, "Basic") || err != nil {
		return Malformed
	}
	if !p.basic.equal(sumOf(string(plain))) {
		return Mismatch
	}
	return Valid
}

// checkHeaders asks for each pair exactly one value of that name. The whole is as bad as its worst.
func (p *Policy) checkHeaders(header http.Header) (Status, []HeaderCheck) {
	if len(p.headers) == 0 {
		return NotRequired, nil
	}
	worst := Valid
	checks := make([]HeaderCheck, len(p.headers))
	for i, want := range p.headers {
		name := p.settings.Headers[i].Name
		values := header[name]
		status := Valid
		switch {
		case len(values) == 0:
			status = Missing
		case len(values) > 1 || !want.equal(sumOf(values[0])):
			status = Mismatch
		}
		checks[i] = HeaderCheck{Name: name, Status: status}
		if worst == Valid {
			worst = status
		}
	}
	return worst, checks
}

// sum stands for a text in comparisons: all sums are equally long, so that comparing them tells neither the place of the
// first difference nor the length.
type sum [sha256.Size]byte

func sumOf(text string) sum { return sha256.Sum256([]byte(text)) }

func (a sum) equal(b sum) bool { return hmac.Equal(a[:], b[:]) }

// TooLarge is the result for a body past the limit: it was not read to its end, so nothing could be checked.
func TooLarge() Result {
	return Result{Verdict: Rejected, Reason: ReasonBodyTooLarge, Signature: NotChecked, Basic: NotChecked, Header: NotChecked}
}

// skew is SkewSeconds as a duration; a t thousands of years away is as far as a duration can say.
func (r Result) skew() time.Duration {
	const limit = int64(math.MaxInt64 / time.Second)
	return time.Duration(max(-limit, min(r.SkewSeconds, limit))) * time.Second
}

// Accepted tells whether the callback may be sent on.
func (r Result) Accepted() bool { return r.Verdict.Accepted() }
