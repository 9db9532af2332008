package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"recall/store"
	"recall/verify"
)

// secretView is a secret as pages show it: name, validity and use.
type secretView struct {
	Name     string
	URL      string // of its page; "" where it was removed
	State    mood
	Validity string
	Verified string // how many callbacks
	Last     timeView
	LastURL  string // the event that needed it last
	Usable   bool   // valid now
}

// secretShowView is the page of one secret.
type secretShowView struct {
	page
	Source    link
	Slug      string
	Secret    secretView
	Only      bool // no other secret is valid now
	From      field
	Until     field
	Mistakes  []link
	RevealURL string
}

// secretFormView is the form that adds a secret, or puts one in the place of the others after a time (Rotate).
type secretFormView struct {
	page
	Source   link
	Slug     string
	Rotate   bool
	Replaced []secretView // what ends
	Mistakes []link
	Key      field
	Name     field
	From     field
	Until    field
	Overlap  field
}

func secretURL(slug, name string) string {
	return sourceURL(slug) + "/secret?" + url.Values{"name": {name}}.Encode()
}

func newSecretView(secret verify.Secret, now time.Time) secretView {
	v := secretView{Name: secret.Name, State: mood{toneGood, "check", "valid"}, Validity: "no end", Usable: true}
	if !secret.Until.IsZero() {
		v.Validity = "until " + setTime(secret.Until)
	}
	switch {
	case now.Before(secret.From):
		v.State, v.Usable = mood{toneIdle, "clock", "not yet"}, false
		v.Validity = "from " + setTime(secret.From)
	case !secret.ValidAt(now):
		v.State, v.Usable = mood{toneIdle, "dash", "over"}, false
	}
	return v
}

// secretViews are a source's secrets, newest first, with their uses. Removed ones that verified something stand at the end.
func secretViews(source *store.Source, uses []store.SecretUse, now time.Time) []secretView {
	var views []secretView
	add := func(v secretView) {
		v.Verified = "none yet"
		for _, use := range uses {
			if use.Secret == v.Name {
				v.Verified, v.Last, v.LastURL = grouped(use.Events), newTime(use.LastUsed, now), eventURL(use.LastEventID)
			}
		}
		views = append(views, v)
	}
	there := map[string]bool{}
	for _, secret := range slices.Backward(source.Secrets) {
		v := newSecretView(secret, now)
		v.URL = secretURL(source.Slug, secret.Name)
		add(v)
		there[secret.Name] = true
	}
	for _, use := range uses {
		if !there[use.Secret] {
			add(secretView{Name: use.Secret, State: mood{toneIdle, "dash", "removed"}})
		}
	}
	return views
}

// findSecret finds the source that the address names, and the secret that the form or the query names.
func (s *server) findSecret(r *http.Request) (*store.Source, verify.Secret, error) {
	source, err := s.findSource(r)
	if err != nil {
		return nil, verify.Secret{}, err
	}
	secret, err := secretOf(source, r.FormValue("name"))
	return source, secret, err
}

func secretOf(source *store.Source, name string) (verify.Secret, error) {
	i := slices.IndexFunc(source.Secrets, func(secret verify.Secret) bool { return secret.Name == name })
	if i < 0 {
		return verify.Secret{}, missing("The source " + source.Slug + " has no secret “" + cut(name, store.MaxSecretName) + "”, or not any more.")
	}
	return source.Secrets[i], nil
}

func (s *server) secretShow(w http.ResponseWriter, r *http.Request) error {
	source, secret, err := s.findSecret(r)
	if err != nil {
		return err
	}
	return s.renderSecret(w, r, http.StatusOK, source, secret, timeText(secret.From), timeText(secret.Until), nil)
}

func (s *server) renderSecret(w http.ResponseWriter, r *http.Request, status int, source *store.Source, secret verify.Secret, from, until string, wrong problems) error {
	uses, err := s.DB.SecretUses(r.Context(), source.ID)
	if err != nil {
		return err
	}
	v := secretShowView{
		page: s.newPage(r, "Secret "+secret.Name), Source: link{source.Name, sourceURL(source.Slug)}, Slug: source.Slug,
		From:      field{Name: "from", Label: "Valid from (UTC)", Type: "datetime-local", Value: from, Hint: "Empty: always was."},
		Until:     field{Name: "until", Label: "Valid until (UTC)", Type: "datetime-local", Value: until, Hint: "Empty: no end."},
		RevealURL: revealURL(source.Slug, revealSecret, secret.Name),
	}
	v.Messages = s.takeFlashes(w, r)
	for _, view := range secretViews(source, uses, v.Now) {
		if view.Name == secret.Name {
			v.Secret = view
		}
	}
	v.Only = v.Secret.Usable && len(source.ValidSecrets(v.Now)) == 1
	v.Mistakes = wrong.mark(&v.From, &v.Until)
	return s.render(w, r, status, secretShowPage(v))
}

