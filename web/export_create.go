package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

const (
	exportMost     = 4                // exports at a time
	exportPage     = 500              // events read at a time
	exportPatience = 5 * time.Second  // a search for a page may take; what it has found by then goes out
	exportWrite    = 30 * time.Second // a reader may take for a page
)

const actionExport = "event.export"

// exportCreate writes all events that a filter finds into a file, newest first. They are read page by page, each in a short
// transaction of its own, so an export of any length holds one page in memory and nothing in the database. It ends where the
// events end that were there when it began, or with the reader. A file that could not be finished breaks off without its
// proper end, so that browsers tell it from a whole one. Who exports what stands in the audit list before the first byte
// goes out, and how it ended once it has.
func (s *server) exportCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	text := r.PostForm.Get("q")
	f, err := filter.Parse(text, s.Now())
	if err != nil {
		return mistake("The filter has a mistake: " + err.Error())
	}
	format, known := exportFormats[r.PostForm.Get("format")]
	if !known {
		return mistake("The format must be jsonl, csv or csv-semicolon.")
	}
	payloads := format.payloads && r.PostForm.Get("payloads") == "1"
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	default:
		w.Header().Set("Retry-After", "60")
		return &statusError{http.StatusServiceUnavailable, fmt.Sprintf("%d exports are under way. Try again when one of them is done.", exportMost)}
	}
	detail := map[string]any{"filter": text, "format": r.PostForm.Get("format"), "payloads": payloads, "address": address(r)}
	if err := s.DB.AddAudit(r.Context(), s.note(r, actionExport, "events", "", detail)); err != nil {
		return err
	}
	// The first page is read before anything is said, so that a filter that is too hard gets a page that says so.
	export := &export{s: s, filter: f, payloads: payloads}
	if err := export.read(r.Context()); err != nil {
		return err
	}

	h := w.Header()
	h.Set("Content-Type", format.contentType)
	h.Set("Content-Disposition", `attachment; filename="recall-events-`+s.Now().UTC().Format("20060102-150405")+`.`+format.ext+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	out := &patientWriter{w: w, control: http.NewResponseController(w)}
	buffered := bufio.NewWriterSize(out, 32<<10)
	err = export.write(r.Context(), format.begin(buffered))
	if err == nil {
		err = buffered.Flush()
	}
	end := map[string]any{"events": export.count, "whole": err == nil}
	for name, value := range detail {
		end[name] = value
	}
	auditing, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	if auditErr := s.DB.AddAudit(auditing, s.note(r, actionExport+"ed", "events", "", end)); auditErr != nil {
		s.Log.Error("audit entry not written", "action", actionExport+"ed", "error", auditErr)
	}
	if err != nil {
		if r.Context().Err() == nil {
			s.Log.Error("an export broke off", "events", export.count, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// export goes through the events of a filter.
type export struct {
	s        *server
	filter   filter.Filter
	payloads bool
	before   uuid.UUID
	page     store.EventPage
	count    int
}

// read fetches the next page.
func (e *export) read(ctx context.Context) error {
	var err error
	e.page, err = e.s.DB.ListEvents(ctx, store.EventQuery{Filter: e.filter, Limit: exportPage, Before: e.before, Patience: exportPatience})
	if err != nil {
		return fmt.Errorf("reading events to export: %w", err)
	}
	if n := len(e.page.Events); n > 0 {
		e.before = e.page.Events[n-1].ID
	}
	if e.page.Further != uuid.Nil {
		e.before, e.page.Older = e.page.Further, true
	}
	return nil
}

// write writes the page that was read and all that follow.
func (e *export) write(ctx context.Context, to exportWriter) error {
	for {
		for i := range e.page.Events {
			event := &e.page.Events[i]
			var body []byte
			if e.payloads {
				whole, err := e.s.DB.FindEvent(ctx, event.ID)
				if errors.Is(err, store.ErrNotFound) { // erased meanwhile
					continue
				}
				if err != nil {
					return err
				}
				body = whole.Body
			}
			if err := to.event(event, body); err != nil {
				return err
			}
			e.count++
		}
		if !e.page.Older {
			return to.end()
		}
		if err := e.read(ctx); err != nil {
			return err
		}
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
