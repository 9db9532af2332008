package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// auditQuery is what the address of the page says.
type auditQuery struct {
	Actor, Action, Subject string
	From, Until            string // days, both included, by UTC
	Text                   string // held anywhere in an entry
	Before                 string // id of the last entry of the page before
}

func newAuditQuery(v url.Values) auditQuery {
	return auditQuery{v.Get("actor"), v.Get("action"), v.Get("subject"), v.Get("from"), v.Get("until"), cut(strings.TrimSpace(v.Get("text")), maxAuditText), v.Get("before")}
}

// fields are those that are set, by name, without the page.
func (q auditQuery) fields() (fields []choice) {
	q.Before = ""
	address, _ := url.Parse(q.url()) // of our own making
	for name, values := range address.Query() {
		fields = append(fields, choice{name, values[0]})
	}
	slices.SortFunc(fields, func(a, b choice) int { return strings.Compare(a.Value, b.Value) })
	return fields
}

func (q auditQuery) url() string {
	v := url.Values{}
	for name, value := range map[string]string{
		"actor": q.Actor, "action": q.Action, "subject": q.Subject, "from": q.From, "until": q.Until, "text": q.Text, "before": q.Before,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(v) == 0 {
		return "/audit"
	}
	return "/audit?" + v.Encode()
}

// ask is the query for the store. What is wrong in it is said to the person, in words.
func (q auditQuery) ask() (a store.AuditQuery, err error) {
	a = store.AuditQuery{Actor: q.Actor, Action: q.Action, Subject: q.Subject, Text: q.Text, Limit: shownAudit + 1}
	if a.From, err = day(q.From); err != nil {
		return a, err
	}
	if a.Until, err = day(q.Until); err != nil {
		return a, err
	}
	if !a.Until.IsZero() {
		a.Until = a.Until.AddDate(0, 0, 1)
	}
	if q.Before != "" {
		if a.Before, err = strconv.ParseInt(q.Before, 10, 64); err != nil || a.Before < 1 {
			return a, mistake("In the address, before must be the number of an entry.")
		}
	}
	return a, nil
}

func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, mistake("“" + plainText(cut(text, 40)) + "” is no day; write it as 2026-11-24.")
	}
	return t, nil
}

const (
	shownAudit   = 100
	maxAuditText = 200 // bytes that are looked for
)

// auditListView is the page of who did what and why.
type auditListView struct {
	page
	Query    auditQuery
	Nouns    []choice
	Rows     []auditRow
	Next     string // address of the next page; "" where this is the last
	First    string // address of the first page; "" where this is it
	Narrowed bool
	Checked  *auditChecked // nil: it was not asked for
}

type auditRow struct {
	At              timeView
	Actor, ActorURL string
	Action          string
	Noun            string
	Subject         string
	SubjectURL      string // its page; "" where it has none
	Trail           string // address of all entries of the subject
	Reason          string
	Detail          []auditDetail
}

// auditDetail is one thing that an entry says besides. Before is "" where nothing was replaced.
type auditDetail struct {
	Name, Before, After string
	Changed             bool
}

// auditNouns are what actions are about, as the field offers them.
var auditNouns = []choice{
	{"event", "Events"}, {"delivery", "Deliveries"}, {"replay", "Replays"}, {"reverify", "Re-verification"}, {"failure", "Failures"},
	{"source", "Sources"}, {"destination", "Destinations"}, {"view", "Saved views"}, {"user", "Users and log-ins"},
	{"entity", "Entities seen"}, {"customer", "Customers seen"}, {"mask", "Masking rules"}, {"retention", "Retention"}, {"hold", "Legal holds"}, {"audit", "The audit list"}, {"erasure", "Erasures"},
}

func (s *server) auditList(w http.ResponseWriter, r *http.Request) error {
	return s.renderAudit(w, r, newAuditQuery(r.URL.Query()), nil)
}

