package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"recall/store"
)

const (
	exportMost  = 4                // files written at a time
	exportWrite = 30 * time.Second // a reader may take for a piece
)

// takeExport takes one of the places for files of any length, until it is given back.
func (s *server) takeExport(w http.ResponseWriter) (giveBack func(), err error) {
	select {
	case s.exports <- struct{}{}:
		return func() { <-s.exports }, nil
	default:
		w.Header().Set("Retry-After", "60")
		return nil, &statusError{http.StatusServiceUnavailable, fmt.Sprintf("%d exports are under way. Try again when one of them is done.", exportMost)}
	}
}

// attachment says that the answer is a file, which a browser keeps and never shows.
func attachment(w http.ResponseWriter, name, contentType string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox")
}

// stamped is a file's name with the time in it.
func (s *server) stamped(name, ext string) string {
	return name + "-" + s.Now().UTC().Format("20060102-150405") + "." + ext
}

// download writes a file of any length, piece by piece. The returned error is for the audit list: brokenOff ends the answer.
func download(w http.ResponseWriter, name, contentType string, write func(io.Writer) error) error {
	attachment(w, name, contentType)
	out := bufio.NewWriterSize(&patientWriter{w: w, control: http.NewResponseController(w)}, 32<<10)
	if err := write(out); err != nil {
		return err
	}
	return out.Flush()
}

// brokenOff ends an answer whose file could not be finished without its proper end, so that browsers tell it from a whole one.
func (s *server) brokenOff(r *http.Request, name string, err error) {
	if err == nil {
		return
	}
	if r.Context().Err() == nil {
		s.Log.Error("a file broke off", "name", name, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// auditEnd writes down how a file ended, also where its reader has gone.
func (s *server) auditEnd(r *http.Request, e store.AuditEntry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	if err := s.DB.AddAudit(ctx, e); err != nil {
		s.Log.Error("audit entry not written", "action", e.Action, "error", err)
	}
}

// patientWriter lifts the server's time limits of a whole request: each write has its own.
type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if !p.begun {
		p.begun = true
		if err := p.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
	}
	if err := p.control.SetWriteDeadline(time.Now().Add(exportWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}
