package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"recall/mask"
	"recall/store"
)

// shownAttempts is how many of its last attempts a destination's page shows.
const shownAttempts = 20

// destinationShowView is the page of one destination.
type destinationShowView struct {
	page
	Destination destinationView
	Attempts    []lastAttemptView
	Tests       []editedTestRow
	Held        heldView
	Ordered     bool   // the events of an entity go out one after the other
	Health      string // of these attempts, in words; "" where there is none
	Secrets     []signingSecretView
	Own         bool   // it signs by a secret of its own
	Receiver    string // how the receiver checks: plenigo, standard-webhooks, none
	SelfCall    bool   // it is this Recall's own receiver
	MayTest     bool
	RevealURL   string
}

type lastAttemptView struct {
	At       timeView
	Event    link
	Result   mood
	Took     string
	Delivery mood
	Trigger  string
	Number   int
}

// signingSecretView is a signing secret as pages show it.
type signingSecretView struct {
	Made  string
	State mood
	Until string
}

// findDestination finds the destination that the address names.
func (s *server) findDestination(r *http.Request) (*store.Destination, error) {
	d, err := s.DB.FindDestination(r.Context(), r.PathValue("name"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("There is no destination “" + cut(r.PathValue("name"), 80) + "”, or it was removed.")
	}
	if err != nil {
		return nil, fmt.Errorf("finding destination: %w", err)
	}
	return d, nil
}

// findReadable is findDestination that refuses one of which a part could not be read: it would be lost by a change.
func (s *server) findReadable(r *http.Request) (*store.Destination, error) {
	d, err := s.findDestination(r)
	if err == nil && d.Unreadable {
		return nil, refused("A part of this destination’s settings cannot be decrypted, and would be lost. Start Recall with the key that was in use before, or give the part up: recall destination set " + d.Name + " --drop-unreadable")
	}
	return d, err
}

func (s *server) destinationShow(w http.ResponseWriter, r *http.Request) error {
	d, err := s.findDestination(r)
	if err != nil {
		return err
	}
	open, _, err := s.openDeliveries(r.Context())
	if err != nil {
		return err
	}
	attempts, err := s.DB.LastAttempts(r.Context(), d.ID, shownAttempts)
	if err != nil {
		return err
	}
	v := newDestinationShowView(s.newPage(r, d.Name), d, open[d.ID], attempts)
	tests, err := s.DB.ListDestinationTests(r.Context(), d.ID)
	if err != nil {
		return err
	}
	v.Tests = newEditedTestRows(tests, v.page)
	if v.Held, err = s.heldOfDestination(r.Context(), d); err != nil {
		return err
	}
	v.Ordered = d.Ordering == store.OrderEntity
	v.SelfCall = callsItself(d.URL, s.PublicURL)
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, destinationShowPage(v))
}

func newDestinationShowView(p page, d *store.Destination, open openDeliveries, attempts []store.LastAttempt) destinationShowView {
	v := destinationShowView{
		page: p, Destination: newDestinationView(d, open, p.Now), Own: len(d.Secrets) > 0, Receiver: string(d.Signing),
		MayTest: !d.Unreadable && p.maySend(), RevealURL: destinationURL(d.Name) + "/reveal",
	}
	good := 0
	for _, a := range attempts {
		view := newLastAttemptView(a, p)
		if view.Result.Tone == toneGood {
			good++
		}
		v.Attempts = append(v.Attempts, view)
	}
	if n := len(attempts); n > 0 {
		v.Health = fmt.Sprintf("%d of its last %s succeeded", good, plural(n, "delivery", "deliveries"))
	}
	for _, secret := range slices.Backward(d.Secrets) {
		view := signingSecretView{Made: setTime(secret.MadeAt), State: mood{toneGood, "check", "signs"}, Until: "no end"}
		if !secret.Until.IsZero() {
			view.State, view.Until = mood{toneWarn, "clock", "signs too"}, "until "+setTime(secret.Until)
			if !p.Now.Before(secret.Until) {
				view.State, view.Until = mood{toneIdle, "dash", "ended"}, setTime(secret.Until)
			}
		}
		v.Secrets = append(v.Secrets, view)
	}
	return v
}

func newLastAttemptView(a store.LastAttempt, p page) lastAttemptView {
	entity, callback := typeWords(a.EntityType, a.Callback)
	text := cmp.Or(entity, "Event")
	if callback != "" {
		text += " " + callback
	}
	shown := newAttemptView("", &store.Attempt{Number: a.Number, StartedAt: a.StartedAt, Duration: a.Duration, Status: a.Status, Error: a.Error}, a.State, mask.Default(), mask.Reveal{})
	if a.Error != "" {
		shown.Result = mood{toneBad, "cross", cut(a.Error, 200)}
	}
	return lastAttemptView{
		At: newTime(a.StartedAt, p.Now), Event: link{text, eventURL(a.EventID) + "#deliveries"}, Result: shown.Result, Took: shown.Took,
		Delivery: deliveryMood(a.State), Trigger: string(a.Trigger), Number: a.Number,
	}
}
