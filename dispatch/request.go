package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// Headers that say what a request is. Their names are part of what destinations rely on.
const (
	headerEvent          = "Recall-Event"
	headerDelivery       = "Recall-Delivery"
	headerAttempt        = "Recall-Attempt" // number, from 1
	headerTrigger        = "Recall-Trigger" // automatic, manual, replay
	headerReceivedAt     = "Recall-Received-At"
	headerSource         = "Recall-Source" // slug
	headerIdempotencyKey = "Idempotency-Key"
)

// passedOn are the headers of the event that go along as they came: they say how the body is to be read.
var passedOn = []string{"Content-Type", "Content-Encoding", plenigo.HeaderAPIVersion}

// keptSecret stands in an attempt where a destination's own header had its value.
const keptSecret = "(kept secret)"

// newRequest makes the request of one attempt, and the header as it may be written down. Where it cannot be made, the
// error says why, in words for the operator.
func (d *Dispatcher) newRequest(t *task, number int) (*http.Request, http.Header, error) {
	header := http.Header{}
	for _, name := range passedOn {
		if values := t.event.Header[name]; len(values) > 0 {
			header[name] = slices.Clone(values)
		}
	}
	header.Set("User-Agent", d.userAgent)
	header.Set(headerEvent, t.event.ID.String())
	header.Set(headerDelivery, t.delivery.ID.String())
	header.Set(headerAttempt, strconv.Itoa(number))
	header.Set(headerTrigger, string(t.delivery.Trigger))
	header.Set(headerReceivedAt, t.event.ReceivedAt().Format(time.RFC3339Nano))
	header.Set(headerSource, t.source.Slug)
	header.Set(headerIdempotencyKey, idempotencyKey(t.event.ID, t.destination.ID))
	signErr := sign(header, t, d.now())

	recorded := header.Clone()
	for _, h := range t.destination.Headers {
		if !reserved(h.Name) {
			header.Set(h.Name, h.Value)
			recorded.Set(h.Name, keptSecret)
		}
	}
	if signErr != nil {
		return nil, recorded, signErr
	}
	// net/http takes a request with this name in its usual form for safe to be sent twice within one attempt.
	header[strings.ToLower(headerIdempotencyKey)] = header[headerIdempotencyKey]
	delete(header, headerIdempotencyKey)

	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, t.destination.URL, bytes.NewReader(t.event.Body))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return nil, recorded, errors.New("the destination's URL cannot be used: it must be https://host/path or http://host/path")
	}
	req.Header = header
	return req, recorded, nil
}

// idempotencyKey is the same for every attempt and every redispatch of one event to one destination.
func idempotencyKey(event uuid.UUID, destination int64) string {
	return uuid.NewSHA1(event, []byte("destination "+strconv.FormatInt(destination, 10))).String()
}

// sign adds the signature that the destination asks for. What cannot be signed is not sent.
func sign(header http.Header, t *task, now time.Time) error {
	switch t.destination.Signing {
	case store.SigningNone:
		return nil
	case store.SigningPlenigo:
		key, err := signingKey(t.source, now)
		if err != nil {
			return err
		}
		header.Set(plenigo.HeaderSignature, verify.Sign(key, now, t.event.Body))
		return nil
	}
	return fmt.Errorf("not sent: the signing %q is not known to this version of Recall", t.destination.Signing)
}

// signingKey is the source's newest secret that is valid now.
func signingKey(s *store.Source, now time.Time) (string, error) {
	if s.Unreadable {
		return "", fmt.Errorf("not sent: the secrets of the source %q cannot be opened with this program's key, so it cannot be signed", s.Slug)
	}
	var newest *verify.Secret
	for i := range s.Secrets {
		secret := &s.Secrets[i]
		if secret.ValidAt(now) && (newest == nil || !secret.From.Before(newest.From)) {
			newest = secret
		}
	}
	if newest == nil {
		return "", fmt.Errorf("not sent: the source %q has no secret that is valid now, so it cannot be signed; give it one, or set the destination's signing to none", s.Slug)
	}
	return newest.Key, nil
}

// reserved tells whether a header is ours or the connection's, so that a destination's own may not stand in its place.
func reserved(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Host", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Expect",
		"User-Agent", headerIdempotencyKey, plenigo.HeaderSignature:
		return true
	}
	return slices.Contains(passedOn, name) || strings.HasPrefix(name, "Recall-") || strings.HasPrefix(name, "Webhook-")
}

// plainURL is a URL as it may be written down: without user, query and fragment, which may hold secrets.
func plainURL(text string) string {
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
