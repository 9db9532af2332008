package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"recall/filter"
	"recall/verify"
)

// Bounds of a destination's settings.
const (
	MaxURL                = 2000 // bytes
	MinTimeout            = 100 * time.Millisecond
	MaxTimeout            = 5 * time.Minute
	DefaultTimeout        = 30 * time.Second
	MaxRetries            = 30
	MaxRetryWait          = 30 * 24 * time.Hour
	MinRate               = 0.001 // attempts a second
	MaxRate               = 10_000
	MaxConcurrency        = 500
	MaxDestinationHeaders = 50
	MaxHeaderValue        = 8 << 10 // bytes
	MaxDestinationSecrets = 10
	MaxSigningSecret      = 500 // bytes
)

// What Standard Webhooks asks of a secret: random bytes in base64, after a prefix that says so.
const (
	SigningSecretPrefix = "whsec_"
	minSigningKey       = 24 // bytes
	maxSigningKey       = 64
)

// Methods are those that a destination may be sent by, the default first.
func Methods() []string { return []string{http.MethodPost, http.MethodPut, http.MethodPatch} }

// DefaultRetrySchedule is how long a destination's retries wait unless it says otherwise.
func DefaultRetrySchedule() []time.Duration {
	return []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
}

// Validate checks what a person may have entered; ages in the matching rule count back from now. The error names what is
// wrong in one sentence, without any secret and without the URL, which may hold a password.
func (d *Destination) Validate(now time.Time) error {
	if problems := d.Problems(now); len(problems) > 0 {
		return problems[0].Err
	}
	return nil
}

// Problems is Validate that names every wrong field, so that a form can say all of it at once: name, url, method, match,
// signing, secret, timeout, retry, rate, concurrency, ordering, state, or a list with a place in it: headers.0,
// clear_headers.2.
func (d *Destination) Problems(now time.Time) []Problem {
	var problems []Problem
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{field, err})
		}
	}
	check("name", ValidateDestinationName(d.Name))
	check("url", checkURL(d.URL))
	if d.Method != "" && !slices.Contains(Methods(), d.Method) {
		check("method", fmt.Errorf("the method %.20q must be one of %s", d.Method, strings.Join(Methods(), ", ")))
	}
	if d.Match != nil {
		if _, err := filter.ParseRule(*d.Match, now); err != nil {
			check("match", fmt.Errorf("the matching rule cannot be read: %w", err))
		}
	}
	switch d.Signing {
	case SigningPlenigo, SigningStandardWebhooks, SigningNone:
		check("secret", d.checkSecrets())
	default:
		check("signing", fmt.Errorf("the signing %.80q must be one of %s, %s, %s", string(d.Signing), SigningPlenigo, SigningStandardWebhooks, SigningNone))
	}
	if d.Timeout < MinTimeout || d.Timeout > MaxTimeout || d.Timeout%time.Millisecond != 0 {
		check("timeout", fmt.Errorf("the time-out %s must be between %s and %s, in whole milliseconds", d.Timeout, MinTimeout, MaxTimeout))
	}
	check("retry", checkSchedule(d.RetrySchedule))
	if math.IsNaN(d.MaxRate) || d.MaxRate != 0 && (d.MaxRate < MinRate || d.MaxRate > MaxRate) {
		check("rate", fmt.Errorf("the rate %g must be from %g to %d attempts a second, or 0 for no limit", d.MaxRate, MinRate, MaxRate))
	}
	if d.MaxConcurrency < 0 || d.MaxConcurrency > MaxConcurrency {
		check("concurrency", fmt.Errorf("%d attempts at once are not possible: it must be from 1 to %d, or 0 for no limit of its own", d.MaxConcurrency, MaxConcurrency))
	}
	switch d.Ordering {
	case "", OrderAny, OrderEntity:
	default:
		check("ordering", fmt.Errorf("the order %.80q must be %s or %s", string(d.Ordering), OrderAny, OrderEntity))
	}
	switch d.State {
	case DestinationActive, DestinationPaused, DestinationBroken:
	default:
		check("state", fmt.Errorf("the state %.80q must be one of %s, %s, %s", string(d.State), DestinationActive, DestinationPaused, DestinationBroken))
	}
	if n := len(d.Headers) + len(d.ClearHeaders); n > MaxDestinationHeaders {
		check("headers.0", fmt.Errorf("there are %d headers; at most %d are possible", n, MaxDestinationHeaders))
		return problems
	}
	all := append(slices.Clone(d.Headers), d.ClearHeaders...)
	for i := range all {
		field, at := "headers", i
		if i >= len(d.Headers) {
			field, at = "clear_headers", i-len(d.Headers)
		}
		check(fmt.Sprintf("%s.%d", field, at), firstError(
			func() error { return checkSentHeader(all[i]) },
			func() error { return checkTwice(all[:i+1]) },
		))
	}
	return problems
}

// ValidateDestinationName checks a name.
func ValidateDestinationName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("the name %.80q %s", name, nameFormInWords)
	}
	return nil
}

