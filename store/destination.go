package store

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"time"

	"recall/verify"
)

// DestinationState is whether deliveries to a destination go out.
type DestinationState string

const (
	DestinationActive DestinationState = "active"
	DestinationPaused DestinationState = "paused" // by a person, or because it answered 410 Gone: until a person resumes it
	DestinationBroken DestinationState = "broken" // it keeps failing: probed, and active again by itself
)

// Signing is how a request to a destination is signed.
type Signing string

const (
	SigningPlenigo          Signing = "plenigo"           // fresh plenigo-signature, by the destination's own secrets or else the source's current one
	SigningStandardWebhooks Signing = "standard-webhooks" // webhook-id, webhook-timestamp, webhook-signature, by the destination's own secrets
	SigningNone             Signing = "none"
)

// Ordering is which deliveries to a destination wait for others.
type Ordering string

const (
	OrderAny    Ordering = "any"    // none does
	OrderEntity Ordering = "entity" // the events of one entity go out one after the other, those of different ones beside each other
)

// Destination is where events are sent, with its secrets in clear.
type Destination struct {
	ID             int64
	Name           string
	URL            string
	Method         string  // "": POST
	Match          *string // filter of arriving events; nil: manual only; "": every accepted event
	Signing        Signing
	Secrets        []SigningSecret // of its own, newest last; all that are valid sign
	PassSignature  bool            // the event's own signature goes along in headers of their own
	Headers        []verify.Header // sent along; secret
	ClearHeaders   []verify.Header // sent along; no secret, shown to everybody
	Timeout        time.Duration
	RetrySchedule  []time.Duration // wait before each retry
	MaxRate        float64         // attempts begun a second; 0: no limit
	MaxConcurrency int             // attempts under way at once; 0: no limit of its own
	Ordering       Ordering        // "": any
	State          DestinationState
	StateSince     time.Time // zero: since it was added
	StateReason    string    // why it is paused or broken, in words for people; "": nobody said
	Demo           bool
	Revision       int // grows with each change of settings
	CreatedAt      time.Time
	Unreadable     bool // what is secret could not be opened with the program's key: send nothing; State is broken
}

// SigningSecret is a secret that requests to a destination are signed with.
type SigningSecret struct {
	Key    string
	MadeAt time.Time
	Until  time.Time // zero: no end
}

// ValidSecrets returns the destination's own signing secrets that are valid now, newest first.
func (d *Destination) ValidSecrets(now time.Time) []SigningSecret {
	var valid []SigningSecret
	for _, s := range slices.Backward(d.Secrets) {
		if s.Until.IsZero() || now.Before(s.Until) {
			valid = append(valid, s)
		}
	}
	return valid
}

// Rotate adds a signing secret. The others sign beside it until the overlap is over, so that the receiver can change in
// between; what would end sooner anyway still does, and what has ended is forgotten.
func (d *Destination) Rotate(key string, overlap time.Duration, now time.Time) {
	now = now.UTC().Truncate(time.Second)
	until := now.Add(overlap)
	var secrets []SigningSecret
	for _, s := range d.Secrets {
		if s.Until.IsZero() || s.Until.After(until) {
			s.Until = until
		}
		if s.Until.After(now) {
			secrets = append(secrets, s)
		}
	}
	d.Secrets = append(secrets, SigningSecret{Key: key, MadeAt: now})
}

// NewSigningSecret makes a secret in the form of Standard Webhooks, which serves plenigo's signature just as well.
func NewSigningSecret() string {
	var key [32]byte
	rand.Read(key[:]) // never fails
	return SigningSecretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// ShownURL is the URL as everybody may see it: without the query, which often holds a key.
func (d *Destination) ShownURL() string { return PlainURL(d.URL) }

// PlainURL is a URL as it may be written down: without user, query and fragment, which may hold secrets.
func PlainURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		return shown.String() + "?…"
	}
	return shown.String()
}

// normalize fills in what may be left out.
func (d *Destination) normalize() {
	if d.Method == "" {
		d.Method = http.MethodPost
	}
	if d.Ordering == "" {
		d.Ordering = OrderAny
	}
}
