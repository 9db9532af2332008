package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/erasure"
	"recall/store"
)

// ErasureJSON is a case.
type ErasureJSON struct {
	ID          int64              `json:"id"`
	State       store.ErasureState `json:"state" enum:"finding,open,waiting,running,closed,cancelled" doc:"open: it waits for people. waiting: it runs by itself at automatic_at. running: it cannot be stopped any more."`
	Since       time.Time          `json:"since" doc:"It is in this state."`
	Step        store.ErasureStep  `json:"step" doc:"What a running one is at; empty at the last."`
	Waits       string             `json:"waits" doc:"For what, in words; of a cancelled one, why."`
	Customer    *string            `json:"customer" doc:"null: it is over, and nothing tells any more who it was; or it is about one event."`
	Person      *string            `json:"person" doc:"Hash of the customer id, by a key of this installation; null: it is about one event."`
	EventID     *uuid.UUID         `json:"event_id" nullable:"true" doc:"The one event, or the callback that opened the case."`
	Sources     []string           `json:"sources" doc:"Slugs that the customer id belongs to; none: all."`
	Reason      string             `json:"reason"`
	OpenedBy    string             `json:"opened_by"`
	OpenedAt    time.Time          `json:"opened_at"`
	AutomaticAt *time.Time         `json:"automatic_at" doc:"When it runs by itself; null: when somebody confirms it."`
	ConfirmedBy string             `json:"confirmed_by"`
	ConfirmedAt *time.Time         `json:"confirmed_at"`
	FinishedAt  *time.Time         `json:"finished_at"`
	Found       map[string]int64   `json:"found" doc:"Counts by what they are of."`
	Destroyed   map[string]int64   `json:"destroyed"`
	Leftover    []string           `json:"left_to_people" doc:"In words."`
	Certificate bool               `json:"certificate" doc:"There is one."`
}

// erasureDetail is a case with what stands in its way, and what was done.
type erasureDetail struct {
	ErasureJSON
	Undecided int64               `json:"undecided" doc:"Doubtful events that somebody has to decide on."`
	Erase     int64               `json:"to_be_erased" doc:"Events, those decided on included."`
	Left      int64               `json:"left" doc:"Doubtful events that are left."`
	Held      int64               `json:"held" doc:"Events that a legal hold keeps: the case cannot run before it is released."`
	Steps     []store.ErasureDone `json:"steps" doc:"That are done."`
	Spools    []spoolJSON         `json:"spools"`
}

type spoolJSON struct {
	Instance string    `json:"instance"`
	Cleared  bool      `json:"cleared" doc:"false: only looked through."`
	Events   int       `json:"events"`
	Damaged  int       `json:"damaged_files" doc:"That cannot be read."`
	At       time.Time `json:"at"`
}

type erasurePage struct {
	Cases []ErasureJSON `json:"cases" doc:"Those that are not over first, each newest first."`
	Next  *string       `json:"next"`
}

// erasureEventJSON is one event that a case has found.
type erasureEventJSON struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	ReceivedAt time.Time `json:"received_at"`
	Source     *string   `json:"source"`
	Entity     string    `json:"entity_type"`
	Callback   string    `json:"callback_type"`
	Doubt      string    `json:"doubt" doc:"Why it may not be the person's; empty: it is."`
	Erase      *bool     `json:"erase" doc:"null: to be decided."`
	DecidedBy  string    `json:"decided_by"`
	Reason     string    `json:"reason"`
	Held       bool      `json:"held"`
}

type erasureEventList struct {
	Events []erasureEventJSON `json:"events" doc:"What is to be decided first, then what else is doubtful."`
}

