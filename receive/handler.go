package receive

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

// ServeHTTP answers POST /callbacks/{slug}. The path is taken as it is: http.ServeMux would answer an unclean one with a
// redirect, and many clients turn that into a GET without a body (REFERENCE §4).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.now()
	slug, found := strings.CutPrefix(r.URL.Path, "/callbacks/")
	if !found || slug == "" || strings.Contains(slug, "/") {
		if r.Method == http.MethodPost { // perhaps a callback: a wrong URL is found by it
			h.tally.addUnknown(r, senderText(h.sender(r)))
		}
		h.reply(w, store.LiveSource{}, answerNotFound, http.StatusNotFound, start)
		return
	}
	source, found := h.sources.Source(slug)
	if !found {
		h.tally.addUnknown(r, senderText(h.sender(r)))
		h.reply(w, store.LiveSource{}, answerUnknown, http.StatusNotFound, start)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.reply(w, source, answerMethod, http.StatusMethodNotAllowed, start)
		return
	}
	h.receive(w, r, source, start)
}

// receive takes one callback of a source in, and answers it after its commit.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, source store.LiveSource, start time.Time) {
	sender := h.sender(r)
	byAddress, bySource := h.perAddress.wait(network(sender), start), h.perSource.wait(source.ID, start)
	if wait := max(byAddress, bySource); wait > 0 {
		by := LimitSource
		if byAddress > 0 {
			by = LimitAddress
		}
		h.limited(w, source, by, wait, start)
		return
	}
	room := h.rooms.enter(network(sender))
	defer room.leave()

	var body []byte
	err := errNoRoom
	if room.take(r.Context(), headerSize(r.Header)) {
		body, err = h.readBody(w, r, room)
	}
	if err != nil {
		w.Header().Set("Connection", "close") // what follows on this connection is not worth reading
	}
	size := int64(len(body))
	tooLarge := errors.Is(err, errTooLarge)
	switch {
	case tooLarge:
		body, size = nil, max(size, r.ContentLength)
	case err != nil:
		a, status := unread(err)
		h.tally.addUnstored(source.ID, status)
		h.logLost(source, nil, status, size, start, a.Error)
		if status == http.StatusServiceUnavailable {
			h.meter.Refused(LimitRoom)
		}
		h.reply(w, source, a, status, start)
		return
	}

	var steps Steps
	if h.tracer != nil {
		steps.Begun, steps.Read = start, h.now()
	}
	e := h.newEvent(r, sender, source, body, size, tooLarge)
	if h.tracer != nil {
		steps.Judged = h.now()
	}
	if !e.Verification.Accepted() {
		if kept, first := h.budget.take(source.ID, sender, e.ReceivedAt()); !kept {
			h.overBudget(w, source, e, first, start)
			return
		}
	}
	// Not the request's context: a client that goes away does not take back what it sent.
	ctx, cancel := context.WithTimeout(context.Background(), h.wait)
	defer cancel()
	spooled, err := h.batcher.Record(ctx, e)
	if err != nil {
		h.tally.addUnstored(source.ID, http.StatusServiceUnavailable)
		h.logLost(source, e, http.StatusServiceUnavailable, size, start, err.Error())
		h.reply(w, source, answerUnstored, http.StatusServiceUnavailable, start)
		h.trace(e, source, http.StatusServiceUnavailable, steps)
		return
	}
	if e.Verification.Accepted() {
		h.budget.accepted(source.ID, sender)
	}
	h.logStored(source, e, spooled, start)
	h.reply(w, source, h.answerStored(e), e.Answered, start)
	h.trace(e, source, e.Answered, steps)
}

// trace tells who follows events of one that was answered.
func (h *Handler) trace(e *store.Event, source store.LiveSource, answered int, steps Steps) {
	if h.tracer != nil {
		steps.Answered = h.now()
		h.tracer.Received(e, source.Slug, answered, steps)
	}
}

// limited answers a callback that comes faster than its source or its sender may. It is not read, and makes no line in a log
// at its usual level: that would be a flood of its own.
func (h *Handler) limited(w http.ResponseWriter, source store.LiveSource, by Limit, wait time.Duration, start time.Time) {
	h.meter.Refused(by)
	h.tally.addUnstored(source.ID, http.StatusTooManyRequests)
	h.log.Debug("callback refused: too many", "source", source.Slug)
	w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	h.reply(w, source, answerLimited, http.StatusTooManyRequests, start)
}

// unread is the answer to a request whose body could not be read.
func unread(err error) (answer, int) {
	switch {
	case errors.Is(err, errNoRoom):
		return answerBusy, http.StatusServiceUnavailable
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answerSlow, http.StatusRequestTimeout
	}
	return answerBroken, http.StatusBadRequest
}

// headerSize is about what a header takes in memory.
func headerSize(header http.Header) int64 {
	size := int64(0)
	for name, values := range header {
		for _, value := range values {
			size += int64(len(name) + len(value))
		}
	}
	return size
}

// logStored writes the one line of a callback that became an event. Nothing of its contents stands in it.
func (h *Handler) logStored(source store.LiveSource, e *store.Event, spooled bool, start time.Time) {
	attrs := callbackAttrs(source, e, e.Answered, e.Size, h.now().Sub(start))
	if spooled {
		attrs = append(attrs, slog.Bool("spooled", true))
	}
	if e.Arrival > 1 {
		attrs = append(attrs, slog.String("repeat_of", e.RepeatOf.String()))
	}
	h.log.LogAttrs(context.Background(), slog.LevelInfo, "callback received", attrs...)
}

// logLost writes the one line of a callback that was not stored, or of which that is not known; e is nil where it did
// not arrive whole. The latter is the client's doing, unless there was no room for it, and is named by the code it was
// answered with: net/http's own words may quote the request.
func (h *Handler) logLost(source store.LiveSource, e *store.Event, answered int, size int64, start time.Time, problem string) {
	level := slog.LevelError
	if answered != http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	attrs := append(callbackAttrs(source, e, answered, size, h.now().Sub(start)), slog.String("error", problem))
	h.log.LogAttrs(context.Background(), level, "callback not stored", attrs...)
}

func callbackAttrs(source store.LiveSource, e *store.Event, answered int, size int64, duration time.Duration) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("source", source.Slug), slog.Int("answered", answered), slog.Int64("size", size), slog.Duration("duration", duration),
	}
	if e != nil {
		attrs = append(attrs, slog.String("event_id", e.ID.String()),
			slog.String("verdict", string(e.Verification.Verdict)), slog.String("reason", string(e.Verification.Reason)))
	}
	return attrs
}
