package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"recall/store"
)

// redispatchTime bounds how long one press of the button works; what is left is said.
const redispatchTime = 20 * time.Second

// readGroup reads which group a form is about. The destination is one that is not removed, or nil.
func (s *server) readGroup(r *http.Request) (key store.ExhaustedKey, d *store.Destination, reason string, err error) {
	if err := r.ParseForm(); err != nil {
		return key, nil, "", formError(err)
	}
	if reason, err = readReason(r); err != nil {
		return key, nil, "", err
	}
	key.Error = r.PostForm.Get("error")
	key.DestinationID, err = strconv.ParseInt(r.PostForm.Get("group"), 10, 64)
	var statusErr error
	key.Status, statusErr = strconv.Atoi(r.PostForm.Get("status"))
	if err != nil || statusErr != nil || plainText(key.Error) != key.Error {
		return key, nil, "", mistake("The form does not say which deliveries are meant. Open the page again.")
	}
	d, err = s.DB.FindDestinationByID(r.Context(), key.DestinationID)
	if errors.Is(err, store.ErrNotFound) {
		return key, nil, reason, nil
	}
	return key, d, reason, err
}

// exhaustedDone goes back to the list, which says what was done.
func (s *server) exhaustedDone(w http.ResponseWriter, r *http.Request, message string) error {
	return s.done(w, r, exhaustedURL(r.PostForm.Get("only")), message)
}

// exhaustedRedispatch sends a group again, oldest first, one event after the other as a person would: each has its own new
// delivery and its own entry in the audit list. A batch at a time: what is left stands in the list as before.
func (s *server) exhaustedRedispatch(w http.ResponseWriter, r *http.Request) error {
	key, d, reason, err := s.readGroup(r)
	switch {
	case err != nil:
		return err
	case d == nil:
		return mistake("The destination was removed, so nothing can be sent to it.")
	case d.State != store.DestinationActive:
		return mistake("The destination " + d.Name + " is " + string(d.State) + ": nothing is sent to it until it is active again.")
	case reason == "":
		return mistake("Say why they are sent again: it stands in the audit list with your name.")
	}
	events, err := s.DB.ExhaustedEvents(r.Context(), key, exhaustedBatch+1)
	if err != nil {
		return err
	}
	more := len(events) > exhaustedBatch
	events = events[:min(len(events), exhaustedBatch)]
	ctx, cancel := context.WithTimeout(r.Context(), redispatchTime)
	defer cancel()
	sent, failed, first := 0, 0, error(nil)
	for _, id := range slices.Compact(events) {
		_, err := s.Redispatch.Redispatch(ctx, store.Redispatch{EventID: id, Destination: d.Name, By: userOf(r).Name, Reason: reason})
		if ctx.Err() != nil {
			more = true
			break
		}
		if err != nil {
			if failed++; first == nil {
				first = err
			}
			s.Log.Warn("an exhausted delivery could not be sent again", "event_id", id, "destination", d.Name, "error", err)
			continue
		}
		sent++
	}
	if sent == 0 && first != nil {
		if s.databaseAway(r) {
			return first
		}
		return mistake("None of them could be sent again. The first: " + cut(first.Error(), 300) + ".")
	}
	message := plural(sent, "event is", "events are") + " being sent again to " + d.Name + "."
	if failed > 0 {
		message += " " + plural(failed, "event", "events") + " could not be sent, and stand" + map[bool]string{true: "s", false: ""}[failed == 1] + " below still. The first: " + cut(plainText(first.Error()), 200) + "."
	}
	if more {
		message += " There are more of this kind: they stand below still."
	}
	return s.exhaustedDone(w, r, message)
}

// exhaustedLetGo gives a group up for good, with a reason.
func (s *server) exhaustedLetGo(w http.ResponseWriter, r *http.Request) error {
	key, d, reason, err := s.readGroup(r)
	switch {
	case err != nil:
		return err
	case reason == "":
		return mistake("Say why they are not needed: it stands in the audit list with your name.")
	}
	subject := "destination " + strconv.FormatInt(key.DestinationID, 10)
	if d != nil {
		subject = d.Name
	}
	n, err := s.DB.LetGo(r.Context(), key, store.MostExhausted, s.note(r, "delivery.let_go", subject, reason, map[string]any{"status": key.Status, "error": key.Error}))
	if err != nil {
		return err
	}
	return s.exhaustedDone(w, r, plural(n, "delivery is", "deliveries are")+" let go: cancelled, with all attempts on record.")
}
