package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"recall/filter"
	"recall/store"
)

// Trier tries a destination: by a test request that is marked as one, by what was made of an event, and its matching rule by
// the last events;
// dispatch.Dispatcher is one.
type Trier interface {
	Try(ctx context.Context, d *store.Destination, source *store.Source) (*store.Trial, error)
	SendEdited(ctx context.Context, edit store.Edit) (*store.EditedTest, error)
	Preview(ctx context.Context, rule string) (*store.RulePreview, error) // a *filter.Error where the rule cannot be read
}

// destinationFormView is the form that adds a destination or changes its settings.
type destinationFormView struct {
	page
	New           bool
	Was           string // name of the one that is changed
	Action        string
	Back          string
	Revision      string
	Conflict      string // who changed the destination since the form was opened
	Mistakes      []link
	Name          field
	URL           field
	Method        field
	Methods       []string
	Sends         string
	Match         field
	RuleProblem   *filterProblem // where the rule is wrong; nil: nowhere
	Preview       *previewView   // nil: not asked for
	Signing       string
	Secret        field
	HasSecret     bool
	Pass          bool
	Headers       []sentHeaderFields
	Timeout       field
	Retry         field
	Rate          field
	Concurrency   field
	Ordering      string
	ReservedWords string
}

// sentHeaderFields are a row of the headers.
type sentHeaderFields struct {
	Was         string
	Name, Value field
	Open        string // name of the box that says the value is no secret
	IsOpen      bool
}

// previewView is what a rule would have sent.
type previewView struct {
	Words  string
	Newest []link
}

// newDestinationForm shows what was entered, and what is wrong with it.
func (s *server) newDestinationForm(r *http.Request, in destinationInput, d *store.Destination, wrong problems) destinationFormView {
	v := destinationFormView{
		New: d == nil, Sends: in.sends, Signing: in.signing, Pass: in.pass, Ordering: in.ordering, Methods: store.Methods(), Action: "/destinations", Back: "/destinations",
		Name:        field{Name: "name", Label: "Name", Value: in.name, Wants: true, Max: 63, Code: true, Hint: "Lower-case letters, digits and hyphens."},
		URL:         field{Name: "url", Label: "URL", Value: in.url, Wants: true, Max: store.MaxURL, Code: true, Type: "url", Hint: "What follows a ? is shown to admins only. Private addresses are refused at the moment of sending, unless RECALL_EGRESS_ALLOW names them; redirects are not followed."},
		Method:      field{Name: "method", Label: "Method", Value: in.method},
		Match:       field{Name: "match", Label: "Matching rule", Value: in.match, Code: true, Hint: "As in the search box: source:shop type:customer.*,order -type:*.deletion"},
		Secret:      field{Name: "secret", Label: "Signing secret of its own", Kept: s.keep(r, "secret", in.secret), Hint: "For Standard Webhooks one is made if this is empty. For plenigo, empty means the secret of the event’s source."},
		Timeout:     field{Name: "timeout", Label: "Time limit of an attempt", Value: in.timeout, Wants: true, Code: true, Hint: "From 100ms to 5m."},
		Retry:       field{Name: "retry", Label: "Retries after", Value: in.retry, Code: true, Hint: "With commas between; each is lengthened by up to a tenth. Empty: no retry. An answer’s Retry-After is honoured."},
		Rate:        field{Name: "rate", Label: "Attempts a second, at most", Value: in.rate, Code: true, Hint: "0.5 is one every two seconds. Empty: no limit."},
		Concurrency: field{Name: "concurrency", Label: "Attempts at the same time, at most", Value: in.concurrency, Code: true, Hint: "Over all instances. Empty: no limit of its own."},
	}
	title := "Add a destination"
	if d != nil {
		title = "Settings of " + d.Name
		v.Was, v.Action, v.Back = d.Name, destinationURL(d.Name), destinationURL(d.Name)
		v.Revision, v.HasSecret = strconv.Itoa(d.Revision), len(d.Secrets) > 0
	}
	v.page = s.newPage(r, title)
	for i, h := range in.headers {
		row := sentHeaderFields{
			Was: h.was, IsOpen: h.open, Open: headerField("header_open", i),
			Name:  field{Name: headerField("header_name", i), Label: "Header", Value: h.name, Code: true},
			Value: field{Name: headerField("header_value", i), Label: "Value"},
		}
		if h.open {
			row.Value.Value = h.value
		} else {
			row.Value.Kept = s.keep(r, row.Value.Name, h.value)
			if h.was != "" {
				row.Value.Hint = "Empty: the one that is set."
			}
		}
		v.Headers = append(v.Headers, row)
	}
	marked := []*field{&v.Name, &v.URL, &v.Method, &v.Match}
	if d == nil {
		marked = append(marked, &v.Secret)
	} else if message, there := wrong["secret"]; there {
		wrong.add("signing", errors.New(message)) // where its secrets do not fit
	}
	signing := field{Name: "signing", Label: "Signing"}
	marked = append(marked, &signing)
	for i := range v.Headers {
		marked = append(marked, &v.Headers[i].Name, &v.Headers[i].Value)
	}
	ordering := field{Name: "ordering", Label: "Order"}
	v.Mistakes = wrong.mark(append(marked, &v.Timeout, &v.Retry, &v.Rate, &v.Concurrency, &ordering)...)
	if in.sends == sendMatch && in.match != "" {
		if _, err := filter.ParseRule(in.match, v.Now); err != nil {
			v.RuleProblem = newFilterProblem(in.match, err)
		}
	}
	return v
}

