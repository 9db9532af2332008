package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"recall/store"
)

// What can be revealed.
const (
	revealSecret = "secret"
	revealBasic  = "basic"
	revealHeader = "header"
)

// sourceRevealView asks why something hidden is to be shown, and then shows it once.
type sourceRevealView struct {
	page
	Source   link
	Slug     string
	What     string
	Name     string // of the secret or header
	Words    string // what it is
	Mistakes []link
	Reason   field
	Shown    bool
	Value    string // only when Shown
}

func revealURL(slug, what, name string) string {
	return sourceURL(slug) + "/reveal?" + url.Values{"what": {what}, "name": {name}}.Encode()
}

func (s *server) sourceRevealAsk(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.newReveal(r)
	if err != nil {
		return err
	}
	v.Reason.Focus = true
	return s.render(w, r, http.StatusOK, sourceRevealPage(v))
}

// sourceReveal shows a hidden value to an admin who says why. It is in the audit list before it is on the page.
func (s *server) sourceReveal(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	v, value, err := s.newReveal(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	if reason == "" {
		wrong := problems{}
		wrong.add("reason", errors.New("say why it is shown"))
		v.Mistakes = wrong.mark(&v.Reason)
		return s.render(w, r, http.StatusUnprocessableEntity, sourceRevealPage(v))
	}
	entry := s.note(r, actionReveal, v.Slug, reason, map[string]any{"what": v.What, "name": v.Name})
	if err := s.DB.AddAudit(r.Context(), entry); err != nil {
		return err
	}
	v.Shown, v.Value = true, value
	return s.render(w, r, http.StatusOK, sourceRevealPage(v))
}

// newReveal finds what is asked for, and the value.
func (s *server) newReveal(r *http.Request) (sourceRevealView, string, error) {
	source, err := s.findSource(r)
	if err != nil {
		return sourceRevealView{}, "", err
	}
	v := sourceRevealView{
		page: s.newPage(r, "Reveal"), Source: link{source.Name, sourceURL(source.Slug)}, Slug: source.Slug,
		What: r.FormValue("what"), Name: r.FormValue("name"), Reason: reasonField("Why do you need to see it?", "It stands in the audit list with your name."),
	}
	v.Reason.Wants = true
	value, err := v.find(source)
	return v, value, err
}

func (v *sourceRevealView) find(source *store.Source) (string, error) {
	switch v.What {
	case revealSecret:
		secret, err := secretOf(source, v.Name)
		v.Words = "the secret " + v.Name
		return secret.Key, err
	case revealBasic:
		if source.Basic != nil {
			v.Name = source.Basic.User
			v.Words = "the password of " + v.Name
			return source.Basic.Password, nil
		}
	case revealHeader:
		for _, h := range source.Headers {
			if h.Name == v.Name {
				v.Words = "the value of the header " + v.Name
				return h.Value, nil
			}
		}
	}
	return "", missing(fmt.Sprintf("The source %s has nothing of that name that is hidden.", source.Slug))
}
