package web

import (
	"fmt"
	"net/http"

	"recall/store"
	"recall/verify"
)

// erasedError is asked-for content that was erased. What is left of it can be shown.
type erasedError struct{ stone *store.Tombstone }

func (e *erasedError) Error() string { return e.stone.Words() }
func (e *erasedError) Unwrap() error { return gone(e.stone.Words()) }

// tombstoneView is what is left of an erased event.
type tombstoneView struct {
	page
	ID         string
	Entity     string
	Callback   string
	Verdict    mood
	Says       string
	Received   timeView
	ReceivedAt string
	ErasedAt   string
	Erased     timeView
	By         string
	Case       link // URL "" where the reader may not see it
	Kept       bool
	Source     string
	Reason     string
	Answered   string
	Tone       string
	Arrival    string
	APIVersion string
	Size       string
	SHA256     string
	Sent       []tombstoneDelivery
}

type tombstoneDelivery struct {
	Destination, Trigger, Attempts string
	State                          mood
	At                             timeView
}

// tombstoneShow is the page of an erased event. It is gone, and says so by its status.
func (s *server) tombstoneShow(w http.ResponseWriter, r *http.Request, stone *store.Tombstone) error {
	source, err := s.sourceOf(r, stone.SourceID)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusGone, tombstonePage(newTombstoneView(s.newPage(r, "Erased event"), stone, source.Name)))
}

func newTombstoneView(p page, t *store.Tombstone, source string) tombstoneView {
	v := tombstoneView{
		page: p, ID: t.EventID.String(), Verdict: verdictMood(verify.Verdict(t.Verdict)), Received: newTime(t.ReceivedAt(), p.Now), ReceivedAt: p.habits.exact(t.ReceivedAt()),
		Erased: newTime(t.ErasedAt, p.Now), ErasedAt: p.habits.exact(t.ErasedAt), By: t.ErasedBy, Case: link{Text: fmt.Sprintf("case %d", t.CaseID)}, Kept: t.Recorded, Source: source,
		Reason: reasonWords(verify.Reason(t.Reason)), Answered: statusWords(t.Answered), Tone: statusTone(t.Answered), APIVersion: t.APIVersion, Size: size(t.Size),
		SHA256: fmt.Sprintf("%x", t.BodySHA256),
	}
	if p.may(store.RightErase) {
		v.Case.URL = erasureURL(t.CaseID)
	}
	v.Entity, v.Callback = typeWords(t.EntityType, t.CallbackType)
	v.Says = "Its content is destroyed. What is left is told below. It cannot be shown, verified or sent again."
	if !t.Recorded {
		v.Says = "It was not kept: an equal one, or the person it is about, had been erased. It was answered, and cannot be shown, verified or sent again."
	}
	if t.Arrival > 1 {
		v.Arrival = ordinal(t.Arrival) + " arrival"
	}
	for _, d := range t.Deliveries {
		row := tombstoneDelivery{Destination: d.Destination, Trigger: words(d.Trigger), State: deliveryMood(store.DeliveryState(d.State)), Attempts: plural(d.Attempts, "attempt", "attempts")}
		if d.Status != nil {
			row.Attempts += ", " + statusWords(*d.Status)
		}
		if d.At != nil {
			row.At = newTime(*d.At, p.Now)
		}
		v.Sent = append(v.Sent, row)
	}
	return v
}
