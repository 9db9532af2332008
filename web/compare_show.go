package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// compareView is the model of the page that compares two events.
type compareView struct {
	page
	Heading string
	Old     compareSideView
	New     compareSideView
	Shows   []payloadTab // only what differs, or everything
	Folds   []payloadTab // what is not set, as one or apart
	SwapURL string
	Count   string // over the differences
	Notes   []string
	Apart   bool
	Whole   bool // everything is shown
	Table   *changeTable
	Rows    []alignedRow // of everything
	Left    bool         // Rows does not have everything
	Headers []headerChange
	Hidden  hiddenView
}

type compareSideView struct {
	ID        string
	URL       string
	RawURL    string
	Entity    string
	Callback  string
	EntityID  string
	EntityURL string
	Verdict   mood
	Received  timeView
	Exact     string
	ChangedAt string
}

// headerChange is a header that differs.
type headerChange struct {
	Name     string
	Old, New []headerView
}

// compareShow compares two events. In place of the second id stands "previous" for the state known before the first, or
// nothing, with the id in a field of a form.
func (s *server) compareShow(w http.ResponseWriter, r *http.Request) error {
	older, err := s.findEvent(r)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(r.PathValue("other"))
	if err != nil {
		return missing("“" + cut(r.PathValue("other"), 60) + "” is not the id of an event.")
	}
	newer, err := s.findEventByID(r, id)
	if err != nil {
		return err
	}
	v := compareView{page: s.newPage(r, "Compare two events"), Apart: r.URL.Query().Get("unset") == "apart", Whole: r.URL.Query().Get("show") == "all"}
	v.Section = "events"
	look, err := s.sight(r)
	if err != nil {
		return err
	}
	for _, e := range []*store.Event{older, newer} {
		if err := s.seen(r, actionView, e.ID.String()); err != nil {
			return err
		}
	}
	v.fill(older, newer, look, s.MaxBody, habitsOf(r.Context()))
	v.setHidden(older, newer, look, s.MaxBody, s.RevealFor)
	look.renew(w)
	sources := [2]*store.Source{}
	for i, e := range []*store.Event{older, newer} {
		if sources[i], err = s.sourceOf(r, e.SourceID); err != nil {
			return err
		}
	}
	v.Headers = headerChanges(headerViews(older.Header, look.header(sources[0]), look.of(older)), headerViews(newer.Header, look.header(sources[1]), look.of(newer)),
		older.Header, newer.Header)
	return s.render(w, r, http.StatusOK, comparePage(v))
}

// comparePrevious goes to the comparison of an event with the state that was known before it.
func (s *server) comparePrevious(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	if e.Envelope.EntityType == "" || e.Envelope.EntityID == "" {
		return missing("This event names no entity, so there is none before it to compare with.")
	}
	key := store.EntityKey{Type: asciiUpper(e.Envelope.EntityType), ID: e.Envelope.EntityID}
	held, _, err := s.DB.FindState(r.Context(), key, e.ID)
	if errors.Is(err, store.ErrNotFound) {
		return missing("No accepted callback about this entity came before this one, or the time to keep it is over.")
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, compareURL(held.ID, e.ID), http.StatusSeeOther)
	return nil
}

