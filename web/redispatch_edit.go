package web

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"recall/mask"
	"recall/store"
)

// maxEdited bounds a body that is edited on a page; a longer one can be sent by the command.
const maxEdited = 48 << 10

// redispatchEditView is the form that makes a test of an event.
type redispatchEditView struct {
	page
	Event        link
	URL          string
	Destinations []choice
	To           string
	Header       field
	Body         field
	Reason       field
	Wrong        string // what of it cannot be; ""
	Cannot       string // why the body cannot be edited here; "" where it can
	Command      string // which can
	Hidden       hiddenView
}

func (s *server) newRedispatchEdit(r *http.Request, e *store.Event) (redispatchEditView, error) {
	v := redispatchEditView{
		page: s.newPage(r, "Edit and send as a test"), Event: link{e.ID.String(), eventURL(e.ID)}, URL: eventURL(e.ID) + "/edit",
		Header: field{Name: "header", Label: "Headers", Code: true, Hint: "One on each line, as Name: value. Recall adds those that say what the request is, the signature, and the destination’s own."},
		Body:   field{Name: "body", Label: "Body", Code: true, Hint: "It is signed and sent as it stands here, with line feeds at the ends of lines."},
		Reason: field{Name: "reason", Label: "Reason", Max: maxReason, Wants: true, Hint: "It stands in the audit list, and with the test."},
	}
	v.Section = "events"
	v.Command = "recall event test " + e.ID.String() + " --to NAME --body-file FILE --reason TEXT"
	accepted, err := s.DB.AcceptedNow(r.Context(), e)
	if err != nil {
		return v, err
	}
	if !accepted {
		return v, refused("This event was rejected, so nothing made of it is sent on. If it is genuine, mend the cause and check it again.")
	}
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return v, fmt.Errorf("listing destinations: %w", err)
	}
	for _, d := range destinations {
		v.Destinations = append(v.Destinations, destinationChoice(d))
	}
	switch {
	case len(destinations) == 0:
		v.Cannot, v.Command = "There is no destination yet. An admin may add one under Destinations.", ""
	case len(e.Body) > maxEdited:
		v.Cannot = "The body is too large to be edited on a page. A file can be sent instead of it:"
	case !utf8.Valid(e.Body) || bytes.ContainsRune(e.Body, 0):
		v.Cannot = "The body is no text. A file can be sent instead of it:"
	}
	return v, nil
}

func (s *server) redispatchEdit(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	v, err := s.newRedispatchEdit(r, e)
	if err != nil {
		return err
	}
	look, err := s.sight(r)
	if err != nil {
		return err
	}
	if _, found := look.rules.Body(e.Body, look.of(e)); v.Cannot == "" && found.Hides(look.of(e)) {
		reveal := look.of(e)
		v.Cannot, v.Command = "What is hidden in its body would have to be edited unseen. Reveal it first.", ""
		if !look.may {
			v.Cannot = "What is hidden in its body would have to be edited unseen. " + mayNot(v.Role, store.RightReveal, "reveal it")
		}
		v.Hidden = look.hidden(hiddenWords(found, reveal), found.Secret > 0 && !reveal.Secrets, s.RevealFor, []string{revealOf(store.RevealEvent, e.ID.String())}, e)
	}
	if err := s.seen(r, actionView, e.ID.String()); err != nil {
		return err
	}
	v.To = r.URL.Query().Get("to")
	if v.Cannot == "" {
		v.Body.Value = string(e.Body)
	}
	for _, name := range []string{"Content-Type", "Content-Encoding", "X-Plenigo-Api-Version"} {
		for _, value := range e.Header[name] {
			v.Header.Value += name + ": " + value + "\n"
		}
	}
	return s.render(w, r, http.StatusOK, redispatchEditPage(v))
}