func (s *server) erasureOperations() {
	const one = "/erasures/{id}"
	for _, o := range []struct {
		operation
		register func(operation)
	}{
		{operation{id: "erasure-list", method: http.MethodGet, path: "/erasures", summary: "List the cases of erasure"}, with(s, s.erasureList)},
		{operation{id: "erasure-open", method: http.MethodPost, path: "/erasures", status: http.StatusCreated, summary: "Open a case about a person, or about one event",
			more: "What is held is looked for in the background; nothing is destroyed before the case is confirmed. 409 names the case there is already.", fails: []int{404, 409}}, with(s, s.erasureOpen)},
		{operation{id: "erasure-show", method: http.MethodGet, path: one, summary: "Show a case: what was found, what stands in its way, how far it is", fails: []int{404}}, with(s, s.erasureShow)},
		{operation{id: "erasure-events", method: http.MethodGet, path: one + "/events", summary: "List what a case has found", fails: []int{404}}, with(s, s.erasureEvents)},
		{operation{id: "erasure-decide", method: http.MethodPost, path: one + "/decide", summary: "Say of doubtful events that they are erased, or left", fails: []int{404, 409}}, with(s, s.erasureDecide)},
		{operation{id: "erasure-confirm", method: http.MethodPost, path: one + "/confirm", summary: "Have a case run: what it has found is destroyed for good",
			more: "It cannot be stopped any more then. 409 where something doubtful is not decided, or a legal hold keeps something.", fails: []int{404, 409}}, with(s, s.erasureConfirm)},
		{operation{id: "erasure-cancel", method: http.MethodPost, path: one + "/cancel", summary: "End a case of which nothing was destroyed yet", fails: []int{404, 409}}, with(s, s.erasureCancel)},
		{operation{id: "erasure-search", method: http.MethodPost, path: one + "/search", summary: "Have a case look again for what is held", fails: []int{404, 409}}, with(s, s.erasureSearch)},
		{operation{id: "erasure-certificate", method: http.MethodGet, path: one + "/certificate", summary: "Get the certificate of a closed case", fails: []int{404}}, with(s, s.erasureCertificate)},
		{operation{id: "erasure-settings", method: http.MethodGet, path: "/erasures/settings", summary: "Show how cases behave that callbacks open, and for how long backups are kept"}, with(s, s.erasureSettings)},
		{operation{id: "erasure-settings-set", method: http.MethodPatch, path: "/erasures/settings", summary: "Set it; what is left out stays as it is"}, with(s, s.erasureSettingsSet)},
	} {
		o.need = store.RightErase
		o.register(o.operation)
	}
	s.reportOperations()
}

// with registers an operation once it is known.
func with[I, O any](s *server, do func(context.Context, *I) (*O, error)) func(operation) {
	return func(o operation) { add(s, o, do) }
}

func newErasureJSON(c *store.ErasureCase, slug func(int64) *string) ErasureJSON {
	j := ErasureJSON{
		ID: c.ID, State: c.State, Since: c.Since, Step: c.Step, Waits: c.Why, Sources: []string{}, Reason: c.Reason, OpenedBy: c.OpenedBy, OpenedAt: c.OpenedAt,
		AutomaticAt: orNull(c.AutomaticAt), ConfirmedBy: c.ConfirmedBy, ConfirmedAt: orNull(c.ConfirmedAt), FinishedAt: orNull(c.FinishedAt),
		Found: c.Found, Destroyed: c.Done, Leftover: append([]string{}, c.Leftover...), Certificate: c.Certificate != nil,
	}
	if c.Person != "" {
		j.Customer = &c.Person
	}
	if !c.Single() {
		j.Person = new(fmt.Sprintf("%x", c.PersonHash))
	}
	if c.EventID != uuid.Nil {
		j.EventID = &c.EventID
	}
	for _, id := range c.Sources {
		j.Sources = append(j.Sources, *slug(id))
	}
	return j
}

// findErasure finds a case, or says that there is none.
func (s *server) findErasure(ctx context.Context, id int64) (*store.ErasureCase, error) {
	c, err := s.DB.FindErasure(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: fmt.Sprintf("There is no case %d; %s/erasures lists them.", id, Prefix)}
	}
	return c, err
}

