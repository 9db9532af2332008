package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/mask"
	"recall/store"
)

const (
	exportPage     = 500             // events read at a time
	exportPatience = 5 * time.Second // a search for a page may take; what it has found by then goes out
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
	reveal, reason, err := readExportReveal(r, payloads)
	if err != nil {
		return err
	}
	rules, err := s.DB.MaskRules(r.Context())
	if err != nil {
		return err
	}
	giveBack, err := s.takeExport(w)
	if err != nil {
		return err
	}
	defer giveBack()
	detail := map[string]any{"filter": text, "format": r.PostForm.Get("format"), "payloads": payloads, "revealed": reveal.Personal, "secrets": reveal.Secrets, "address": address(r)}
	if err := s.DB.AddAudit(r.Context(), s.note(r, actionExport, "events", reason, detail)); err != nil {
		return err
	}
	// The first page is read before anything is said, so that a filter that is too hard gets a page that says so.
	export := &export{s: s, filter: f, payloads: payloads, rules: rules, reveal: reveal}
	if err := export.read(r.Context()); err != nil {
		return err
	}

	name := s.stamped("recall-events", format.ext)
	err = download(w, name, format.contentType, func(out io.Writer) error { return export.write(r.Context(), format.begin(out)) })
	end := map[string]any{"events": export.count, "whole": err == nil}
	maps.Copy(end, detail)
	s.auditEnd(r, s.note(r, actionExport+"ed", "events", reason, end))
	s.brokenOff(r, name, err)
	return nil
}

// readExportReveal reads what of the hidden goes out too, and why. It is one reveal for the whole file, and asked for with it.
func readExportReveal(r *http.Request, payloads bool) (reveal mask.Reveal, reason string, err error) {
	if reason, err = readReason(r); err != nil {
		return reveal, "", err
	}
	reveal.Personal = payloads && r.PostForm.Get("reveal") == "1"
	reveal.Secrets = reveal.Personal && r.PostForm.Get("secrets") == "1"
	switch {
	case !reveal.Personal:
		return reveal, reason, nil
	case !userOf(r).Role.May(store.RightReveal):
		return reveal, "", missingRight(userOf(r), store.RightReveal)
	case reason == "":
		return reveal, "", mistake("Say why what is hidden is to be in the file: it stands in the audit list.")
	}
	return reveal, reason, nil
}

// payload is a body as it goes out: as it came where nothing in it is hidden, or else in clear with what is hidden covered.
func (e *export) payload(event *store.Event) exportPayload {
	plain, _ := unpacked(event, e.s.MaxBody)
	body, found := e.rules.Body(plain, e.reveal)
	if found.Hides(e.reveal) {
		return exportPayload{body, true}
	}
	return exportPayload{event.Body, false}
}

// export goes through the events of a filter.
type export struct {
	s        *server
	filter   filter.Filter
	payloads bool
	rules    *mask.Rules
	reveal   mask.Reveal
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
			var payload exportPayload
			if e.payloads {
				whole, err := e.s.DB.FindEvent(ctx, event.ID)
				if errors.Is(err, store.ErrNotFound) { // erased meanwhile
					continue
				}
				if err != nil {
					return err
				}
				payload = e.payload(whole)
			}
			if err := to.event(event, payload); err != nil {
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
