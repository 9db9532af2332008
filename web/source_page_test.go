package web

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"recall/store"
)

// sentTest records a test callback as if the receiver had taken it. A source named "away" has none.
type sentTest struct {
	t    testing.TB
	site *site
}

func (s sentTest) SendTest(_ context.Context, source *store.Source) (uuid.UUID, error) {
	if source.Name == "away" {
		return uuid.Nil, errors.New("the receiver does not answer")
	}
	return s.site.record(s.t, `{"entityType":"RECALL_TEST","callbackType":"TEST","entityId":"1","entity":{}}`).ID, nil
}
