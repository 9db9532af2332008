package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"recall/store"
	"recall/verify"
)

// sourceFormView is the form that adds a source or changes its settings.
type sourceFormView struct {
	page
	New       bool
	Source    string // slug of the one that is changed
	Action    string
	Back      string
	Revision  string
	Conflict  string // who changed the source since the form was opened
	Mistakes  []link
	Slug      field
	Name      field
	Enabled   bool
	Observe   bool
	SecretKey field
	User      field
	Password  field
	Headers   []headerFields
	Tolerance field
	Late      field
	Types     field
	Known     string // the types plenigo is known to send
	Schemes   []schemeChoice
	Scheme    string
	Own       field // a scheme of one's own, as JSON
}

// headerFields are a row of the header pairs.
type headerFields struct {
	Was         string // the pair's name as it is stored; "" for a new one
	Name, Value field
}

type schemeChoice struct{ Value, Word, Hint string }

// Bounds of the rows of header pairs.
const (
	spareRows = 2
	moreRows  = 4
	maxRows   = 100
)

// newSourceForm shows what was entered, and what is wrong with it.
func (s *server) newSourceForm(r *http.Request, in sourceInput, source *store.Source, wrong problems) sourceFormView {
	v := sourceFormView{
		New: source == nil, Enabled: in.enabled, Observe: in.observe, Scheme: in.scheme, Known: strings.Join(typeChoices(), "\n"),
		Slug:      field{Name: "slug", Label: "Slug", Value: in.slug, Wants: true, Max: 63, Code: true, Hint: "The name in the callback’s URL: lower-case letters, digits and hyphens. It cannot be changed later."},
		Name:      field{Name: "name", Label: "Name", Value: in.name, Wants: true, Max: store.MaxSourceName, Hint: "For people."},
		SecretKey: field{Name: "secret", Label: "Callback secret", Kept: s.keep(r, "secret", in.secret), Hint: "plenigo makes it when the callback is saved there, and shows it in the callback’s detail view. It can be added later; until then every callback is rejected, and kept."},
		User:      field{Name: "user", Label: "User of basic authentication", Value: in.user, Hint: "Empty: not asked for."},
		Password:  field{Name: "password", Label: "Password", Kept: s.keep(r, "password", in.password)},
		Tolerance: field{Name: "tolerance", Label: "Tolerance", Value: in.tolerance, Wants: true, Code: true, Hint: "How far a signature’s time may be from now, past and future. plenigo suggests 5m."},
		Late:      field{Name: "late_window", Label: "Late window", Value: in.late, Wants: true, Code: true, Hint: "How old a genuine callback may be to be accepted as late. 32h covers plenigo’s last retry; 0 rejects late ones."},
		Types:     field{Name: "expected_types", Label: "Expected types", Value: in.types, Code: true, Hint: "One a line, such as customer.creation, order.* or *.deletion. Empty: every type. What is not expected is accepted all the same, and marked."},
		Own:       field{Name: "own_scheme", Label: "A scheme of your own, as JSON", Value: in.schemeText, Code: true},
	}
	for _, scheme := range verify.Schemes() {
		v.Schemes = append(v.Schemes, schemeChoice{scheme.Name, scheme.Name, schemeHint(scheme.Name)})
	}
	v.Schemes = append(v.Schemes, schemeChoice{ownScheme, "own", schemeHint(ownScheme)})
	title := "Add a source"
	if source == nil {
		v.Action, v.Back = "/sources", "/sources"
	} else {
		title = "Settings of " + source.Name
		v.Source, v.Action, v.Back = source.Slug, sourceURL(source.Slug), sourceURL(source.Slug)
		v.Revision = strconv.Itoa(source.Revision)
		if message, there := wrong["secret"]; there {
			wrong.add("own_scheme", errors.New(message))
		}
		if source.Basic != nil {
			v.Password.Hint = "Empty: the one that is set."
		}
	}
	v.page = s.newPage(r, title)
	marked := []*field{&v.Slug, &v.Name, &v.SecretKey, &v.User, &v.Password}
	for i, h := range in.headers {
		row := headerFields{
			Was:   h.was,
			Name:  field{Name: headerField("header_name", i), Label: "Header", Value: h.name},
			Value: field{Name: headerField("header_value", i), Label: "Value", Kept: s.keep(r, headerField("header_value", i), h.value)},
		}
		if h.was != "" {
			row.Value.Hint = "Empty: the one that is set."
		}
		v.Headers = append(v.Headers, row)
	}
	for i := range v.Headers {
		marked = append(marked, &v.Headers[i].Name, &v.Headers[i].Value)
	}
	if source != nil { // has no field for it
		marked = slices.DeleteFunc(marked, func(f *field) bool { return f == &v.Slug || f == &v.SecretKey })
	}
	v.Mistakes = wrong.mark(append(marked, &v.Tolerance, &v.Late, &v.Types, &v.Own)...)
	return v
}