// secretValidity sets from when and until when a secret is valid; the button "End it now" says so.
func (s *server) secretValidity(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	name, now := r.PostForm.Get("name"), s.Now().UTC()
	wrong := problems{}
	source, err := s.changeSource(r, "", func(source *store.Source) error {
		secret, err := secretOf(source, name)
		if err != nil {
			return err
		}
		if r.PostForm.Get("end") != "" {
			secret.Until = now
		} else {
			secret.From, err = parseTime(r.PostForm.Get("from"))
			wrong.add("from", err)
			secret.Until, err = parseTime(r.PostForm.Get("until"))
			wrong.add("until", err)
		}
		if err := replaceSecret(source, secret); err != nil {
			wrong.add("until", err)
		}
		if len(wrong) > 0 {
			return errWrong
		}
		return nil
	})
	if errors.Is(err, errWrong) {
		secret, err := secretOf(source, name)
		if err != nil {
			return err
		}
		return s.renderSecret(w, r, http.StatusUnprocessableEntity, source, secret, r.PostForm.Get("from"), r.PostForm.Get("until"), wrong)
	}
	if err != nil {
		return err
	}
	secret, err := secretOf(source, name)
	if err != nil {
		return err
	}
	message := "The secret " + name + " has no end."
	if !secret.Until.IsZero() {
		message = "The secret " + name + " is valid until " + setTime(secret.Until) + "."
		if !secret.Until.After(now) {
			message = "The secret " + name + " is not valid any more. It is kept, for checking what arrived before."
		}
	}
	return s.sourceDone(w, r, source.Slug, message)
}

// errWrong: the form was not filled in rightly, which is told elsewhere.
var errWrong = errors.New("the form holds mistakes")

// replaceSecret changes a secret that keeps its name, unless it would be a wrong one.
func replaceSecret(source *store.Source, secret verify.Secret) error {
	source.Secrets = slices.Clone(source.Secrets)
	i := slices.IndexFunc(source.Secrets, func(old verify.Secret) bool { return old.Name == secret.Name })
	source.Secrets[i] = secret
	return secretProblem(source, i)
}

// secretProblem is what is wrong with one of a source's secrets.
func secretProblem(source *store.Source, i int) error {
	for _, p := range source.Problems() {
		if p.Field == fmt.Sprintf("secrets.%d", i) {
			return p.Err
		}
	}
	return nil
}

func (s *server) secretRemove(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	name := r.PostForm.Get("name")
	source, err := s.changeSource(r, "", func(source *store.Source) error {
		if _, err := secretOf(source, name); err != nil {
			return err
		}
		source.Secrets = slices.DeleteFunc(slices.Clone(source.Secrets), func(secret verify.Secret) bool { return secret.Name == name })
		return nil
	})
	if err != nil {
		return err
	}
	return s.sourceDone(w, r, source.Slug, "The secret "+name+" is removed.")
}

// secretNew asks for a secret: one more, or one that takes the place of the others.
func (s *server) secretNew(w http.ResponseWriter, r *http.Request) error {
	source, uses, err := s.sourceWithUses(r)
	if err != nil {
		return err
	}
	v := s.newSecretForm(r, source, nil)
	v.Name.Value, v.Overlap.Value, v.Key.Focus = source.FreeSecretName(v.Now, uses), spanText(store.DefaultOverlap), true
	return s.render(w, r, http.StatusOK, secretFormPage(v))
}