func (s *server) renderAudit(w http.ResponseWriter, r *http.Request, q auditQuery, checked *auditChecked) error {
	ask, err := q.ask()
	if err != nil {
		return err
	}
	entries, err := s.DB.FindAudit(r.Context(), ask)
	if err != nil {
		return err
	}
	v := auditListView{page: s.newPage(r, "Audit"), Query: q, Nouns: auditNouns, Checked: checked}
	v.Narrowed = q != auditQuery{Before: q.Before}
	if q.Action != "" && !slices.ContainsFunc(v.Nouns, func(c choice) bool { return c.Value == q.Action }) {
		v.Nouns = append(slices.Clone(v.Nouns), choice{q.Action, plainText(auditWords(cut(q.Action, 100)))})
	}
	if len(entries) > shownAudit {
		entries = entries[:shownAudit]
		next := q
		next.Before = strconv.FormatInt(entries[shownAudit-1].ID, 10)
		v.Next = next.url()
	}
	if q.Before != "" {
		first := q
		first.Before = ""
		v.First = first.url()
	}
	for _, e := range entries {
		v.Rows = append(v.Rows, newAuditRow(e, v.Now))
	}
	return s.render(w, r, http.StatusOK, auditListPage(v))
}

func newAuditRow(e store.AuditEntry, now time.Time) auditRow {
	noun, _, _ := strings.Cut(e.Action, ".")
	row := auditRow{
		At: newTime(e.At, now), Actor: e.Actor, ActorURL: auditQuery{Actor: e.Actor}.url(), Action: auditWords(e.Action), Noun: noun,
		Subject: e.Subject, SubjectURL: subjectURL(noun, e.Subject), Reason: e.Reason,
	}
	if e.Subject != "" {
		row.Trail = auditQuery{Subject: e.Subject}.url()
	}
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		d := auditDetail{Name: words(name)}
		if change, ok := e.Detail[name].(map[string]any); ok && len(change) == 2 && has(change, "before") && has(change, "after") {
			d.Before, d.After, d.Changed = valueText(change["before"]), valueText(change["after"]), true
		} else {
			d.After = valueText(e.Detail[name])
		}
		row.Detail = append(row.Detail, d)
	}
	return row
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

// auditWords are an action in words: "source: give up" of source.give_up.
func auditWords(action string) string {
	noun, verb, found := strings.Cut(action, ".")
	if !found {
		return words(noun)
	}
	return words(noun) + ": " + words(verb)
}

// subjectURL is the page of what an entry is about. A name may stand for something that is gone: its page says so.
func subjectURL(noun, subject string) string {
	switch noun {
	case "event":
		if id, err := uuid.Parse(subject); err == nil {
			return eventURL(id)
		}
	case "source":
		return "/sources/" + url.PathEscape(subject)
	case "destination":
		return "/destinations/" + url.PathEscape(subject)
	case "entity":
		if entityType, id, found := strings.Cut(subject, "/"); found {
			return entityURL(entityType, id)
		}
	case "customer":
		return customerURL(subject)
	case "mask":
		return maskSubject(subject)
	case "erasure":
		if id, found := strings.CutPrefix(subject, "case "); found {
			return "/erasures/" + url.PathEscape(id)
		}
		return "/erasures"
	case "alert":
		if _, err := strconv.ParseUint(subject, 10, 63); err == nil {
			return "/alerts#alert-" + subject
		}
		return "/alerts#channels"
	case "retention", "hold":
		return "/retention"
	case "reverify":
		if _, err := strconv.ParseUint(subject, 10, 63); err == nil {
			return "/reverify/" + subject
		}
	case "replay":
		if _, err := strconv.ParseUint(subject, 10, 63); err == nil {
			return "/replays/" + subject
		}
	}
	return ""
}

// maxAuditValue bounds what one value takes on the page, in characters.
const maxAuditValue = 600

// valueText prints a value of an entry for people: texts and numbers as they are, what has names with them, lists of
// anything but texts as JSON.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return "empty"
		}
		return cut(v, maxAuditValue)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		texts := make([]string, 0, len(v))
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				break
			}
			texts = append(texts, text)
		}
		if len(texts) == len(v) {
			if len(v) == 0 {
				return "none"
			}
			return cut(strings.Join(texts, ", "), maxAuditValue)
		}
	case map[string]any:
		texts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			texts = append(texts, words(name)+" "+valueText(v[name]))
		}
		if len(texts) == 0 {
			return "none"
		}
		return cut(strings.Join(texts, ", "), maxAuditValue)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "unreadable"
	}
	return cut(string(b), maxAuditValue)
}
