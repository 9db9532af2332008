package web

import (
	"context"
	"io"
	"net/http"
	"time"
)

// healthLive says that the process runs and answers.
func (s *server) healthLive(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "live\n")
	return nil
}

// healthReady says whether this instance can do its work; the reason stays in the log, since anyone may ask.
func (s *server) healthReady(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := s.Ready(ctx); err != nil {
		s.Log.Warn("not ready", "error", err)
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "not ready: the database does not answer, or its schema is not up to date\n")
		return nil
	}
	io.WriteString(w, "ready\n")
	return nil
}