func (d *Destination) checkSecrets() error {
	if d.Signing == SigningStandardWebhooks && len(d.Secrets) == 0 {
		return fmt.Errorf("the signing %s needs a secret of the destination's own", SigningStandardWebhooks)
	}
	if len(d.Secrets) > MaxDestinationSecrets {
		return fmt.Errorf("the destination has %d signing secrets; at most %d are possible", len(d.Secrets), MaxDestinationSecrets)
	}
	for _, s := range d.Secrets {
		if err := checkSigningSecret(d.Signing, s.Key); err != nil {
			return err
		}
	}
	return nil
}

// checkSigningSecret checks one that somebody entered. The error never quotes it.
func checkSigningSecret(signing Signing, key string) error {
	switch {
	case key == "":
		return errors.New("the signing secret is empty")
	case len(key) > MaxSigningSecret:
		return fmt.Errorf("the signing secret is longer than %d bytes", MaxSigningSecret)
	case strings.TrimSpace(key) != key:
		return errors.New("the signing secret begins or ends with a blank; copy it without")
	case !utf8.ValidString(key) || strings.ContainsAny(key, "\r\n\x00"):
		return errors.New("the signing secret must be one line of text in UTF-8")
	}
	if signing != SigningStandardWebhooks {
		return nil
	}
	random, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(key, SigningSecretPrefix))
	if err != nil {
		return fmt.Errorf("the signing secret is none of Standard Webhooks: it is %s and then base64; leave it empty to let one be made", SigningSecretPrefix)
	}
	if len(random) < minSigningKey || len(random) > maxSigningKey {
		return fmt.Errorf("the signing secret holds %d bytes; Standard Webhooks asks for %d to %d: leave it empty to let one be made", len(random), minSigningKey, maxSigningKey)
	}
	return nil
}

func checkSchedule(waits []time.Duration) error {
	if len(waits) > MaxRetries {
		return fmt.Errorf("the retry schedule has %d waits; at most %d are possible", len(waits), MaxRetries)
	}
	for _, wait := range waits {
		if wait < time.Second || wait > MaxRetryWait || wait%time.Second != 0 {
			return fmt.Errorf("the wait %s in the retry schedule must be between 1s and %s, in whole seconds", wait, MaxRetryWait)
		}
	}
	return nil
}

func checkURL(text string) error {
	if text == "" {
		return errors.New("the URL is empty; write it as https://host/path")
	}
	if len(text) > MaxURL {
		return fmt.Errorf("the URL is longer than %d bytes", MaxURL)
	}
	u, err := url.Parse(text)
	if err != nil || !utf8.ValidString(text) {
		return errors.New("the URL cannot be read; write it as https://host/path")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("the URL must be absolute, with http or https and a host, as https://host/path")
	}
	if u.User != nil {
		return errors.New("the URL must hold no user and no password; send them in a header, as 'Authorization: Basic …'")
	}
	if strings.Contains(text, "#") {
		return errors.New("the URL must have no fragment; leave out what follows the #")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("the URL's port must be between 1 and 65535, not %.20s", port)
		}
	}
	return nil
}

// ReservedHeader says why a header cannot be chosen for what is sent to a destination; "" where it can.
func ReservedHeader(name string) string {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection", "Upgrade", "Te", "Keep-Alive", "Expect",
		"Proxy-Connection", "Proxy-Authorization", "Http2-Settings":
		return "belongs to the connection" // Go's client would leave it out, or send what cannot be read
	case "Content-Type", "Content-Encoding", "X-Plenigo-Api-Version":
		return "goes along as the event has it, because it says how the body is to be read"
	case "User-Agent":
		return "tells the receiver which Recall is calling"
	case "Idempotency-Key":
		return "is set by Recall, the same for every try of one event"
	case "Traceparent":
		return "is set by Recall where events are traced"
	case "Plenigo-Signature":
		return "is set by Recall where the signing is plenigo"
	}
	switch {
	case strings.HasPrefix(name, "Webhook-"):
		return "is set by Recall where the signing is standard-webhooks"
	case strings.HasPrefix(name, "Recall-"):
		return "begins with Recall-, and those tell the receiver what the request is"
	}
	return ""
}

// checkSentHeader checks a header that goes along to a destination.
func checkSentHeader(h verify.Header) error {
	if err := checkPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, Headers: []verify.Header{h}}); err != nil {
		return err
	}
	name := http.CanonicalHeaderKey(h.Name)
	if why := ReservedHeader(name); why != "" {
		return fmt.Errorf("the header %s cannot be chosen: it %s", name, why)
	}
	if len(h.Value) > MaxHeaderValue {
		return fmt.Errorf("the value of the header %s is longer than %d KiB", name, MaxHeaderValue>>10)
	}
	if !utf8.ValidString(h.Value) {
		return fmt.Errorf("the value of the header %s is not valid UTF-8", name)
	}
	return nil
}
