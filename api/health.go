package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"recall/store"
)

// healthJSON is what doctor finds, from within. Whoever made Options.Details writes it; this type describes it.
type healthJSON struct {
	State    string      `json:"state" doc:"The worst of the checks."`
	Version  string      `json:"version"`
	Ready    bool        `json:"ready" doc:"Callbacks should be sent to this instance."`
	Stopping bool        `json:"stopping"`
	Checks   []checkJSON `json:"checks"`
}

type checkJSON struct {
	Check  string `json:"check"`
	State  string `json:"state" enum:"ok,warn,fail"`
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"`
}

func (s *server) healthOperations() {
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflectType[healthJSON](), true, "health")
	addWith(s, operation{id: "health-details", method: http.MethodGet, path: "/health", need: store.RightMetadata, summary: "Say what is wrong with this instance, and what to do about it"}, map[string]*huma.Response{
		"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
	}, s.health)
}

func (s *server) health(_ context.Context, _ *none) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		s.Details.ServeHTTP(w, r)
	}}, nil
}