func (s *server) erasureList(ctx context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many."`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next of the page before."`
}) (*body[erasurePage], error) {
	before, err := readNumberCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := s.DB.ListErasures(ctx, before, in.Limit)
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	page := erasurePage{Cases: []ErasureJSON{}}
	for _, c := range found {
		page.Cases = append(page.Cases, newErasureJSON(c, slug))
	}
	if len(found) == in.Limit {
		last := found[len(found)-1]
		if page.Next = numberCursor(last.ID); !last.State.Over() { // more are open than a page has; those that are over follow
			page.Next = numberCursor(1 << 62)
		}
	}
	return answer(page)
}

func (s *server) erasureOpen(ctx context.Context, in *struct {
	Body struct {
		Customer string   `json:"customer,omitempty" maxLength:"64" example:"48213" doc:"The customer's id."`
		Sources  []string `json:"sources,omitempty" maxItems:"100" doc:"Slugs of the sources that the id belongs to, where they are of several plenigo companies; all where it is left out."`
		EventID  string   `json:"event_id,omitempty" format:"uuid" doc:"One event and its equal arrivals, in place of a person."`
		Reason   string   `json:"reason" minLength:"1" maxLength:"500" doc:"Stands in the case, the certificate and the audit list: leave out who it is about."`
	}
}) (*body[ErasureJSON], error) {
	b := in.Body
	if (b.Customer == "") == (b.EventID == "") {
		return nil, wrong("body", "a case is about a customer, or about one event (event_id); give one or the other")
	}
	wish := store.ErasureWish{Person: b.Customer, Reason: b.Reason}
	var err error
	if b.EventID != "" {
		wish.Event = uuid.MustParse(b.EventID)
		if len(b.Sources) > 0 {
			return nil, wrong("body.sources", "an event came to one source")
		}
		if _, err := s.findEvent(ctx, wish.Event); err != nil {
			return nil, err
		}
	} else if wish.Sources, err = s.sourceIDs(ctx, b.Sources); err != nil {
		return nil, err
	}
	c, err := s.DB.OpenErasure(ctx, wish, s.note(ctx, "", "", b.Reason, nil))
	if errors.Is(err, store.ErrErasurePending) {
		return nil, &Problem{Status: http.StatusConflict, Type: "exists", Detail: fmt.Sprintf("There is a case about this already: case %d.", c.ID)}
	}
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	return answer(newErasureJSON(c, slug))
}

// sourceIDs are the ids of sources by their slugs.
func (s *server) sourceIDs(ctx context.Context, slugs []string) (ids []int64, err error) {
	for _, slug := range slugs {
		source, err := s.DB.FindSource(ctx, slug)
		if errors.Is(err, store.ErrNotFound) {
			return nil, wrong("body.sources", "there is no source "+slug)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, source.ID)
	}
	return ids, nil
}

func (s *server) erasureShow(ctx context.Context, in *NumberPath) (*body[erasureDetail], error) {
	c, err := s.findErasure(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	tally, err := s.DB.TallyErasure(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	looks, err := s.DB.ListSpoolLooks(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	v := erasureDetail{
		ErasureJSON: newErasureJSON(c, slug), Undecided: tally.Undecided, Erase: tally.Certain + tally.Erase, Left: tally.Left, Held: tally.Held,
		Steps: append([]store.ErasureDone{}, c.Steps...), Spools: []spoolJSON{},
	}
	for _, l := range looks {
		v.Spools = append(v.Spools, spoolJSON{l.Instance, l.Erased, l.Events, l.Damaged, l.At.UTC()})
	}
	return answer(v)
}

func (s *server) erasureEvents(ctx context.Context, in *struct {
	NumberPath
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most so many."`
}) (*body[erasureEventList], error) {
	if _, err := s.findErasure(ctx, in.ID); err != nil {
		return nil, err
	}
	found, err := s.DB.ErasureEvents(ctx, in.ID, in.Limit)
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	list := erasureEventList{Events: []erasureEventJSON{}}
	for _, e := range found {
		list.Events = append(list.Events, erasureEventJSON{e.EventID, e.ReceivedAt(), slug(e.SourceID), e.EntityType, e.CallbackType, e.Doubt, e.Erase, e.DecidedBy, e.Reason, e.Held})
	}
	return answer(list)
}

func (s *server) erasureDecide(ctx context.Context, in *struct {
	NumberPath
	Body struct {
		Events []string `json:"events,omitempty" maxItems:"1000" doc:"Ids of doubtful events."`
		Doubts []string `json:"doubts,omitempty" maxItems:"100" doc:"All events with one of these doubts, word by word. Where neither is given: all that are not decided yet."`
		Erase  bool     `json:"erase" doc:"true: they are the person's. false: leave them; takes a reason."`
		Reason string   `json:"reason,omitempty" maxLength:"500"`
	}
}) (*body[erasureDetail], error) {
	chosen := store.ErasureChoice{Doubts: in.Body.Doubts}
	for _, text := range in.Body.Events {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, wrong("body.events", "one of these is not the id of an event")
		}
		chosen.Events = append(chosen.Events, id)
	}
	if _, err := s.findErasure(ctx, in.ID); err != nil {
		return nil, err
	}
	err := s.DB.DecideErasure(ctx, in.ID, chosen, in.Body.Erase, in.Body.Reason, s.note(ctx, "", "", in.Body.Reason, nil))
	if errors.Is(err, store.ErrNotFound) {
		return nil, wrong("body.events", "none of these is a doubtful event of this case that can be decided")
	}
	if err != nil {
		return nil, err
	}
	return s.erasureShow(ctx, &in.NumberPath)
}