// redispatchTest sends what was edited, and shows the record of it.
func (s *server) redispatchTest(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	if err := r.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return formError(err)
	}
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	v, err := s.newRedispatchEdit(r, e)
	if err != nil {
		return err
	}
	form := r.PostForm
	v.To, v.Header.Value, v.Body.Value, v.Reason.Value = form.Get("to"), form.Get("header"), strings.ReplaceAll(form.Get("body"), "\r\n", "\n"), strings.TrimSpace(form.Get("reason"))
	edit := store.Edit{EventID: e.ID, Destination: v.To, Body: []byte(v.Body.Value), By: userOf(r).Name, Reason: v.Reason.Value}
	if v.Body.Value == strings.ReplaceAll(string(e.Body), "\r\n", "\n") {
		edit.Body = e.Body // a page cannot tell the ends of lines apart
	}
	edit.Header, err = readHeaderLines(v.Header.Value)
	if err == nil && utf8.RuneCountInString(edit.Reason) > maxReason {
		err = fmt.Errorf("a reason may have at most %d characters", maxReason)
	}
	if err == nil {
		err = edit.Validate()
	}
	if err != nil {
		v.Wrong = upper(err.Error())
		return s.render(w, r, http.StatusBadRequest, redispatchEditPage(v))
	}
	test, err := s.Trial.SendEdited(r.Context(), edit)
	if errors.Is(err, store.ErrNotFound) {
		v.Wrong = "Choose the destination it is to be sent to."
		return s.render(w, r, http.StatusBadRequest, redispatchEditPage(v))
	}
	if err != nil {
		return fmt.Errorf("sending an edited test of event %s: %w", e.ID, err)
	}
	http.Redirect(w, r, editedTestURL(test), http.StatusSeeOther)
	return nil
}

// readHeaderLines reads headers as they are written on a page: one on each line.
func readHeaderLines(text string) (http.Header, error) {
	header := http.Header{}
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !found || name == "" {
			return nil, fmt.Errorf("the header “%s” is not written as Name: value", plainText(cut(line, 60)))
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}

func editedTestURL(t *store.EditedTest) string {
	return eventURL(t.EventID) + "/tests/" + t.ID.String()
}

// editedTestRow is one edited test in a list.
type editedTestRow struct {
	link
	Result      mood
	At          timeView
	By, Reason  string
	Destination link
	Edited      bool
}

func newEditedTestRow(t *store.EditedTest, p page) editedTestRow {
	return editedTestRow{
		link: link{"Test", editedTestURL(t)}, Result: newAttemptView("", &store.Attempt{Number: 1, StartedAt: t.StartedAt, Duration: t.Duration, Status: t.Status, Error: t.Error}, store.DeliverySucceeded, mask.Default(), mask.Reveal{}).Result, At: newTime(t.StartedAt, p.Now),
		By: t.By, Reason: t.Reason, Destination: link{cmp.Or(t.Destination, "a removed destination"), destinationURL(t.Destination)}, Edited: t.Edited,
	}
}

func newEditedTestRows(tests []*store.EditedTest, p page) (rows []editedTestRow) {
	for _, t := range tests {
		rows = append(rows, newEditedTestRow(t, p))
	}
	return rows
}

// editedTestView is the record of one edited test.
type editedTestView struct {
	page
	editedTestRow
	Event   link
	ID      string
	Method  string
	Attempt attemptView
	Sent    []piece
	EditURL string
	Hides   bool // some of what was sent is hidden, until the event is revealed
	Taken   bool
}

func (s *server) editedTestShow(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(r.PathValue("test"))
	if err != nil {
		return missing("There is no such test.")
	}
	t, err := s.DB.FindEditedTest(r.Context(), e.ID, id)
	if errors.Is(err, store.ErrNotFound) {
		return missing("There is no such test of this event.")
	}
	if err != nil {
		return err
	}
	look, err := s.sight(r)
	if err != nil {
		return err
	}
	if err := s.seen(r, actionView, e.ID.String()); err != nil {
		return err
	}
	sent, found := look.rules.Body(t.Body, look.of(e))
	v := editedTestView{
		page: s.newPage(r, "Edited test"), Event: link{e.ID.String(), eventURL(e.ID)}, ID: t.ID.String(), Method: t.Method,
		Attempt: newAttemptView("test", &t.Attempt, store.DeliverySucceeded, look.rules, look.of(e)), Sent: textPieces(string(sent)), Hides: found.Hides(look.of(e)), Taken: t.Succeeded(),
		EditURL: eventURL(e.ID) + "/edit?to=" + t.Destination,
	}
	v.editedTestRow = newEditedTestRow(t, v.page)
	v.Section = "events"
	return s.render(w, r, http.StatusOK, editedTestPage(v))
}
