package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"recall/store"
)

// standbyCookie is set by whatever changes something, and keeps its browser's pages on the primary until the standby must have
// the change: it is not read from while it is further behind.
const (
	standbyCookie = "recall_changed"
	standbyKeep   = store.MostLag + 5*time.Second
)

// heavy lets a page's reads go to the standby, if there is one: a page that asks much, and may be a moment old. Who has just
// changed something sees it, and what the standby breaks off is asked of the primary.
func (s *server) heavy(handle func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := r.Cookie(standbyCookie); err == nil {
			return handle(w, r)
		}
		out := &beganWriter{ResponseWriter: w}
		err := handle(out, r.WithContext(store.OnStandby(r.Context())))
		if errors.Is(err, store.ErrStandby) && !out.began {
			return handle(w, r)
		}
		return err
	}
}

// markChange remembers in the browser that a request changes something, where a standby would not have that yet.
func (s *server) markChange(w http.ResponseWriter, r *http.Request) {
	if _, is := s.DB.Standby(); is && r.Method == http.MethodPost && r.URL.Path != "/events/export" {
		http.SetCookie(w, &http.Cookie{
			Name: standbyCookie, Value: "1", Path: "/", MaxAge: int(standbyKeep / time.Second),
			HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
		})
	}
}

// beganWriter knows whether an answer was begun.
type beganWriter struct {
	http.ResponseWriter
	began bool
}

func (w *beganWriter) WriteHeader(status int) {
	w.began = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *beganWriter) Write(b []byte) (int, error) {
	w.began = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *beganWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// readFrom is what a page says that was read from the standby; "": it was not.
func readFrom(ctx context.Context) string {
	lag, was := store.ReadOnStandby(ctx)
	switch {
	case !was:
		return ""
	case lag < time.Second:
		return "Read from the standby, which is less than a second behind."
	}
	return "Read from the standby, which is " + lag.Truncate(time.Second).String() + " behind."
}
