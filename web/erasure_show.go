package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"recall/store"
)

// shownErasureEvents is how many of what a case has found its page lists; what is to be decided comes first.
const shownErasureEvents = 200

// erasureShowView is one case.
type erasureShowView struct {
	page
	ID        int64
	URL       string
	State     mood
	Says      string
	About     erasureSubject
	Sources   string
	Opened    timeView
	By        string
	Reason    string
	Callback  string // that opened it
	Runs      timeView
	RunsAt    string
	Confirmed timeView
	Confirmer string
	Finished  timeView
	Found     []namedCount
	Done      []namedCount
	Tally     store.ErasureTally
	Doubts    []doubtGroup
	Certain   []erasureEventRow
	More      string // that are not listed
	Spools    []spoolLookRow
	Steps     []erasureStepRow
	StepsDone int
	Leftover  []string
	Poll      string
	Open      bool // may be decided, confirmed, cancelled, looked for again
	Endable   bool
	Sure      string // what is typed to confirm
	Closed    bool
}

// doubtGroup is the events that one doubt is about.
type doubtGroup struct {
	Doubt     string
	Rows      []erasureEventRow
	Undecided int
}

// shownDoubts is how many events of a doubt are shown at once; of more it is first said how many there are.
const shownDoubts = 4

// erasureEventRow is one event that a case has found.
type erasureEventRow struct {
	ID, URL          string
	Entity, Callback string
	Received         timeView
	Source           string
	Decision         mood
	Decided          string // by whom, and why
	Held             bool
}

type spoolLookRow struct{ Instance, Says string }

type erasureStepRow struct {
	mood
	Name string
	Says string
	At   timeView
}

func (s *server) erasureShow(w http.ResponseWriter, r *http.Request) error {
	c, err := s.findErasure(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	sources, err := s.sourceNames(r)
	if err != nil {
		return err
	}
	v := newErasureShowView(s.newPage(r, fmt.Sprintf("Case %d", c.ID)), c, sources)
	if v.Tally, err = s.DB.TallyErasure(ctx, c.ID); err != nil {
		return err
	}
	events, err := s.DB.ErasureEvents(ctx, c.ID, shownErasureEvents)
	if err != nil {
		return err
	}
	v.setEvents(events, sources)
	looks, err := s.DB.ListSpoolLooks(ctx, c.ID)
	if err != nil {
		return err
	}
	cleared := slices.ContainsFunc(looks, func(l store.SpoolLook) bool { return l.Erased })
	for _, l := range looks {
		if cleared && !l.Erased { // what was seen there before
			continue
		}
		says := plural(l.Events, "event", "events")
		if l.Erased {
			says += ", cleared"
		}
		if l.Damaged > 0 {
			says += "; " + plural(l.Damaged, "damaged file", "damaged files") + " that cannot be read"
		}
		v.Spools = append(v.Spools, spoolLookRow{l.Instance, says})
	}
	if v.Poll == "" && r.Header.Get("HX-Request") != "" { // the part that renews itself is over: the rest of the page is another one now
		w.Header().Set("HX-Refresh", "true")
	}
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, erasureShowPage(v))
}

func (s *server) findErasure(r *http.Request) (*store.ErasureCase, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return nil, missing("“" + cut(plainText(text), 60) + "” is not the number of a case.")
	}
	c, err := s.DB.FindErasure(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("There is no case " + text + ".")
	}
	return c, err
}