// compareAsk goes to the comparison of the events that were marked in a list, or whose id was typed in. The one that
// arrived first is on the left.
func (s *server) compareAsk(w http.ResponseWriter, r *http.Request) error {
	var ids []uuid.UUID
	for _, text := range r.URL.Query()["id"] {
		text = strings.TrimSpace(text)
		if i := strings.LastIndexByte(text, '/'); i >= 0 { // the address of an event will do
			text = text[i+1:]
		}
		id, err := uuid.Parse(text)
		if err != nil {
			return mistake("“" + cut(text, 60) + "” is not the id of an event. Ids look like 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b.")
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	if len(ids) != 2 {
		return mistake("Two events are compared, not " + plural(len(ids), "one", "of them") + ". Mark two in the list, or write the id of another one.")
	}
	http.Redirect(w, r, compareURL(ids[0], ids[1]), http.StatusSeeOther)
	return nil
}

// fill makes the view of two events.
func (v *compareView) fill(older, newer *store.Event, look sight, maxBody int64, h habits) {
	v.Old, v.New = newCompareSide(older, v.Now, h), newCompareSide(newer, v.Now, h)
	v.Heading = "Two events compared"
	if older.Envelope.EntityID != "" && older.Envelope.EntityID == newer.Envelope.EntityID && strings.EqualFold(older.Envelope.EntityType, newer.Envelope.EntityType) {
		kind, _ := typeWords(newer.Envelope.EntityType, "")
		v.Heading = strings.TrimSpace(cut(plainText(kind), 60)+" "+cut(plainText(newer.Envelope.EntityID), 80)) + ", two events compared"
	}
	result := compareBodies(older, newer, look, maxBody, v.Apart, v.Whole)
	v.Table = newChangeTable(result, maxChanges)
	count := len(v.Table.Rows) + v.Table.More
	v.Count = plural(count, "difference", "differences")
	if count == 0 {
		v.Count = "No difference"
	}
	if result == nil {
		v.Count, v.Whole = "Differences hidden", false
	}
	if v.Whole {
		v.Rows, v.Left = alignedRows(result)
	}
	for name, e := range map[string]*store.Event{"Before": older, "After": newer} {
		if _, note := unpacked(e, maxBody); note != "" {
			v.Notes = append(v.Notes, name+": "+note)
		}
		if len(e.Body) == 0 && e.Size > 0 {
			v.Notes = append(v.Notes, name+": the body of "+size(e.Size)+" was larger than this Recall takes in (RECALL_MAX_BODY) and was not kept.")
		}
	}
	slices.Sort(v.Notes)

	v.Shows = []payloadTab{
		{link{"Only changes", v.address(older, newer, false, v.Apart)}, !v.Whole},
		{link{"Everything", v.address(older, newer, true, v.Apart)}, v.Whole},
	}
	v.Folds = []payloadTab{
		{link{"“Not set” as one", v.address(older, newer, v.Whole, false)}, !v.Apart},
		{link{"Told apart", v.address(older, newer, v.Whole, true)}, v.Apart},
	}
	v.SwapURL = v.address(newer, older, v.Whole, v.Apart)
}

// setHidden says what is hidden on the page, and offers to show what is of both events.
func (v *compareView) setHidden(older, newer *store.Event, look sight, maxBody int64, lasts time.Duration) {
	says, secrets := "", false
	for _, e := range []*store.Event{older, newer} {
		_, _, found := look.body(e, maxBody)
		if found.Hides(look.of(e)) {
			says = "What is personal is hidden. What differs is told all the same."
		}
		secrets = secrets || found.Secret > 0 && !look.of(e).Secrets
	}
	of := []string{revealOf(store.RevealEvent, older.ID.String()), revealOf(store.RevealEvent, newer.ID.String())}
	v.Hidden = look.hidden(says, secrets, lasts, slices.Compact(of), older, newer)
}

func (v *compareView) address(older, newer *store.Event, whole, apart bool) string {
	var query []string
	if whole {
		query = append(query, "show=all")
	}
	if apart {
		query = append(query, "unset=apart")
	}
	url := compareURL(older.ID, newer.ID)
	if len(query) > 0 {
		url += "?" + strings.Join(query, "&")
	}
	return url
}

func newCompareSide(e *store.Event, now time.Time, h habits) compareSideView {
	v := compareSideView{
		ID: e.ID.String(), URL: eventURL(e.ID), RawURL: eventURL(e.ID) + "/raw", EntityID: e.Envelope.EntityID,
		Verdict: verdictMood(e.Verification.Verdict), Received: newTime(e.ReceivedAt(), now),
		Exact: h.exact(e.ReceivedAt()),
	}
	v.Entity, v.Callback = typeWords(e.Envelope.EntityType, e.Envelope.CallbackType)
	if v.EntityID != "" {
		v.EntityURL = entityURL(e.Envelope.EntityType, v.EntityID)
	}
	if !e.Envelope.ChangedAt.IsZero() {
		v.ChangedAt = h.exact(e.Envelope.ChangedAt)
	}
	return v
}

// headerChanges are the headers whose values differ; a hidden value that differs says so and no more.
func headerChanges(older, newer []headerView, olds, news http.Header) []headerChange {
	var changes []headerChange
	at := map[string]int{}
	add := func(list []headerView, side func(*headerChange) *[]headerView) {
		for _, h := range list {
			if slices.Equal(olds[h.Name], news[h.Name]) {
				continue
			}
			i, known := at[h.Name]
			if !known {
				i = len(changes)
				at[h.Name] = i
				changes = append(changes, headerChange{Name: h.Name})
			}
			values := side(&changes[i])
			*values = append(*values, h)
		}
	}
	add(older, func(c *headerChange) *[]headerView { return &c.Old })
	add(newer, func(c *headerChange) *[]headerView { return &c.New })
	slices.SortFunc(changes, func(a, b headerChange) int { return strings.Compare(a.Name, b.Name) })
	return changes
}

// compareURL is the page that compares two events, the older one first.
func compareURL(older, newer uuid.UUID) string {
	return eventURL(older) + "/compare/" + newer.String()
}
