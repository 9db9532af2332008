package store

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recall/filter"
	"recall/verify"
)

// Bounds of settings.
const (
	MaxWindow       = 10 * 365 * 24 * time.Hour // of a tolerance and a late window
	MaxURL          = 2000                      // bytes
	MinTimeout      = 100 * time.Millisecond
	MaxTimeout      = 5 * time.Minute
	DefaultTimeout  = 30 * time.Second
	MaxRetries      = 30
	MaxRetryWait    = 30 * 24 * time.Hour
	MaxSourceName   = 200 // characters
	MaxSecretName   = 100 // characters
	MaxTypes        = 200 // expected by one source
	nameFormInWords = "must be lower-case letters, digits and hyphens, up to 63 of them, with no hyphen at either end"
)

// nameForm is what a source's slug and a destination's name look like.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// DefaultRetrySchedule is how long a destination's retries wait unless it says otherwise.
func DefaultRetrySchedule() []time.Duration {
	return []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
}

// Validate checks what a person may have entered; ages in the matching rule count back from now. The error names what is
// wrong in one sentence, without any header value and without the URL, which may hold a password.
func (d *Destination) Validate(now time.Time) error {
	if !nameForm.MatchString(d.Name) {
		return fmt.Errorf("the name %.80q %s", d.Name, nameFormInWords)
	}
	if err := checkURL(d.URL); err != nil {
		return err
	}
	if d.Match != nil {
		if _, err := filter.Parse(*d.Match, now); err != nil {
			return fmt.Errorf("the matching rule cannot be read: %w", err)
		}
	}
	switch d.Signing {
	case SigningPlenigo, SigningNone:
	case SigningStandardWebhooks:
		return fmt.Errorf("the signing %s needs a secret of the destination's own, which cannot be kept yet: choose %s or %s", SigningStandardWebhooks, SigningPlenigo, SigningNone)
	default:
		return fmt.Errorf("the signing %.80q must be %s or %s", string(d.Signing), SigningPlenigo, SigningNone)
	}
	switch d.State {
	case DestinationActive, DestinationPaused, DestinationBroken:
	default:
		return fmt.Errorf("the state %.80q must be one of %s, %s, %s", string(d.State), DestinationActive, DestinationPaused, DestinationBroken)
	}
	if d.Timeout < MinTimeout || d.Timeout > MaxTimeout || d.Timeout%time.Millisecond != 0 {
		return fmt.Errorf("the time-out %s must be between %s and %s, in whole milliseconds", d.Timeout, MinTimeout, MaxTimeout)
	}
	if len(d.RetrySchedule) > MaxRetries {
		return fmt.Errorf("the retry schedule has %d waits; at most %d are possible", len(d.RetrySchedule), MaxRetries)
	}
	for _, wait := range d.RetrySchedule {
		if wait < time.Second || wait > MaxRetryWait || wait%time.Second != 0 {
			return fmt.Errorf("the wait %s in the retry schedule must be between 1s and %s, in whole seconds", wait, MaxRetryWait)
		}
	}
	return checkSentHeaders(d.Headers)
}

// checkLine checks a text that people read in one line.
func checkLine(what, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s is empty", what)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s must be one line of text in UTF-8", what)
	case utf8.RuneCountInString(text) > most:
		return fmt.Errorf("%s is longer than %d characters", what, most)
	}
	return nil
}

func checkWindow(what string, d time.Duration) error {
	if d%time.Second != 0 || d > MaxWindow {
		return fmt.Errorf("%s must be whole seconds and at most 10 years, not %s", what, d)
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

// checkSentHeaders checks headers that go along to a destination. Those that the connection needs are not to be chosen:
// Go's HTTP client would leave them out, or send a request that cannot be read.
func checkSentHeaders(headers []verify.Header) error {
	if _, err := verify.NewPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, Headers: headers}); err != nil {
		return err
	}
	for _, h := range headers {
		switch name := http.CanonicalHeaderKey(h.Name); name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection", "Upgrade", "Te", "Keep-Alive":
			return fmt.Errorf("the header %s belongs to the connection and cannot be chosen", name)
		}
		if !utf8.ValidString(h.Value) {
			return fmt.Errorf("the value of the header %s is not valid UTF-8", h.Name)
		}
	}
	for i := range headers {
		if err := checkTwice(headers[:i+1]); err != nil {
			return err
		}
	}
	return nil
}
