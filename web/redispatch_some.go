package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
)

// What can be done with one of several events. The destination's stale guard asks for each by itself.
const (
	doSend   = "send"
	doNewest = "newest" // the newest of its entity instead
	doAnyway = "anyway" // though newer ones are there
	doSkip   = "skip"
)

// redispatchSomeView asks about several marked events before they are sent again.
type redispatchSomeView struct {
	page
	Count        string
	IDs          []string
	Destinations []choice
	To           string // "": it is to be chosen first
	Standstill   string // what becomes of deliveries to a destination that is not active; ""
	Rows         []redispatchRow
	Sendable     bool // one of them can be sent
	AsksReason   bool // there are more than may be sent without one
	ReasonAbove  string
	Reason       string
	Wrong        string // what is missing of the form that was sent; ""
	ReplayURL    string // plans a replay of them instead
}

// redispatchRow is one of the events: how it stands at the destination, and what can be done.
type redispatchRow struct {
	eventRow
	State   mood
	Notes   []string
	Newest  link // newer events of its entity are there: the newest; zero: none are
	Choices []choice
	Choice  string // of them
	choices []string
	newest  uuid.UUID
	id      uuid.UUID
}

// redispatchNew shows what was marked in the list. Where nothing was, it is all that the filter finds, by a replay.
func (s *server) redispatchNew(w http.ResponseWriter, r *http.Request) error {
	values := r.URL.Query()
	if len(values["id"]) == 0 {
		http.Redirect(w, r, replayNewURL(values.Get("q"), values.Get("to")), http.StatusSeeOther)
		return nil
	}
	v, err := s.newRedispatchSome(r, values)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, redispatchSomePage(v))
}

// newRedispatchSome looks at the events and the destination that are named, and at what was chosen before.
func (s *server) newRedispatchSome(r *http.Request, values url.Values) (redispatchSomeView, error) {
	v := redispatchSomeView{page: s.newPage(r, "Redispatch"), ReasonAbove: grouped(int64(s.DB.ReasonAbove))}
	v.Section = "events"
	ids, err := markedIDs(values["id"])
	if err != nil {
		return v, err
	}
	for _, id := range ids {
		v.IDs = append(v.IDs, id.String())
	}
	v.Title = "Redispatch " + plural(len(ids), "event", "events")
	v.Count = plural(len(ids), "marked event", "marked events")
	v.ReplayURL = replayNewURL(string(filter.KeyID)+":"+strings.Join(v.IDs, ","), values.Get("to"))
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return v, fmt.Errorf("listing destinations: %w", err)
	}
	to := values.Get("to")
	if len(destinations) == 1 {
		to = cmp.Or(to, destinations[0].Name)
	}
	var destination *store.Destination
	for _, d := range destinations {
		v.Destinations = append(v.Destinations, destinationChoice(d))
		if d.Name == to {
			destination, v.To = d, d.Name
		}
	}
	if to != "" && destination == nil {
		return v, mistake("There is no destination “" + cut(to, 100) + "”.")
	}
	if destination == nil {
		return v, nil
	}
	v.Standstill = standstillWords(destination)
	events, err := s.DB.ListEventsByID(r.Context(), ids)
	if err != nil {
		return v, fmt.Errorf("reading the marked events: %w", err)
	}
	sent, err := s.DB.FindSent(r.Context(), destination.ID, ids)
	if err != nil {
		return v, err
	}
	sendable := 0
	slices.Reverse(events) // oldest first: so they are sent
	for i := range events {
		row, err := s.newRedispatchRow(r, &events[i], destination, sent[events[i].ID])
		if err != nil {
			return v, err
		}
		if choice := values.Get("do." + row.ID); slices.Contains(row.choices, choice) {
			row.Choice = choice
		}
		if len(row.choices) > 0 {
			sendable++
		}
		v.Rows = append(v.Rows, row)
	}
	v.Sendable = sendable > 0
	v.AsksReason = s.DB.ReasonAbove > 0 && sendable > s.DB.ReasonAbove
	if missing := len(ids) - len(events); missing > 0 {
		v.Messages = append(v.Messages, plural(missing, "marked event is", "marked events are")+" no longer there.")
	}
	return v, nil
}