func (s *server) destinationNew(w http.ResponseWriter, r *http.Request) error {
	in := newDestinationInput(&store.Destination{
		Method: http.MethodPost, Match: new(""), Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout, RetrySchedule: store.DefaultRetrySchedule(), Ordering: store.OrderAny,
	})
	in.sends = sendMatch
	v := s.newDestinationForm(r, in, nil, nil)
	v.Name.Focus = true
	return s.render(w, r, http.StatusOK, destinationFormPage(v))
}

func (s *server) destinationCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	in := s.readDestinationInput(r)
	if again, err := s.destinationFormAgain(w, r, in, nil); again {
		return err
	}
	d := &store.Destination{State: store.DestinationActive}
	made, wrong := in.apply(d, s.Now())
	if len(wrong) == 0 {
		err := s.DB.CreateDestination(r.Context(), d, s.note(r, "destination.add", d.Name, "", store.DestinationChanges(nil, d)))
		if errors.Is(err, store.ErrExists) {
			wrong.add("name", fmt.Errorf("there is a destination “%s” already; choose another name", d.Name))
		} else if err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, destinationFormPage(s.newDestinationForm(r, in, nil, wrong)))
	}
	if made {
		return s.showMade(w, r, d.Name)
	}
	return s.destinationDone(w, r, d.Name, "The destination is added. Send it a test request to see whether it understands.")
}

// destinationFormAgain shows the form again where that is all that was asked: with room for more headers, or with what
// its matching rule would have sent.
func (s *server) destinationFormAgain(w http.ResponseWriter, r *http.Request, in destinationInput, d *store.Destination) (again bool, err error) {
	more, preview := r.PostForm.Get("more") != "", r.PostForm.Get("preview") != ""
	if !more && !preview {
		return false, nil
	}
	first := len(in.headers)
	if more {
		in.headers = append(in.headers, make([]sentHeaderInput, max(0, min(moreRows, maxRows-first)))...)
	}
	v := s.newDestinationForm(r, in, d, nil)
	if more && first < len(v.Headers) {
		v.Headers[first].Name.Focus = true
	}
	if d != nil {
		v.Revision = r.PostForm.Get("revision") // it is still the form of that time
	}
	if preview {
		v.Match.Focus = true
		if v.Preview, err = s.previewRule(r.Context(), in); err != nil {
			return true, err
		}
	}
	return true, s.render(w, r, http.StatusOK, destinationFormPage(v))
}

