package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// historyQuery is what the address of a history says.
type historyQuery struct {
	base          string // the page's own path
	at            time.Time
	atText        string
	source        string
	apart         bool
	before, after uuid.UUID
}

func (q historyQuery) values() url.Values {
	v := url.Values{}
	if q.atText != "" {
		v.Set("at", q.atText)
	}
	if q.source != "" {
		v.Set("source", q.source)
	}
	if q.apart {
		v.Set("unset", "apart")
	}
	return v
}

func (q historyQuery) url() string {
	v := q.values()
	if q.before != uuid.Nil {
		v.Set("before", q.before.String())
	}
	if q.after != uuid.Nil {
		v.Set("after", q.after.String())
	}
	if len(v) == 0 {
		return q.base
	}
	return q.base + "?" + strings.ReplaceAll(v.Encode(), "%3A", ":")
}

// page is the same history from its newest end.
func (q historyQuery) newest() historyQuery {
	q.before, q.after = uuid.Nil, uuid.Nil
	return q
}

// atLayouts are how a browser, or a person, writes a moment.
var atLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05.999", time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// parseHistoryQuery reads the address. A moment without a zone is one of the reader's own.
func parseHistoryQuery(r *http.Request, base string) (q historyQuery, problem string, err error) {
	v := r.URL.Query()
	ids, err := parseEventQuery(v)
	if err != nil {
		return q, "", err
	}
	q = historyQuery{base: base, source: v.Get("source"), apart: v.Get("unset") == "apart", before: ids.Before, after: ids.After}
	text := strings.TrimSpace(v.Get("at"))
	if text == "" {
		return q, "", nil
	}
	for _, layout := range atLayouts {
		at, err := time.ParseInLocation(layout, text, habitsOf(r.Context()).zone())
		if err == nil && at.Year() >= 1970 && at.Year() <= 9999 {
			q.at, q.atText = at.UTC(), at.UTC().Format(time.RFC3339Nano) // an address means one moment, whoever opens it
			return q, "", nil
		}
	}
	return q, "“" + cut(text, 60) + "” is no time. Write it as 2026-11-24 10:00:00.", nil
}

// known is the bound of the ids of what had arrived at a moment; all of them where none is asked for.
func (q historyQuery) known() uuid.UUID {
	if q.at.IsZero() {
		return uuid.Max
	}
	return store.IDAt(q.at.Add(time.Millisecond))
}

// sources are the ones the history is narrowed to.
func (q historyQuery) sources() []string {
	if q.source == "" {
		return nil
	}
	return []string{q.source}
}

func (q historyQuery) terms(term filter.Term) []filter.Term {
	terms := []filter.Term{term}
	for _, slug := range q.sources() {
		terms = append(terms, filter.Term{Key: filter.KeySource, Values: []filter.Value{{Text: slug}}})
	}
	return terms
}
