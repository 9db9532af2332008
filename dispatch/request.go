package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// Headers that say what a request is. Their names are part of what destinations rely on (docs/destinations.md).
const (
	headerEvent          = "Recall-Event"
	headerDelivery       = "Recall-Delivery"
	headerAttempt        = "Recall-Attempt"     // number, from 1
	headerTrigger        = "Recall-Trigger"     // automatic, manual, replay; test
	headerReplay         = "Recall-Replay"      // number of the replay, where the delivery is of one
	headerTest           = "Recall-Test"        // true: no event of plenigo's, but a test
	headerEditedFrom     = "Recall-Edited-From" // id of the event that an edited test was made from
	headerReceivedAt     = "Recall-Received-At"
	headerSource         = "Recall-Source"    // slug
	headerOriginal       = "Recall-Original-" // and the name of a header that the event's own signature stood in
	headerIdempotencyKey = "Idempotency-Key"
	headerTraceparent    = "Traceparent" // of W3C Trace Context; only where events are traced
)

// passedOn are the headers of the event that go along as they came: they say how the body is to be read.
var passedOn = []string{"Content-Type", "Content-Encoding", plenigo.HeaderAPIVersion}

// keptSecret stands in an attempt where a secret header had its value.
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
	if t.delivery.ReplayID != 0 {
		header.Set(headerReplay, strconv.FormatInt(t.delivery.ReplayID, 10))
	}
	if t.delivery.Trigger == triggerTest {
		header.Set(headerTest, "true")
	}
	if t.editedFrom != uuid.Nil {
		header.Set(headerEditedFrom, t.editedFrom.String())
	}
	header.Set(headerReceivedAt, t.event.ReceivedAt().Format(time.RFC3339Nano))
	header.Set(headerSource, t.source.Slug)
	id := idempotencyKey(t.event.ID, t.destination.ID)
	header.Set(headerIdempotencyKey, id)
	if d.tracer != nil && t.delivery.Trigger != triggerTest {
		header.Set(headerTraceparent, d.tracer.Traceparent(t.event.ID, t.delivery.ID, number))
	}
	if t.destination.PassSignature {
		passSignature(header, t)
	}
	signErr := sign(header, t, id, d.now())
	for name, values := range t.extra {
		if store.ReservedHeader(name) == "" {
			header[name] = slices.Clone(values)
		}
	}
	for _, h := range t.destination.ClearHeaders {
		if store.ReservedHeader(h.Name) == "" {
			header.Set(h.Name, h.Value)
		}
	}
	recorded := header.Clone()
	for _, h := range t.destination.Headers {
		if store.ReservedHeader(h.Name) == "" {
			header.Set(h.Name, h.Value)
			recorded.Set(h.Name, keptSecret)
		}
	}
	if signErr != nil {
		return nil, recorded, signErr
	}
	// net/http takes a request with these names in their usual form for safe to be sent twice within one attempt.
	for _, name := range []string{headerIdempotencyKey, "X-" + headerIdempotencyKey} {
		if values := header[name]; values != nil {
			header[strings.ToLower(name)] = values
			delete(header, name)
		}
	}
	method := cmp.Or(t.destination.Method, http.MethodPost)
	req, err := http.NewRequestWithContext(context.Background(), method, t.destination.URL, bytes.NewReader(t.event.Body))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return nil, recorded, errors.New("the destination's URL cannot be used: it must be https://host/path or http://host/path")
	}
	req.Header = header
	return req, recorded, nil
}

// plainURL is a URL as an attempt may keep it.
func plainURL(text string) string { return store.PlainURL(text) }

// idempotencyKey is the same for every attempt and every redispatch of one event to one destination.
func idempotencyKey(event uuid.UUID, destination int64) string {
	return uuid.NewSHA1(event, []byte("destination "+strconv.FormatInt(destination, 10))).String()
}

// passSignature lets the signature that the event came with go along. Its time is of then, so that it proves who sent the
// event, and not that it is fresh.
func passSignature(header http.Header, t *task) {
	scheme := t.source.Scheme
	if scheme == (verify.Scheme{}) {
		scheme = verify.Plenigo
	}
	for _, name := range []string{scheme.Header, scheme.TimeHeader, scheme.IDHeader} {
		name = http.CanonicalHeaderKey(name)
		if values := t.event.Header[name]; name != "" && len(values) > 0 {
			header[headerOriginal+name] = slices.Clone(values)
		}
	}
}

// sign adds the signature that the destination asks for; the id is the idempotency key. What cannot be signed is not sent.
func sign(header http.Header, t *task, id string, now time.Time) error {
	var scheme verify.Scheme
	switch t.destination.Signing {
	case store.SigningNone:
		return nil
	case store.SigningPlenigo:
		scheme = verify.Plenigo
	case store.SigningStandardWebhooks:
		scheme = verify.StandardWebhooks
	default:
		return fmt.Errorf("not sent: the signing %q is not known to this version of Recall", t.destination.Signing)
	}
	keys, err := signingKeys(t, now)
	if err != nil {
		return err
	}
	for i, key := range keys {
		signed, err := scheme.Sign(key, id, now, t.event.Body)
		if err != nil {
			return fmt.Errorf("not sent: a signing secret of the destination cannot be used: %w", err)
		}
		name := http.CanonicalHeaderKey(scheme.Header)
		if i == 0 {
			maps.Copy(header, signed)
			continue
		}
		// One more signature of the same time: what stands after the last separator.
		value := signed.Get(name)
		header.Set(name, header.Get(name)+scheme.Separator+value[strings.LastIndex(value, scheme.Separator)+1:])
	}
	return nil
}

// signingKeys are the secrets to sign with, the first one first: the destination's own, or else the source's newest.
func signingKeys(t *task, now time.Time) ([]string, error) {
	var keys []string
	for _, s := range t.destination.ValidSecrets(now) {
		keys = append(keys, s.Key)
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case len(t.destination.Secrets) > 0 || t.destination.Signing != store.SigningPlenigo:
		return nil, errors.New("not sent: the destination has no signing secret of its own that is valid now, so it cannot be signed; give it one")
	}
	key, err := signingKey(t.source, now)
	return []string{key}, err
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
		return "", fmt.Errorf("not sent: the source %q has no secret that is valid now, so it cannot be signed; give it one, give the destination one of its own, or set its signing to none", s.Slug)
	}
	return newest.Key, nil
}