// previewRule tells what the form's rule would have sent; nil where it has a mistake in it, which the form shows.
func (s *server) previewRule(ctx context.Context, in destinationInput) (*previewView, error) {
	rule := in.match
	switch in.sends {
	case sendAll:
		rule = ""
	case sendNothing:
		return &previewView{Words: "Nothing is sent automatically."}, nil
	}
	p, err := s.Trial.Preview(ctx, rule)
	var wrong *filter.Error
	switch {
	case errors.As(err, &wrong):
		return nil, nil
	case errors.Is(err, store.ErrTooSlow):
		return &previewView{Words: "Looking at the last events took too long and was stopped."}, nil
	case err != nil:
		return nil, err
	case p.Events == 0:
		return &previewView{Words: "There is no accepted event yet to try it on."}, nil
	}
	v := &previewView{Words: fmt.Sprintf("It would have matched %s of the last %s.", grouped(int64(p.Matched)), plural(p.Events, "accepted event", "accepted events"))}
	for _, e := range p.Newest {
		text := strings.Trim(strings.ToLower(e.EntityType+"."+e.CallbackType), ".")
		v.Newest = append(v.Newest, link{cmp.Or(text, "without a type") + " from " + e.Source, eventURL(e.ID)})
	}
	return v, nil
}

func (s *server) destinationEdit(w http.ResponseWriter, r *http.Request) error {
	d, err := s.findReadable(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, destinationFormPage(s.newDestinationForm(r, newDestinationInput(d), d, nil)))
}

func (s *server) destinationUpdate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	d, err := s.findReadable(r)
	if err != nil {
		return err
	}
	in := s.readDestinationInput(r)
	in.secret = "" // the form has no field for it
	if again, err := s.destinationFormAgain(w, r, in, d); again {
		return err
	}
	changed := *d
	made, wrong := in.apply(&changed, s.Now())
	if r.PostForm.Get("revision") != strconv.Itoa(d.Revision) {
		return s.destinationConflict(w, r, in, d, wrong)
	}
	if len(wrong) == 0 {
		changes := store.DestinationChanges(d, &changed)
		if len(changes) == 0 {
			return s.destinationDone(w, r, d.Name, "Nothing was different, so nothing was changed.")
		}
		err = s.DB.UpdateDestination(r.Context(), &changed, s.note(r, "destination.set", changed.Name, "", changes))
		switch {
		case errors.Is(err, store.ErrExists):
			wrong.add("name", fmt.Errorf("there is a destination “%s” already; choose another name", changed.Name))
		case errors.Is(err, store.ErrChanged):
			if d, err = s.findDestination(r); err != nil {
				return err
			}
			return s.destinationConflict(w, r, in, d, wrong)
		case err != nil:
			return err
		}
	}
	if len(wrong) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, destinationFormPage(s.newDestinationForm(r, in, d, wrong)))
	}
	if made {
		return s.showMade(w, r, changed.Name)
	}
	return s.destinationDone(w, r, changed.Name, "The settings are saved, and hold everywhere within two seconds.")
}

// destinationConflict shows the form again to someone who was not the only one: what was entered is still in it, and
// saving it now is done knowingly.
func (s *server) destinationConflict(w http.ResponseWriter, r *http.Request, in destinationInput, d *store.Destination, wrong problems) error {
	v := s.newDestinationForm(r, in, d, wrong)
	v.Conflict = "Somebody else"
	entries, err := s.DB.ListAudit(r.Context(), d.Name, 20)
	if err != nil {
		return fmt.Errorf("finding who changed the destination: %w", err)
	}
	for _, e := range entries {
		if e.Action == "destination.set" {
			v.Conflict = e.Actor + " (" + strings.Join(changedNames(e.Detail), ", ") + ", " + age(e.At, v.Now) + ")"
			break
		}
	}
	return s.render(w, r, http.StatusConflict, destinationFormPage(v))
}
