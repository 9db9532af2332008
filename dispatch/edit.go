package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// editKeepTime bounds how long it may take to write down what came of an edited test.
const editKeepTime = 10 * time.Second

// SendEdited sends a destination what somebody made of an event, now and once, whatever the destination's state: signed and
// guarded like every attempt, marked as a test, with an id and an idempotency key of its own, so that no receiver takes it for
// the event. It is written down with who and why before it is sent, and with the answer afterwards; it counts for nothing.
//
// What of the wish cannot be is the error of store.Edit.Validate. A rejected event is ErrRejected; an event or a destination
// that is not there is store.ErrNotFound.
func (d *Dispatcher) SendEdited(ctx context.Context, edit store.Edit) (*store.EditedTest, error) {
	if err := edit.Validate(); err != nil {
		return nil, err
	}
	event, destination, err := d.find(ctx, edit.EventID, edit.Destination)
	if err != nil {
		return nil, err
	}
	source, err := d.source(ctx, event.SourceID)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	body, header := edit.Body, edit.Header
	if body == nil {
		body = event.Body
	}
	if header == nil {
		header = event.Header
	}
	made := &store.Event{ID: id, Body: body, Header: http.Header{}}
	extra := http.Header{}
	for name, values := range header {
		name = http.CanonicalHeaderKey(name)
		switch {
		case slices.Contains(passedOn, name):
			made.Header[name] = values
		case edit.Header != nil:
			extra[name] = values
		}
	}
	t := &task{
		delivery: &store.Delivery{ID: id, EventID: id, Trigger: triggerTest}, destination: destination, event: made, source: source,
		editedFrom: event.ID, extra: extra,
	}
	now := d.now()
	req, sent, cannot := d.newRequest(t, 1)
	test := &store.EditedTest{
		ID: id, EventID: event.ID, DestinationID: destination.ID, Destination: destination.Name, By: edit.By, Reason: edit.Reason,
		Method: cmp.Or(destination.Method, http.MethodPost), Edited: !bytes.Equal(body, event.Body), Body: body,
		Attempt: store.Attempt{Number: 1, StartedAt: now, RequestURL: plainURL(destination.URL), RequestHeader: sent},
	}
	if err := d.db.BeginEditedTest(ctx, test); err != nil {
		return nil, err
	}
	switch {
	case destination.Unreadable:
		test.Error = "not sent: what is secret of the destination cannot be opened with this program's key"
	case cannot != nil:
		test.Error = cannot.Error()
	default:
		d.send(ctx, req, destination.Timeout, &test.Attempt)
		test.Duration = d.now().Sub(now)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), editKeepTime)
	defer cancel()
	return test, d.db.EndEditedTest(ctx, test)
}