// caseReason is the body of what takes a reason.
type caseReason struct {
	NumberPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (s *server) erasureConfirm(ctx context.Context, in *caseReason) (*body[erasureDetail], error) {
	if _, err := s.findErasure(ctx, in.ID); err != nil {
		return nil, err
	}
	if err := s.DB.ConfirmErasure(ctx, in.ID, in.Body.Reason, s.note(ctx, "", "", in.Body.Reason, nil)); err != nil {
		return nil, err
	}
	return s.erasureShow(ctx, &in.NumberPath)
}

func (s *server) erasureCancel(ctx context.Context, in *caseReason) (*body[erasureDetail], error) {
	if _, err := s.findErasure(ctx, in.ID); err != nil {
		return nil, err
	}
	if err := s.DB.CancelErasure(ctx, in.ID, in.Body.Reason, s.note(ctx, "", "", in.Body.Reason, nil)); err != nil {
		return nil, err
	}
	return s.erasureShow(ctx, &in.NumberPath)
}

func (s *server) erasureSearch(ctx context.Context, in *NumberPath) (*body[erasureDetail], error) {
	if _, err := s.findErasure(ctx, in.ID); err != nil {
		return nil, err
	}
	if err := s.DB.SearchErasure(ctx, in.ID, s.note(ctx, "", "", "", nil)); err != nil {
		return nil, err
	}
	return s.erasureShow(ctx, in)
}

func (s *server) erasureCertificate(ctx context.Context, in *NumberPath) (*body[erasure.Certificate], error) {
	c, err := s.findErasure(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Certificate == nil {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: fmt.Sprintf("Case %d is %s: its certificate is made when it is closed.", c.ID, c.State)}
	}
	certificate, err := erasure.ReadCertificate(c.Certificate)
	if err != nil {
		return nil, err
	}
	return answer(*certificate)
}

// erasureSettingsJSON is how cases behave that callbacks open.
type erasureSettingsJSON struct {
	Automatic   bool `json:"automatic" doc:"They run by themselves after the grace time, unless something is doubtful or on hold; else somebody confirms."`
	GraceHours  int  `json:"grace_hours"`
	BackupsDays *int `json:"backups_days" doc:"For how long backups are kept, for certificates; null: nobody said."`
	OneCompany  bool `json:"one_company" doc:"All sources are of one plenigo company, so that a customer id means the same person at each."`
}

func (s *server) erasureSettings(ctx context.Context, _ *none) (*body[erasureSettingsJSON], error) {
	set, err := s.DB.ErasureSettings(ctx)
	if err != nil {
		return nil, err
	}
	return answer(erasureSettingsJSON{set.Automatic, set.GraceHours, daysOrNull(set.BackupsDays), set.OneCompany})
}

func (s *server) erasureSettingsSet(ctx context.Context, in *struct {
	Body struct {
		ReasonBody
		Automatic   *bool `json:"automatic,omitempty"`
		GraceHours  *int  `json:"grace_hours,omitempty" minimum:"1" maximum:"8760"`
		BackupsDays *int  `json:"backups_days,omitempty" minimum:"0" maximum:"36500" doc:"0: not said."`
		OneCompany  *bool `json:"one_company,omitempty"`
	}
}) (*body[erasureSettingsJSON], error) {
	set, err := s.DB.ErasureSettings(ctx)
	if err != nil {
		return nil, err
	}
	give(&set.Automatic, in.Body.Automatic)
	give(&set.GraceHours, in.Body.GraceHours)
	give(&set.BackupsDays, in.Body.BackupsDays)
	give(&set.OneCompany, in.Body.OneCompany)
	if err := s.DB.SetErasure(ctx, set, s.note(ctx, "", "", in.Body.Reason, nil)); err != nil {
		return nil, err
	}
	return s.erasureSettings(ctx, nil)
}
