package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// defaultReveal is how long something stays revealed, unless Options say otherwise.
const defaultReveal = 15 * time.Minute

// maxReveals bounds what one form reveals: two events that are compared.
const maxReveals = 2

// revealView asks why what is hidden is to be shown.
type revealView struct {
	page
	Words    string // of what
	Of       []string
	For      string
	Back     string
	Secrets  bool // ticked
	Mistakes []link
	Reason   field
}

// revealOf writes what a reveal is of, as forms and addresses have it.
func revealOf(scope store.RevealScope, subject string) string { return string(scope) + ":" + subject }

func revealAskURL(of, back string) string {
	return "/reveals/new?" + url.Values{"of": {of}, "back": {back}}.Encode()
}

func (s *server) revealAsk(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.newReveals(r)
	if err != nil {
		return err
	}
	v.Reason.Focus = true
	return s.render(w, r, http.StatusOK, revealPage(v))
}

// revealCreate shows what is hidden, to this session, for a while, to who says why. It is in the audit list before it is on
// a page.
func (s *server) revealCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	v, reveals, err := s.newReveals(r)
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
		return s.render(w, r, http.StatusUnprocessableEntity, revealPage(v))
	}
	for _, reveal := range reveals {
		reveal.Secrets, reveal.Until = v.Secrets, s.Now().Add(s.RevealFor).UTC().Truncate(time.Second)
		if err := s.DB.CreateReveal(r.Context(), sessionOf(r).ID, reveal, s.note(r, "", "", reason, nil)); err != nil {
			return err
		}
	}
	http.Redirect(w, r, v.Back, http.StatusSeeOther)
	return nil
}

// revealEnd hides again.
func (s *server) revealEnd(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	for _, text := range r.PostForm["id"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return mistake("“" + plainText(cut(text, 40)) + "” is nothing that was revealed.")
		}
		if err := s.DB.EndReveal(r.Context(), sessionOf(r).ID, id, s.note(r, "", "", "", nil)); err != nil {
			return err
		}
	}
	http.Redirect(w, r, localPath(r.PostForm.Get("back")), http.StatusSeeOther)
	return nil
}

// newReveals reads what is to be revealed.
func (s *server) newReveals(r *http.Request) (v revealView, reveals []store.Reveal, err error) {
	r.FormValue("of") // reads both the address and the form
	v = revealView{
		page: s.newPage(r, "Reveal what is hidden"), Of: r.Form["of"], For: span(s.RevealFor), Back: localPath(r.Form.Get("back")),
		Secrets: r.Form.Get("secrets") == "true", Reason: reasonField("Why do you need to see it?", "It stands in the audit list with your name."),
	}
	v.Section, v.Reason.Wants = "events", true
	if len(v.Of) == 0 || len(v.Of) > maxReveals {
		return v, nil, mistake("Say what is to be shown: one event, entity or customer, or two events.")
	}
	var names []string
	for _, of := range v.Of {
		scope, subject, _ := strings.Cut(of, ":")
		reveal := store.Reveal{Scope: store.RevealScope(scope), Subject: subject}
		switch reveal.Scope {
		case store.RevealEvent:
			id, err := uuid.Parse(subject)
			if err != nil {
				return v, nil, missing("“" + plainText(cut(subject, 60)) + "” is not the id of an event.")
			}
			e, err := s.findEventByID(r, id)
			if err != nil {
				return v, nil, err
			}
			entity, callback := typeWords(e.Envelope.EntityType, e.Envelope.CallbackType)
			reveal.Subject = e.ID.String()
			names = append(names, strings.TrimSpace("the event "+cut(plainText(strings.TrimSpace(entity+" "+callback)+" "+e.Envelope.EntityID), 100)))
		case store.RevealEntity:
			entityType, id, found := strings.Cut(subject, "/")
			if !found || id == "" || len(subject) > maxSubject {
				return v, nil, missing("There is no such entity.")
			}
			reveal.Subject = store.EntitySubject(entityType, id)
			kind, _ := typeWords(entityType, "")
			names = append(names, "all callbacks about "+cut(plainText(kind+" "+id), 100))
		case store.RevealCustomer:
			if subject == "" || len(subject) > maxSubject {
				return v, nil, missing("There is no such customer.")
			}
			names = append(names, "all callbacks that name customer "+cut(plainText(subject), 100))
		default:
			return v, nil, mistake("An event, an entity or a customer can be revealed.")
		}
		reveals = append(reveals, reveal)
	}
	v.Words = enumerate(names)
	return v, reveals, nil
}

// maxSubject is how long a reveal's subject is kept, in bytes.
const maxSubject = 250