func newErasureShowView(p page, c *store.ErasureCase, sources map[int64]string) erasureShowView {
	v := erasureShowView{
		page: p, ID: c.ID, URL: erasureURL(c.ID), State: erasureMood(c.State), Says: erasureSentence(c), About: newErasureSubject(c), Sources: namesOf(c.Sources, sources),
		Opened: newTime(c.OpenedAt, p.Now), By: c.OpenedBy, Reason: c.Reason, Confirmed: newTime(c.ConfirmedAt, p.Now), Confirmer: c.ConfirmedBy,
		Finished: newTime(c.FinishedAt, p.Now), Found: erasureCounts(c.Found), Done: erasureCounts(c.Done), Leftover: c.Leftover,
		Open: c.State == store.ErasureOpen || c.State == store.ErasureWaiting, Closed: c.State == store.ErasureClosed, Sure: sureOf(c),
	}
	v.Endable = v.Open || c.State == store.ErasureFinding
	if c.ByCallback() {
		v.Callback = eventURL(c.EventID)
	}
	switch c.State {
	case store.ErasureWaiting:
		v.Runs, v.RunsAt = newTime(c.AutomaticAt, p.Now), p.habits.exact(c.AutomaticAt)
	case store.ErasureFinding:
		v.Poll, v.Refresh = "every 1s", 3
	case store.ErasureRunning:
		v.Poll, v.Refresh = "every 2s", 5
	}
	if c.State == store.ErasureRunning || c.State == store.ErasureClosed {
		v.Steps = erasureSteps(c, p)
		v.StepsDone = len(c.Steps)
	}
	return v
}

// sureOf is what is typed to confirm a case.
func sureOf(c *store.ErasureCase) string {
	if c.Single() {
		return "erase"
	}
	return c.Person
}

func erasureSentence(c *store.ErasureCase) string {
	switch c.State {
	case store.ErasureFinding:
		return "What is held is being looked for. Nothing is destroyed by that."
	case store.ErasureOpen:
		if c.Why != "" {
			return upper(c.Why)
		}
		return "This is what was found. Nothing was destroyed so far."
	case store.ErasureWaiting:
		return "This is what was found. It runs by itself when the grace time is over, and can be confirmed or cancelled before."
	case store.ErasureRunning:
		if c.Why != "" {
			return "It waits: " + c.Why + "."
		}
		return "It is being destroyed. This cannot be stopped any more."
	case store.ErasureClosed:
		return "Nothing of it is left here. The certificate says what was destroyed, and what is left to people."
	case store.ErasureCancelled:
		return "It was cancelled, and nothing was destroyed: " + c.Why + "."
	}
	return ""
}

// erasureNames are the counts of a case, in the order in which they are shown.
var erasureNames = []struct{ key, one, many string }{
	{"events", "event", "events"}, {"doubtful", "doubtful event", "doubtful events"}, {"deliveries", "delivery", "deliveries"},
	{"open deliveries", "delivery still open", "deliveries still open"}, {"attempts", "attempt", "attempts"}, {"answers", "answer of a destination", "answers of destinations"},
	{"verifications", "re-verification", "re-verifications"}, {"edited tests", "edited test", "edited tests"},
	{"edited tests of other events", "edited test of another event that names the person", "edited tests of other events that name the person"},
	{"search entries", "entry of the search index", "entries of the search index"}, {"spooled copies", "spooled copy", "spooled copies"},
	{"replay lists", "list of a replay", "lists of replays"}, {"failure samples", "failure that shows one of them", "failures that show one of them"},
	{"saved views", "saved view", "saved views"}, {"filters of replays", "filter or reason of a replay", "filters or reasons of replays"},
	{"filters of re-verifications", "filter or reason of a re-verification", "filters or reasons of re-verifications"},
	{"filters of holds", "filter or reason of a hold", "filters or reasons of holds"}, {"reasons of cases", "reason of a case", "reasons of cases"},
	{"reasons of pauses", "reason of a pause", "reasons of pauses"}, {"notes of alerts", "note of an alert", "notes of alerts"}, {"reasons", "reason at another event", "reasons at other events"},
	{"audit entries", "entry of the audit list", "entries of the audit list"}, {"rules", "matching rule, left to people", "matching rules, left to people"},
	{"held", "on legal hold", "on legal hold"},
}

