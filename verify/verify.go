// Package verify answers whether a callback is genuine and fresh.
//
// A Policy is made once from a source's settings; Check takes the headers, the raw body and the time, and returns a
// Result with one Status per check and the Verdict. Explain walks the same steps in words and tries, on the very bytes,
// what could have gone wrong. Nothing here touches the network, the clock or a database. The signature is the one of
// plenigo's article "plenigo signature" (REFERENCE §3) unless the source has another Scheme.
package verify

import (
	"time"
)

// HeaderSignature is the canonical name of the header that carries plenigo's signature (REFERENCE §3).
const HeaderSignature = "Plenigo-Signature"

// Defaults of a source's settings.
const (
	DefaultTolerance  = 5 * time.Minute
	DefaultLateWindow = 32 * time.Hour // covers plenigo's last retry (REFERENCE §4)
)

// Verdict is the outcome of all checks together.
type Verdict string

const (
	Verified Verdict = "verified" // authentic and fresh
	Late     Verdict = "late"     // authentic, older than the tolerance, within the late window
	Rejected Verdict = "rejected" // anything else
)

// Accepted tells whether a callback with this verdict is sent on to destinations.
func (v Verdict) Accepted() bool { return v == Verified || v == Late }

// Status is the outcome of one check.
type Status string

const (
	Valid       Status = "valid"
	Mismatch    Status = "mismatch"
	Missing     Status = "missing"
	Malformed   Status = "malformed"
	Expired     Status = "expired"   // authentic, but t is older than the tolerance
	Future      Status = "future"    // authentic, but t is further ahead than the tolerance
	NoSecret    Status = "no_secret" // the source has no secret that is valid now
	NotRequired Status = "not_required"
	NotChecked  Status = "not_checked" // another finding made the check pointless (source disabled, body cut off)
)

// Reason is a short code for the first finding that led to a rejection, or "signature_expired" on a late callback.
// It is empty on a verified one. It is safe to send to the sender.
type Reason string

const (
	ReasonSignatureMissing   Reason = "signature_missing"
	ReasonSignatureMalformed Reason = "signature_malformed"
	ReasonSignatureMismatch  Reason = "signature_mismatch"
	ReasonSignatureExpired   Reason = "signature_expired"
	ReasonSignatureFuture    Reason = "signature_future"
	ReasonNoSecret           Reason = "no_secret"
	ReasonBasicMissing       Reason = "basic_missing"
	ReasonBasicMalformed     Reason = "basic_malformed"
	ReasonBasicMismatch      Reason = "basic_mismatch"
	ReasonHeaderMissing      Reason = "header_missing"
	ReasonHeaderMismatch     Reason = "header_mismatch"
	ReasonSourceDisabled     Reason = "source_disabled"
	ReasonBodyTooLarge       Reason = "body_too_large"
	ReasonSettingsUnreadable Reason = "settings_unreadable" // a secret or password of the source cannot be decrypted
)

// Secret is one key a source's callbacks may be signed with.
type Secret struct {
	Name  string
	Key   string    // as the sender shows it; plenigo uses its UTF-8 bytes (REFERENCE §3), another Scheme may not
	From  time.Time // zero: always been valid
	Until time.Time // zero: no end; the secret is not valid at Until itself
}

// BasicAuth is what method 1 of plenigo's "Endpoint requires authentication" sends (REFERENCE §1).
type BasicAuth struct{ User, Password string }

// Header is one header name and value of method 2 (REFERENCE §1).
type Header struct{ Name, Value string }

// Settings is what a source asks of its callbacks.
type Settings struct {
	Scheme     Scheme // how the sender signs; zero: as plenigo does
	Secrets    []Secret
	Tolerance  time.Duration // how far t may be from now, past and future; must be positive
	LateWindow time.Duration // how old an authentic t may be to count as late; 0 turns late off
	Basic      *BasicAuth    // nil: not asked for
	Headers    []Header      // all must be there, each with this value
	Unreadable bool          // a setting could not be read: reject everything
	Disabled   bool          // the source is disabled: reject everything
}

// HeaderCheck is the outcome for one header pair. Names only; values never leave the settings.
type HeaderCheck struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
}

// Result is kept with the event. It holds no secret and no header value.
type Result struct {
	Verdict     Verdict       `json:"verdict"`
	Reason      Reason        `json:"reason"`
	Signature   Status        `json:"signature"`
	Basic       Status        `json:"basic"`
	Header      Status        `json:"header"`            // worst of Headers
	Headers     []HeaderCheck `json:"headers,omitempty"` // one per pair asked for
	SignedAt    int64         `json:"signed_at"`         // t in Unix seconds; 0 when it could not be read
	SkewSeconds int64         `json:"skew_seconds"`      // now − t; negative: t lies ahead; 0 when t could not be read
	Secret      string        `json:"secret,omitempty"`  // name of the secret that matched

	SignatureHeader string `json:"signature_header,omitempty"` // where a scheme other than plenigo's has its signature
}

// Policy checks callbacks of one source. Make it with NewPolicy; it is safe for concurrent use.
type Policy struct {
	settings Settings
	scheme   *compiled
	keys     [][]byte // of settings.Secrets
	basic    sum      // of "user:password"
	headers  []sum    // of the values of settings.Headers
}
