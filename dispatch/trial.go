package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"recall/store"
)

// triggerTest is what the receiver of a trial is told. No delivery has it.
const triggerTest store.Trigger = "test"

// ErrNoSource: a trial that is to be signed by a source's secret needs one.
var ErrNoSource = errors.New("it is signed by a source's secret, and there is no source with one that is valid now: add one, or give the destination a signing secret of its own")

// Try sends a test request to a destination now, whatever its state, and tells what came of it: headers, signature and egress
// guard are those of every attempt, the body is of the type RECALL_TEST, and headers of their own mark it. It is signed by
// the source's secret where the destination has none of its own; nil: by that of the first source that has a valid one.
// It counts for nothing, and waits for no limit.
func (d *Dispatcher) Try(ctx context.Context, destination *store.Destination, source *store.Source) (*store.Trial, error) {
	if destination.Unreadable {
		return nil, errors.New("what is secret of it cannot be opened with this program's key, so nothing is sent to it")
	}
	now := d.now()
	if source == nil {
		if destination.Signing == store.SigningPlenigo && len(destination.Secrets) == 0 {
			var err error
			if source, err = d.signingSource(ctx); err != nil {
				return nil, err
			}
		} else {
			source = &store.Source{Slug: "test"}
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(struct {
		EntityType   string   `json:"entityType"`
		CallbackType string   `json:"callbackType"`
		EntityID     string   `json:"entityId"`
		Entity       struct{} `json:"entity"`
	}{store.TestEntityType, "TEST", now.UTC().Format("20060102T150405.000000"), struct{}{}})
	if err != nil {
		return nil, err
	}
	t := &task{
		delivery:    &store.Delivery{ID: id, EventID: id, Trigger: triggerTest},
		destination: destination,
		event:       &store.Event{ID: id, Body: body, Header: http.Header{"Content-Type": {"application/json"}}},
		source:      source,
	}
	req, header, err := d.newRequest(t, 1)
	trial := &store.Trial{Method: cmp.Or(destination.Method, http.MethodPost), Body: body}
	trial.Attempt = store.Attempt{Number: 1, StartedAt: now, RequestURL: plainURL(destination.URL), RequestHeader: header}
	if err != nil {
		trial.Error = err.Error()
		return trial, nil
	}
	d.send(ctx, req, destination.Timeout, &trial.Attempt)
	trial.Duration = d.now().Sub(now)
	return trial, nil
}

// signingSource is the first source with a secret that is valid now.
func (d *Dispatcher) signingSource(ctx context.Context) (*store.Source, error) {
	sources, err := d.db.ListSources(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for a secret to sign with: %w", err)
	}
	for _, source := range sources {
		if _, err := signingKey(source, d.now()); err == nil {
			return source, nil
		}
	}
	return nil, ErrNoSource
}