// markedIDs reads the ids of marked events, each once.
func markedIDs(texts []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil || len(texts) > pageLength {
			return nil, mistake("In the address, id must be the id of an event, and there at most " + plural(pageLength, "time", "times") + ".")
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *server) newRedispatchRow(r *http.Request, e *store.EventSummary, to *store.Destination, sent store.Sent) (redispatchRow, error) {
	now := s.Now()
	row := redispatchRow{eventRow: newEventRow(e, eventQuery{}, now, habitsOf(r.Context())), id: e.ID, State: mood{toneGood, "check", "can be sent"}}
	if !e.AcceptedNow() {
		row.State = mood{toneBad, "cross", "not sent"}
		row.Notes = []string{"It was rejected. If it is genuine, mend the cause and check it again."}
		return row, nil
	}
	newer, err := s.DB.FindNewer(r.Context(), &store.Event{
		ID: e.ID, SourceID: e.SourceID, BodySHA256: e.BodySHA256, Envelope: plenigo.Envelope{EntityType: e.EntityType, EntityID: e.EntityID},
	}, to.ID)
	if err != nil {
		return row, err
	}
	if !sent.Delivered.IsZero() {
		row.State = mood{toneInfo, "check", "delivered"}
		row.Notes = append(row.Notes, "It was delivered there "+age(sent.Delivered, now)+".")
	}
	if sent.Open {
		row.State = mood{toneInfo, "dots", "on its way"}
		row.Notes = append(row.Notes, "A delivery of it there has not ended.")
	}
	row.choices, row.Choice = []string{doSend, doSkip}, doSend
	if sent.Open {
		row.Choice = doSkip
	}
	if newer.Count > 0 {
		row.State = mood{toneWarn, "clock", "stale"}
		row.newest, row.Newest = newer.Newest, link{newer.Newest.String(), eventURL(newer.Newest)}
		words, has := newerWords(newer, to.Name, now)
		row.Notes = append(row.Notes, words+".", has)
		row.choices, row.Choice = []string{doNewest, doAnyway, doSkip}, doNewest
		if !newer.NewestDelivered.IsZero() {
			row.Choice = doSkip
		}
	}
	for _, c := range row.choices {
		row.Choices = append(row.Choices, choice{c, map[string]string{
			doSend: "Send it", doNewest: "Send the newest instead", doAnyway: "Send it anyway", doSkip: "Leave it",
		}[c]})
	}
	return row, nil
}

// redispatchSome sends what was chosen, one event after the other, as from their pages.
func (s *server) redispatchSome(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	v, err := s.newRedispatchSome(r, r.PostForm)
	if err != nil {
		return err
	}
	if v.Reason = reason; v.To == "" {
		return mistake("Choose the destination the events are to be sent to.")
	}
	if v.Wrong = whatIsMissing(v, r.PostForm, s.DB.ReasonAbove); v.Wrong != "" {
		return s.render(w, r, http.StatusConflict, redispatchSomePage(v))
	}
	done := s.sendSome(r, v)
	if done.sent == 0 && done.first != nil {
		if s.databaseAway(r) {
			return done.first
		}
		return mistake("None of them could be sent. The first: " + cut(done.first.Error(), 300) + ".")
	}
	return s.done(w, r, filterURL(filter.KeyID, strings.Join(v.IDs, ",")), done.words(v))
}

// whatIsMissing tells why nothing is sent: each event has to be decided on as it stands now.
func whatIsMissing(v redispatchSomeView, form url.Values, reasonAbove int) string {
	sending, anyway := 0, false
	for _, row := range v.Rows {
		if len(row.choices) == 0 {
			continue
		}
		if !slices.Contains(row.choices, form.Get("do."+row.ID)) {
			return "Things have changed since this page was made, so nothing was sent. Look at what is chosen for each event, and send them then."
		}
		if row.Choice != doSkip {
			sending++
		}
		anyway = anyway || row.Choice == doAnyway
	}
	switch {
	case sending == 0:
		return "Nothing was sent: every event is left."
	case anyway && v.Reason == "":
		return "Say why an older state is sent over a newer one: it stands in the audit list and at each delivery."
	case reasonAbove > 0 && sending > reasonAbove && v.Reason == "":
		return "Say why so many events are sent again: it stands in the audit list and at each delivery."
	}
	return ""
}

// sentSome is what came of several.
type sentSome struct {
	sent, left, failed int
	first              error
}

func (s *server) sendSome(r *http.Request, v redispatchSomeView) (done sentSome) {
	ctx, cancel := context.WithTimeout(r.Context(), redispatchTime)
	defer cancel()
	taken := map[uuid.UUID]bool{} // the newest may stand in for several
	for _, row := range v.Rows {
		wish := store.Redispatch{EventID: row.id, Destination: v.To, By: userOf(r).Name, Reason: v.Reason, Anyway: row.Choice == doAnyway}
		if row.Choice == doNewest {
			wish.EventID = row.newest
		}
		if len(row.choices) == 0 || row.Choice == doSkip || taken[wish.EventID] {
			done.left++
			continue
		}
		taken[wish.EventID] = true
		_, err := s.Redispatch.Redispatch(ctx, wish)
		if err != nil {
			if ctx.Err() != nil {
				err = errors.New("there was no time for it")
			}
			done.failed, done.first = done.failed+1, cmp.Or(done.first, err)
			s.Log.Warn("a marked event could not be sent again", "event_id", wish.EventID, "destination", v.To, "error", err)
			continue
		}
		done.sent++
	}
	return done
}

func (d sentSome) words(v redispatchSomeView) string {
	text := plural(d.sent, "event is", "events are") + " being sent to " + v.To + "."
	if v.Standstill != "" {
		text = plural(d.sent, "event is", "events are") + " in the queue to " + v.To + ". " + v.Standstill
	}
	if d.left > 0 {
		text += " " + plural(d.left, "was", "were") + " left."
	}
	if d.failed > 0 {
		text += " " + plural(d.failed, "event", "events") + " could not be sent. The first: " + cut(plainText(d.first.Error()), 200) + "."
	}
	return text
}

// destinationChoice is a destination in a form, with its state where that is not the usual one.
func destinationChoice(d *store.Destination) choice {
	word := d.Name
	if d.State != store.DestinationActive {
		word += " (" + string(d.State) + ")"
	}
	return choice{d.Name, word}
}

// standstillWords says what becomes of a delivery to a destination that is not active; "" where it is.
func standstillWords(d *store.Destination) string {
	switch d.State {
	case store.DestinationPaused:
		return "The destination is paused: what is sent waits until somebody resumes it."
	case store.DestinationBroken:
		return "The destination is broken: what is sent by hand is tried once at once. If that succeeds, the destination is active again, and all that waits for it goes out; if not, it waits with the others."
	}
	return ""
}

// newerWords says what is newer than an event, and what of it a destination has.
func newerWords(n store.Newer, to string, now time.Time) (words, has string) {
	words = plural(n.Count, "newer event", "newer events") + " of this entity came since"
	if n.Count >= store.MostNewer {
		words = "At least " + words
	}
	switch {
	case !n.NewestDelivered.IsZero():
		has = "The newest was delivered to " + to + " " + age(n.NewestDelivered, now) + "."
	case n.Delivered > 0:
		has = "The newest was not delivered to " + to + ", but " + plural(n.Delivered, "other was", "others were") + "."
	default:
		has = "None of them was delivered to " + to + "."
	}
	return words, has
}
