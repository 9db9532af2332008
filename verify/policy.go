package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
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
	for _, secret := range s.Secrets {
		if secret.Key == "" {
			return nil, fmt.Errorf("the secret %q is empty", secret.Name)
		}
		if !secret.Until.IsZero() && !secret.Until.After(secret.From) {
			return nil, fmt.Errorf("the secret %q ends before it begins", secret.Name)
		}
	}
	if s.Basic != nil && s.Basic.User == "" {
		return nil, errors.New("basic authentication needs a user, as USER:PASSWORD")
	}
	if s.Basic != nil && strings.Contains(s.Basic.User, ":") {
		return nil, errors.New("the user of basic authentication must not contain a colon (RFC 7617)")
	}
	for _, h := range s.Headers {
		if !httpguts.ValidHeaderFieldName(h.Name) {
			return nil, fmt.Errorf("%q is not a header name; write the pair as 'Name: value'", h.Name)
		}
		if h.Value == "" || !httpguts.ValidHeaderFieldValue(h.Value) {
			return nil, fmt.Errorf("the value of the header %s is empty or holds a line break", h.Name)
		}
	}
	s.Secrets = append([]Secret(nil), s.Secrets...)
	s.Headers = append([]Header(nil), s.Headers...)
	return &Policy{settings: s}, nil
}

// Check judges one callback at the time now. It always returns a whole Result, also where the first check already
// decides, so that every fault is seen at once. Comparisons take equal time for right and wrong values.
func (p *Policy) Check(header http.Header, body []byte, now time.Time) Result {
	s := &p.settings
	r := Result{Verdict: Verified}
	p.checkSignature(&r, header, body, now)
	r.Basic = checkBasic(s.Basic, header)
	r.Header, r.Headers = checkHeaders(s.Headers, header)
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
		if time.Duration(r.SkewSeconds)*time.Second > s.LateWindow {
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
	values := header[HeaderSignature]
	if len(values) == 0 {
		r.Signature = Missing
		return
	}
	if len(values) > 1 { // which one was meant is anybody's guess (REFERENCE §3)
		r.Signature = Malformed
		return
	}
	sig, err := parseSignature(values[0])
	if err != nil {
		r.Signature = Malformed
		return
	}
	r.SignedAt = sig.unix
	r.SkewSeconds = now.Unix() - sig.unix

	known, matched := false, ""
	for _, secret := range p.settings.Secrets {
		if !secret.validAt(now) {
			continue
		}
		known = true
		want := digest(secret.Key, sig.t, body)
		for _, got := range sig.s {
			if hmac.Equal(want, got) && matched == "" {
				matched = secret.Name
				r.Signature = Valid
			}
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

func (s Secret) validAt(now time.Time) bool {
	return !now.Before(s.From) && (s.Until.IsZero() || now.Before(s.Until))
}

func checkBasic(want *BasicAuth, header http.Header) Status {
	if want == nil {
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
	if !equal(string(plain), want.User+":"+want.Password) {
		return Mismatch
	}
	return Valid
}

// checkHeaders asks for each pair exactly one value of that name. The whole is as bad as its worst.
func checkHeaders(want []Header, header http.Header) (Status, []HeaderCheck) {
	if len(want) == 0 {
		return NotRequired, nil
	}
	worst := Valid
	checks := make([]HeaderCheck, len(want))
	for i, w := range want {
		name := http.CanonicalHeaderKey(w.Name)
		values := header[name]
		status := Valid
		switch {
		case len(values) == 0:
			status = Missing
		case len(values) > 1 || !equal(values[0], w.Value):
			status = Mismatch
		}
		checks[i] = HeaderCheck{Name: name, Status: status}
		if worst == Valid {
			worst = status
		}
	}
	return worst, checks
}

// equal compares in a time that tells neither the place of the first difference nor the length.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// TooLarge is the result for a body past the limit: it was not read to its end, so nothing could be checked.
func TooLarge() Result {
	return Result{Verdict: Rejected, Reason: ReasonBodyTooLarge, Signature: NotChecked, Basic: NotChecked, Header: NotChecked}
}

// Accepted tells whether the callback may be sent on.
func (r Result) Accepted() bool { return r.Verdict.Accepted() }
