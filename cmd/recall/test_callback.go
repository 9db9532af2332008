package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// testSender sends a source's test callback to this program's own receiver, over HTTP, so that it goes the way of every
// callback.
type testSender struct {
	receiver ownReceiver
	live     *store.Live
	now      func() time.Time
}

const (
	testTimeout = 30 * time.Second
	testPatient = 3 * time.Second // a changed source is in use after at most two
)

// SendTest signs with the newest secret that is valid now.
func (t *testSender) SendTest(ctx context.Context, source *store.Source) (uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	t.wait(ctx, source)
	request, err := t.request(ctx, source)
	if err != nil {
		return uuid.Nil, err
	}
	client := &http.Client{Transport: t.receiver.through}
	response, err := client.Do(request)
	if err != nil {
		return uuid.Nil, fmt.Errorf("the receiver at %s does not answer", t.receiver.url)
	}
	defer response.Body.Close()
	said, err := readAnswer(response.StatusCode, response.Body)
	if err != nil || said.Event == uuid.Nil {
		return uuid.Nil, fmt.Errorf("the receiver answered %d and named no event", response.StatusCode)
	}
	return said.Event, nil
}

// wait gives the receiver the time to follow a change that was made just now.
func (t *testSender) wait(ctx context.Context, source *store.Source) {
	ctx, cancel := context.WithTimeout(ctx, testPatient)
	defer cancel()
	for {
		held, found := t.live.SourceByID(source.ID)
		if found && held.Revision >= source.Revision || !every(ctx, 50*time.Millisecond) {
			return
		}
	}
}

// request is the callback. Its body says what it is, in the form of plenigo's, and is like no other one.
func (t *testSender) request(ctx context.Context, source *store.Source) (*http.Request, error) {
	now := t.now()
	secrets := source.ValidSecrets(now)
	if len(secrets) == 0 {
		return nil, errors.New("the source has no secret that is valid now")
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
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.receiver.url+"/callbacks/"+source.Slug, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	signed, err := source.Scheme.Sign(secrets[len(secrets)-1].Key, uuid.NewString(), now, body)
	if err != nil {
		return nil, err
	}
	for name, values := range signed {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "recall-test")
	if source.Basic != nil {
		request.SetBasicAuth(source.Basic.User, source.Basic.Password)
	}
	for _, h := range source.Headers {
		request.Header.Set(h.Name, h.Value)
	}
	return request, nil
}
