package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"recall/filter"
	"recall/store"
)

const actionReveal = "source.reveal"

func sourceURL(slug string) string { return "/sources/" + slug }

// findSource finds the source that the address names.
func (s *server) findSource(r *http.Request) (*store.Source, error) {
	source, err := s.DB.FindSource(r.Context(), r.PathValue("slug"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("There is no source “" + cut(r.PathValue("slug"), 80) + "”, or it was removed.")
	}
	if err != nil {
		return nil, fmt.Errorf("finding source: %w", err)
	}
	return source, nil
}

// readable refuses to change a source of which a part could not be read: it would be lost.
func readable(source *store.Source) error {
	if source.Unreadable {
		return refused("A part of this source’s settings cannot be decrypted, and would be lost. Start Recall with the key that was in use before, or give the part up on the source’s page.")
	}
	return nil
}

// note is what the audit list will say of a change.
func (s *server) note(r *http.Request, action, subject, reason string, detail map[string]any) store.AuditEntry {
	all := map[string]any{"address": address(r)}
	for name, value := range detail {
		all[name] = value
	}
	return store.AuditEntry{At: s.Now(), Actor: userOf(r).Name, Action: action, Subject: subject, Reason: plainText(reason), Detail: all}
}

// sourceDone goes back to the source's page, which says what was done.
func (s *server) sourceDone(w http.ResponseWriter, r *http.Request, slug, message string) error {
	return s.done(w, r, sourceURL(slug), message)
}

// changeSource changes one thing of a source. Whatever else is changed at the same moment stays: the change is done anew
// on what is there then. The change may refuse.
func (s *server) changeSource(r *http.Request, reason string, change func(*store.Source) error) (*store.Source, error) {
	for tries := 0; ; tries++ {
		source, err := s.findSource(r)
		if err != nil {
			return nil, err
		}
		if err := readable(source); err != nil {
			return nil, err
		}
		changed := *source
		if err := change(&changed); err != nil {
			return source, err
		}
		changes := store.SourceChanges(source, &changed)
		if len(changes) == 0 {
			return source, nil
		}
		err = s.DB.UpdateSource(r.Context(), &changed, s.note(r, "source.set", source.Slug, reason, changes))
		if errors.Is(err, store.ErrChanged) && tries < 5 {
			continue
		}
		return &changed, err
	}
}

// sourceEnable enables or disables a source.
func (s *server) sourceEnable(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	enabled := r.PostForm.Get("enabled")
	if enabled != "true" && enabled != "false" {
		return mistake("Choose whether the source is to be enabled or disabled.")
	}
	source, err := s.changeSource(r, "", func(source *store.Source) error {
		source.Enabled = enabled == "true"
		return nil
	})
	if err != nil {
		return err
	}
	message := "The source is enabled."
	if !source.Enabled {
		message = "The source is disabled. Callbacks are answered 403 and kept as rejected; plenigo switches a callback off after 7 days of failures."
	}
	return s.sourceDone(w, r, source.Slug, message)
}

// sourceRemoveView asks before a source is removed.
type sourceRemoveView struct {
	page
	Source sourceView
	Last   timeView // of its latest event
	Reason field
}

func (s *server) sourceRemoveAsk(w http.ResponseWriter, r *http.Request) error {
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	v := sourceRemoveView{page: s.newPage(r, "Remove "+source.Name), Reason: reasonField("Reason", "For the audit list. May be left empty.")}
	v.Source = newSourceView(source, s.PublicURL, v.Now)
	latest, err := s.DB.ListEvents(r.Context(), store.EventQuery{Filter: sourceFilter(source.Slug), Limit: 1})
	if err != nil {
		return fmt.Errorf("finding the source's latest event: %w", err)
	}
	for _, e := range latest.Events {
		v.Last = newTime(e.ReceivedAt, v.Now)
	}
	return s.render(w, r, http.StatusOK, sourceRemovePage(v))
}

func sourceFilter(slug string) filter.Filter {
	return filter.Filter{Terms: []filter.Term{{Key: filter.KeySource, Values: []filter.Value{{Text: slug}}}}}
}

func reasonField(label, hint string) field {
	return field{Name: "reason", Label: label, Hint: hint, Max: store.MaxReason}
}

func (s *server) sourceRemove(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	if err := s.DB.RemoveSource(r.Context(), source.Slug, s.note(r, "source.remove", source.Slug, reason, nil)); err != nil {
		return err
	}
	return s.done(w, r, "/sources", "The source "+source.Name+" is removed. Its events stay.")
}

func readReason(r *http.Request) (string, error) {
	reason := strings.TrimSpace(r.PostForm.Get("reason"))
	if utf8.RuneCountInString(reason) > store.MaxReason {
		return "", mistake(fmt.Sprintf("The reason may have at most %d characters.", store.MaxReason))
	}
	return reason, nil
}

// sourceGiveUpAsk asks before what cannot be decrypted is given up.
func (s *server) sourceGiveUpAsk(w http.ResponseWriter, r *http.Request) error {
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	if !source.Unreadable {
		return mistake("Everything of this source can be read, so there is nothing to give up.")
	}
	v := sourceShowView{page: s.newPage(r, "Give up what cannot be read")}
	v.Source = newSourceView(source, s.PublicURL, v.Now)
	return s.render(w, r, http.StatusOK, sourceGiveUpPage(v))
}

// sourceGiveUp keeps what could be read. The source is disabled by it: it may ask for less than before.
func (s *server) sourceGiveUp(w http.ResponseWriter, r *http.Request) error {
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	if !source.Unreadable {
		return mistake("Everything of this source can be read, so there is nothing to give up.")
	}
	kept := *source
	kept.Unreadable, kept.Enabled = false, false
	err = s.DB.UpdateSource(r.Context(), &kept, s.note(r, "source.give_up", source.Slug, "", store.SourceChanges(nil, &kept)))
	if err != nil {
		return err
	}
	return s.sourceDone(w, r, source.Slug, "What could not be read is given up. The source is disabled: set anew what is missing, then enable it.")
}

// sourceTest sends a test callback and goes to the event that it became.
func (s *server) sourceTest(w http.ResponseWriter, r *http.Request) error {
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	if len(source.ValidSecrets(s.Now())) == 0 {
		return mistake("The source has no secret that is valid now, so a callback cannot be signed. Add one first.")
	}
	id, err := s.Test.SendTest(r.Context(), source)
	if err != nil {
		s.Log.Warn("test callback failed", "source", source.Slug, "error", err)
		return &statusError{http.StatusBadGateway, "The test callback became no event: " + err.Error() + "."}
	}
	if err := s.DB.AddAudit(r.Context(), s.note(r, "source.test", source.Slug, "", map[string]any{"event": id})); err != nil {
		return err
	}
	return s.done(w, r, eventURL(id), "This is the test callback. It went the way of every callback: over HTTP, signed with the newest secret.")
}
