package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"recall/mask"
	"recall/store"
)

// callsItself tells whether a destination is this Recall's own receiver, where events would go round in circles.
func callsItself(to, publicURL string) bool {
	there, err := url.Parse(to)
	here, hereErr := url.Parse(publicURL)
	return err == nil && hereErr == nil && here.Host != "" && strings.EqualFold(there.Host, here.Host) && strings.HasPrefix(there.Path, here.Path+"/callbacks/")
}

// destinationDone goes back to the destination's page, which says what was done.
func (s *server) destinationDone(w http.ResponseWriter, r *http.Request, name, message string) error {
	return s.done(w, r, destinationURL(name), message)
}

// destinationState pauses a destination, or makes it active again.
func (s *server) destinationState(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	d, err := s.findDestination(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	state, action, why := store.DestinationState(r.PostForm.Get("state")), "destination.pause", reason
	switch {
	case d.Unreadable:
		_, err := s.findReadable(r)
		return err
	case state == store.DestinationActive:
		action, why = "destination.resume", ""
	case state != store.DestinationPaused:
		return mistake("Choose whether the destination is to be paused or to be active again.")
	}
	note := s.note(r, action, d.Name, reason, map[string]any{"before": d.State, "after": state})
	changed, err := s.DB.SetDestinationState(r.Context(), d.ID, state, why, note)
	if err != nil {
		return err
	}
	open, _, err := s.openDeliveries(r.Context())
	if err != nil {
		return err
	}
	waiting := open[d.ID].waiting
	count := counted(waiting, store.MostBacklog)
	switch {
	case !changed:
		return s.destinationDone(w, r, d.Name, "The destination was "+string(state)+" already.")
	case state == store.DestinationPaused:
		return s.destinationDone(w, r, d.Name, "The destination is paused within two seconds. Deliveries to it wait; nothing is lost. "+count+" "+pluralWord(waiting, "waits", "wait")+" by now.")
	case waiting > 0:
		return s.destinationDone(w, r, d.Name, "The destination is active again. What waits is sent: "+count+" by now.")
	}
	return s.destinationDone(w, r, d.Name, "The destination is active again. Nothing was waiting.")
}

// destinationRemoveView asks before a destination is removed.
type destinationRemoveView struct {
	page
	Destination destinationView
	Reason      field
}

func (s *server) destinationRemoveAsk(w http.ResponseWriter, r *http.Request) error {
	d, err := s.findDestination(r)
	if err != nil {
		return err
	}
	open, _, err := s.openDeliveries(r.Context())
	if err != nil {
		return err
	}
	v := destinationRemoveView{page: s.newPage(r, "Remove "+d.Name), Reason: reasonField("Reason", "For the audit list. May be left empty.")}
	v.Destination = newDestinationView(d, open[d.ID], v.Now)
	return s.render(w, r, http.StatusOK, destinationRemovePage(v))
}

func (s *server) destinationRemove(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	d, err := s.findDestination(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	open, _, err := s.openDeliveries(r.Context())
	if err != nil {
		return err
	}
	note := s.note(r, "destination.remove", d.Name, reason, map[string]any{"waiting": open[d.ID].waiting})
	if err := s.DB.RemoveDestination(r.Context(), d.Name, note); err != nil {
		return err
	}
	return s.done(w, r, "/destinations", "The destination "+d.Name+" is removed. What waited for it is cancelled; what was sent stays on record.")
}

// trialView is a test request with its answer.
type trialView struct {
	page
	Destination link
	Method      string
	Attempt     attemptView
	Sent        []piece
	Succeeded   bool
	TestURL     string
}

// destinationTest sends a test request and shows what came of it. It is in the audit list, and nowhere else.
func (s *server) destinationTest(w http.ResponseWriter, r *http.Request) error {
	d, err := s.findReadable(r)
	if err != nil {
		return err
	}
	trial, err := s.Trial.Try(r.Context(), d, nil)
	if err != nil {
		if s.databaseAway(r) {
			return err
		}
		return mistake("The destination cannot be tested: " + err.Error() + ".")
	}
	note := s.note(r, "destination.test", d.Name, "", map[string]any{"status": trial.Status, "error": trial.Error})
	if err := s.DB.AddAudit(r.Context(), note); err != nil {
		return err
	}
	v := trialView{
		page: s.newPage(r, "Test of "+d.Name), Destination: link{d.Name, destinationURL(d.Name)}, Method: trial.Method,
		Attempt: newAttemptView("trial", &trial.Attempt, store.DeliverySucceeded, mask.Default(), mask.Everything), Sent: textPieces(string(trial.Body)),
		Succeeded: trial.Succeeded(), TestURL: destinationURL(d.Name) + "/test",
	}
	v.Attempt.Body, v.Attempt.Truncated = textPieces(string(trial.ResponseBody)), trial.ResponseTruncated
	return s.render(w, r, http.StatusOK, trialPage(v))
}

// What can be revealed of a destination is its signing secrets.
type destinationRevealView struct {
	page
	Destination link
	Mistakes    []link
	Reason      field
	Made        bool     // it was made just now, and is shown this once
	Values      []string // only when shown
}

func (s *server) newDestinationReveal(r *http.Request, d *store.Destination) destinationRevealView {
	v := destinationRevealView{
		page: s.newPage(r, "Signing secret of "+d.Name), Destination: link{d.Name, destinationURL(d.Name)},
		Reason: reasonField("Why do you need to see it?", "It stands in the audit list with your name."),
	}
	v.Reason.Wants = true
	return v
}

// secrets are those that sign now, newest first.
func (v *destinationRevealView) show(d *store.Destination) {
	for _, secret := range d.ValidSecrets(v.Now) {
		v.Values = append(v.Values, secret.Key)
	}
}

// findSigned is a destination with a signing secret of its own.
func (s *server) findSigned(r *http.Request) (*store.Destination, error) {
	d, err := s.findReadable(r)
	if err == nil && len(d.ValidSecrets(s.Now())) == 0 {
		return nil, missing("The destination " + d.Name + " has no signing secret of its own.")
	}
	return d, err
}

// madeURL is where a secret that was made just now is shown, once: to whoever made it.
func madeURL(name string) string { return destinationURL(name) + "/reveal?made=1" }

// showMade goes to the page that shows the secret that was made. What lets it be shown is in the session alone.
func (s *server) showMade(w http.ResponseWriter, r *http.Request, name string) error {
	session := s.session(r)
	session.AddFlash(name, flashMade)
	if err := session.Save(r, w); err != nil {
		return fmt.Errorf("keeping that a secret was made: %w", err)
	}
	http.Redirect(w, r, madeURL(name), http.StatusSeeOther)
	return nil
}

const flashMade = "made"

// takeMade tells whether this user made a secret for the destination just now, and forgets it.
func (s *server) takeMade(w http.ResponseWriter, r *http.Request, name string) (bool, error) {
	session := s.session(r)
	made := false
	flashes := session.Flashes(flashMade)
	for _, f := range flashes {
		made = made || f == name
	}
	if len(flashes) == 0 {
		return false, nil
	}
	return made, session.Save(r, w) // shown once: what cannot be forgotten is not shown
}

func (s *server) destinationRevealAsk(w http.ResponseWriter, r *http.Request) error {
	d, err := s.findSigned(r)
	if err != nil {
		return err
	}
	v := s.newDestinationReveal(r, d)
	if v.Made, err = s.takeMade(w, r, d.Name); err != nil {
		return fmt.Errorf("forgetting that a secret was made: %w", err)
	}
	if v.Made {
		v.Values = []string{d.Secrets[len(d.Secrets)-1].Key}
	}
	v.Reason.Focus = true
	return s.render(w, r, http.StatusOK, destinationRevealPage(v))
}

// destinationReveal shows the signing secrets to an admin who says why. It is in the audit list before it is on the page.
func (s *server) destinationReveal(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	d, err := s.findSigned(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	v := s.newDestinationReveal(r, d)
	if reason == "" {
		wrong := problems{}
		wrong.add("reason", errors.New("say why it is shown"))
		v.Mistakes = wrong.mark(&v.Reason)
		return s.render(w, r, http.StatusUnprocessableEntity, destinationRevealPage(v))
	}
	if err := s.DB.AddAudit(r.Context(), s.note(r, "destination.reveal", d.Name, reason, map[string]any{"what": "signing secrets"})); err != nil {
		return err
	}
	v.show(d)
	return s.render(w, r, http.StatusOK, destinationRevealPage(v))
}