// isRotation tells the two ways to give a source a secret apart.
func isRotation(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/rotate") }

func (s *server) newSecretForm(r *http.Request, source *store.Source, wrong problems) secretFormView {
	form := r.PostForm
	v := secretFormView{
		page: s.newPage(r, "Add a secret to "+source.Name), Source: link{source.Name, sourceURL(source.Slug)}, Slug: source.Slug, Rotate: isRotation(r),
		Key:     field{Name: "secret", Label: "New secret", Wants: true, Hint: "As it stands in the callback’s detail view at plenigo."},
		Name:    field{Name: "name", Label: "Name", Wants: true, Max: store.MaxSecretName, Value: strings.TrimSpace(form.Get("name")), Hint: "Shown with each callback that it verifies."},
		From:    field{Name: "from", Label: "Valid from (UTC)", Type: "datetime-local", Value: form.Get("from"), Hint: "Empty: at once."},
		Until:   field{Name: "until", Label: "Valid until (UTC)", Type: "datetime-local", Value: form.Get("until"), Hint: "Empty: no end."},
		Overlap: field{Name: "overlap", Label: "Old secrets stay valid for", Value: form.Get("overlap"), Wants: true, Code: true},
	}
	if v.Rotate {
		v.page = s.newPage(r, "Change the secret of "+source.Name)
		v.Overlap.Hint = "With 48h that is until " + setTime(v.Now.Add(store.DefaultOverlap).Truncate(time.Minute)) + ". It covers plenigo’s last retry, which comes 24 to 31 hours after the first attempt. 0 ends them at once."
		for _, secret := range source.ValidSecrets(v.Now) {
			v.Replaced = append(v.Replaced, newSecretView(secret, v.Now))
		}
	}
	v.Key.Kept = s.keep(r, "secret", s.typed(r, "secret"))
	v.Mistakes = wrong.mark(&v.Key, &v.Name, &v.From, &v.Until, &v.Overlap)
	return v
}

func (s *server) secretCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	_, uses, err := s.sourceWithUses(r)
	if err != nil {
		return err
	}
	wrong := problems{}
	source, err := s.changeSource(r, "", func(source *store.Source) error {
		wrong = problems{}
		s.addSecret(r, source, uses, wrong)
		if len(wrong) > 0 {
			return errWrong
		}
		return nil
	})
	switch {
	case errors.Is(err, errWrong):
		return s.render(w, r, http.StatusUnprocessableEntity, secretFormPage(s.newSecretForm(r, source, wrong)))
	case err != nil:
		return err
	}
	message := "The secret is added."
	if isRotation(r) {
		message = "The new secret holds within two seconds. Change it at plenigo now; the list of secrets below shows when it verifies its first callback."
	}
	return s.sourceDone(w, r, source.Slug, message)
}

// addSecret gives a source the secret of the form, beside the others or in their place.
func (s *server) addSecret(r *http.Request, source *store.Source, uses []store.SecretUse, wrong problems) {
	form := r.PostForm
	secret := verify.Secret{Name: strings.TrimSpace(form.Get("name")), Key: s.typed(r, "secret")}
	wrong.add("secret", checkSecret("the secret", secret.Key))
	if slices.ContainsFunc(uses, func(u store.SecretUse) bool { return u.Secret == secret.Name }) {
		wrong.add("name", fmt.Errorf("“%s” is or was the name of a secret that verified callbacks; choose another, so that they are told apart", plainText(secret.Name)))
	}
	for _, old := range source.Secrets {
		if old.Key == secret.Key && secret.Key != "" {
			wrong.add("secret", fmt.Errorf("this is the secret “%s”, which the source has already", plainText(old.Name)))
		}
	}
	if isRotation(r) {
		overlap, err := parseSpan(form.Get("overlap"))
		if err == nil && (overlap < 0 || overlap > store.MaxWindow) {
			err = errors.New("the overlap must be between 0 and 10 years")
		}
		wrong.add("overlap", err)
		source.Rotate(secret, overlap, s.Now())
	} else {
		var err error
		secret.From, err = parseTime(form.Get("from"))
		wrong.add("from", err)
		secret.Until, err = parseTime(form.Get("until"))
		wrong.add("until", err)
		source.Secrets = append(slices.Clone(source.Secrets), secret)
	}
	added := source.Secrets[len(source.Secrets)-1]
	switch {
	case secret.Name == "":
		wrong.add("name", errors.New("the name is missing"))
	case slices.ContainsFunc(source.Secrets[:len(source.Secrets)-1], func(old verify.Secret) bool { return old.Name == secret.Name }):
		wrong.add("name", fmt.Errorf("the source has a secret “%s” already", plainText(secret.Name)))
	case !added.Until.IsZero() && !added.Until.After(added.From):
		wrong.add("until", errors.New("the secret ends before it begins"))
	}
	if len(wrong) == 0 {
		wrong.add("secret", secretProblem(source, len(source.Secrets)-1))
	}
	for i := range source.Secrets[:len(source.Secrets)-1] { // a second rotation within a second
		wrong.add("overlap", secretProblem(source, i))
	}
}

func (s *server) sourceWithUses(r *http.Request) (*store.Source, []store.SecretUse, error) {
	source, err := s.findSource(r)
	if err != nil {
		return nil, nil, err
	}
	if err := readable(source); err != nil {
		return nil, nil, err
	}
	uses, err := s.DB.SecretUses(r.Context(), source.ID)
	return source, uses, err
}