// erasureCounts are the counts that are not nought.
func erasureCounts(counts map[string]int64) (list []namedCount) {
	for _, name := range erasureNames {
		switch n := counts[name.key]; {
		case n == 1:
			list = append(list, namedCount{"1", name.one})
		case n > 1:
			list = append(list, namedCount{grouped(n), name.many})
		}
	}
	if n := counts["bytes"]; n > 0 {
		list = append(list, namedCount{size(n), "of bodies and headers"})
	}
	return list
}

func (v *erasureShowView) setEvents(events []store.ErasureEvent, sources map[int64]string) {
	for _, e := range events {
		row := erasureEventRow{ID: e.EventID.String(), URL: eventURL(e.EventID), Received: newTime(e.ReceivedAt(), v.Now), Source: sources[e.SourceID], Held: e.Held}
		row.Entity, row.Callback = typeWords(e.EntityType, e.CallbackType)
		switch {
		case e.Erase == nil:
			row.Decision = mood{toneWarn, "question", "to be decided"}
		case *e.Erase:
			row.Decision = mood{toneBad, "cross", "to be erased"}
		default:
			row.Decision = mood{toneIdle, "dash", "left"}
		}
		if e.DecidedBy != "" {
			row.Decided = "by " + e.DecidedBy
			if e.Reason != "" {
				row.Decided += ": " + e.Reason
			}
		}
		if e.Doubt == "" {
			v.Certain = append(v.Certain, row)
			continue
		}
		at := slices.IndexFunc(v.Doubts, func(g doubtGroup) bool { return g.Doubt == e.Doubt })
		if at < 0 {
			at = len(v.Doubts)
			v.Doubts = append(v.Doubts, doubtGroup{Doubt: e.Doubt})
		}
		g := &v.Doubts[at]
		g.Rows = append(g.Rows, row)
		if e.Erase == nil {
			g.Undecided++
		}
	}
	if more := v.Tally.Certain + v.Tally.Undecided + v.Tally.Erase + v.Tally.Left - int64(len(events)); more > 0 {
		v.More = plural(int(more), "more event", "more events")
	}
}

// erasureStepWords say what the steps of a case do.
var erasureStepWords = map[store.ErasureStep]string{
	store.StepFind:    "Look for what came since it was opened",
	store.StepTraces:  "Take the name out of filters, reasons and the audit list",
	store.StepDestroy: "Destroy events with all that hangs on them",
	store.StepSpool:   "Clear the spool of every instance",
	store.StepSettle:  "Wait until no transaction sees them any more",
	store.StepSearch:  "Cut them out of the search index",
	store.StepRewrite: "Write the touched tables and their indexes anew",
	store.StepLog:     "Recycle the write-ahead log",
	"":                "Write the certificate",
}

// erasureSteps are all steps with how far they are. A replayed case begins with a later one.
func erasureSteps(c *store.ErasureCase, p page) (rows []erasureStepRow) {
	done := map[store.ErasureStep]store.ErasureDone{}
	for _, d := range c.Steps {
		done[d.Step] = d
	}
	passed := true // the step under way is not yet reached
	for _, step := range append(append([]store.ErasureStep{}, store.ErasureSteps...), "") {
		row := erasureStepRow{mood: mood{toneIdle, "dash", "to come"}, Name: erasureStepWords[step]}
		d, is := done[step]
		switch {
		case is:
			row.mood, row.Says, row.At = mood{toneGood, "check", "done"}, d.Says, newTime(d.At, p.Now)
		case c.State == store.ErasureClosed && step == "":
			row.mood, row.At = mood{toneGood, "check", "done"}, newTime(c.FinishedAt, p.Now)
		case c.State == store.ErasureRunning && step == c.Step:
			row.mood, passed = mood{toneInfo, "retry", "under way"}, false
		case passed:
			row.Word = "not needed"
		}
		rows = append(rows, row)
	}
	return rows
}

// readEvents reads the events that are ticked.
func readEvents(list []string) (ids []uuid.UUID, err error) {
	for _, text := range list {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, mistake("“" + cut(plainText(text), 60) + "” is not the id of an event.")
		}
		ids = append(ids, id)
	}
	return ids, nil
}