func schemeHint(name string) string {
	switch name {
	case verify.Plenigo.Name:
		return "what plenigo sends"
	case verify.StandardWebhooks.Name:
		return "standardwebhooks.com; its secrets are base64"
	}
	return "of another sender, written below"
}

func (s *server) sourceNew(w http.ResponseWriter, r *http.Request) error {
	in := newSourceInput(&store.Source{Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow})
	v := s.newSourceForm(r, in, nil, nil)
	v.Slug.Focus = true
	return s.render(w, r, http.StatusOK, sourceFormPage(v))
}

func (s *server) sourceCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	in := s.readSourceInput(r)
	if r.PostForm.Get("more") != "" {
		return s.moreRows(w, r, in, nil)
	}
	source := &store.Source{Slug: in.slug}
	wrong := problems{}
	if in.secret != "" {
		wrong.add("secret", checkSecret("the secret", in.secret))
		source.Secrets = []verify.Secret{{Name: source.FreeSecretName(s.Now(), nil), Key: in.secret}}
	}
	for name, message := range in.apply(source) {
		wrong.add(name, errors.New(message))
	}
	if len(wrong) == 0 {
		err := s.DB.CreateSource(r.Context(), source, s.note(r, "source.add", source.Slug, "", store.SourceChanges(nil, source)))
		if errors.Is(err, store.ErrExists) {
			wrong.add("slug", fmt.Errorf("there is a source “%s” already; choose another slug", source.Slug))
		} else if err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, sourceFormPage(s.newSourceForm(r, in, nil, wrong)))
	}
	return s.sourceDone(w, r, source.Slug, "The source is added. Enter at plenigo what stands below.")
}

// moreRows shows the form again with room for more header pairs.
func (s *server) moreRows(w http.ResponseWriter, r *http.Request, in sourceInput, source *store.Source) error {
	first := len(in.headers)
	in.headers = append(in.headers, make([]headerInput, max(0, min(moreRows, maxRows-first)))...)
	v := s.newSourceForm(r, in, source, nil)
	if first < len(v.Headers) {
		v.Headers[first].Name.Focus = true
	}
	if source != nil {
		v.Revision = r.PostForm.Get("revision") // it is still the form of that time
	}
	return s.render(w, r, http.StatusOK, sourceFormPage(v))
}

func (s *server) sourceEdit(w http.ResponseWriter, r *http.Request) error {
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	if err := readable(source); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, sourceFormPage(s.newSourceForm(r, newSourceInput(source), source, nil)))
}

func (s *server) sourceUpdate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	if err := readable(source); err != nil {
		return err
	}
	in := s.readSourceInput(r)
	if r.PostForm.Get("more") != "" {
		return s.moreRows(w, r, in, source)
	}
	changed := *source
	wrong := in.apply(&changed)
	if r.PostForm.Get("revision") != strconv.Itoa(source.Revision) {
		return s.sourceConflict(w, r, in, source, wrong)
	}
	if len(wrong) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, sourceFormPage(s.newSourceForm(r, in, source, wrong)))
	}
	changes := store.SourceChanges(source, &changed)
	if len(changes) == 0 {
		return s.sourceDone(w, r, source.Slug, "Nothing was different, so nothing was changed.")
	}
	err = s.DB.UpdateSource(r.Context(), &changed, s.note(r, "source.set", source.Slug, "", changes))
	if errors.Is(err, store.ErrChanged) {
		if source, err = s.findSource(r); err != nil {
			return err
		}
		return s.sourceConflict(w, r, in, source, wrong)
	}
	if err != nil {
		return err
	}
	return s.sourceDone(w, r, source.Slug, "The settings are saved, and hold everywhere within two seconds.")
}

// sourceConflict shows the form again to someone who was not the only one: what was entered is still in it, and saving
// it now is done knowingly.
func (s *server) sourceConflict(w http.ResponseWriter, r *http.Request, in sourceInput, source *store.Source, wrong problems) error {
	v := s.newSourceForm(r, in, source, wrong)
	v.Conflict = "Somebody else"
	entries, err := s.DB.ListAudit(r.Context(), source.Slug, 20)
	if err != nil {
		return fmt.Errorf("finding who changed the source: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Action, "source.") && e.Action != actionReveal {
			v.Conflict = e.Actor + " (" + strings.Join(changedNames(e.Detail), ", ") + ", " + age(e.At, v.Now) + ")"
			break
		}
	}
	return s.render(w, r, http.StatusConflict, sourceFormPage(v))
}

// changedNames are the settings that an audit entry says were changed, in words.
func changedNames(detail map[string]any) []string {
	var names []string
	for name := range detail {
		if name != "address" {
			names = append(names, words(name))
		}
	}
	slices.Sort(names)
	return names
}
