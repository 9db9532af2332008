package web

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
)

// fieldKeys are the filter's keys that have a field of their own beside the search box, in the order shown.
var fieldKeys = []filter.Key{
	filter.KeySource, filter.KeyVerdict, filter.KeyType, filter.KeyEntity, filter.KeyCustomer, filter.KeyAfter, filter.KeyBefore,
}

// eventQuery is what the address of the list says.
type eventQuery struct {
	Text          string // the filter as text
	Base          string // the filter the list showed before, kept while Text has a mistake in it
	Before, After uuid.UUID
	Live          bool
	Columns       string // columns.String
	Zone          string // time zone of this list; "" the reader's own
	View          int64  // saved view it was opened from; 0 none
}

// on is the query with another filter, on its first page; how the list looks stays.
func (q eventQuery) on(text string) eventQuery {
	return eventQuery{Text: text, Columns: q.Columns, Zone: q.Zone, View: q.View}
}

func (q eventQuery) url() string { return q.at("/events") }

// with is url with one parameter more.
func (q eventQuery) with(name, value string) string {
	address := q.url()
	if strings.Contains(address, "?") {
		return address + "&" + name + "=" + value
	}
	return address + "?" + name + "=" + value
}

// at is the address of something about the same events.
func (q eventQuery) at(path string) string {
	v := url.Values{}
	if q.Text != "" {
		v.Set("q", q.Text)
	}
	if q.Base != "" {
		v.Set("base", q.Base)
	}
	if q.Before != uuid.Nil {
		v.Set("before", q.Before.String())
	}
	if q.After != uuid.Nil {
		v.Set("after", q.After.String())
	}
	if q.Live {
		v.Set("live", "1")
	}
	if q.Columns != "" {
		v.Set("cols", q.Columns)
	}
	if q.Zone != "" {
		v.Set("tz", q.Zone)
	}
	if q.View != 0 {
		v.Set("view", strconv.FormatInt(q.View, 10))
	}
	if len(v) == 0 {
		return path
	}
	// A filter in the address is to be read by people too: what need not be escaped is not.
	return path + "?" + strings.NewReplacer("%3A", ":", "%2C", ",", "%2F", "/", "%2A", "*").Replace(v.Encode())
}

// filterURL is the address of the list with one term.
func filterURL(key filter.Key, value string) string {
	return eventQuery{Text: filter.TermText(string(key), value)}.url()
}

// parseEventQuery reads the address. Ids that are none are a mistake in a link, said plainly.
func parseEventQuery(v url.Values) (eventQuery, error) {
	q := eventQuery{Text: strings.TrimSpace(v.Get("q")), Base: strings.TrimSpace(v.Get("base")), Live: v.Get("live") == "1"}
	q.readLook(v)
	for name, id := range map[string]*uuid.UUID{"before": &q.Before, "after": &q.After} {
		text := v.Get(name)
		if text == "" {
			continue
		}
		parsed, err := uuid.Parse(text)
		if err != nil {
			return q, mistake("In the address, " + name + " must be the id of an event.")
		}
		*id = parsed
	}
	return q, nil
}

// readLook takes how the list looks from the address, or from the form that changes it: there every column is a field of
// its own. What does not exist is passed over: a link stays one when a column goes.
func (q *eventQuery) readLook(v url.Values) {
	q.Columns = readColumns(v.Get("cols")).String()
	if v.Has("set.cols") {
		q.Columns = pickColumns(v["set.cols"]).String()
	}
	if zone, known := readZone(v.Get("tz")); known && zone != nil {
		q.Zone = zone.String()
	} else if known && v.Get("tz") == "UTC" {
		q.Zone = "UTC"
	}
	q.View, _ = strconv.ParseInt(v.Get("view"), 10, 64)
	q.View = max(q.View, 0)
}

// isSearch tells a search just sent from an address to show: the form always sends its fields.
func isSearch(v url.Values) bool {
	for _, key := range fieldKeys {
		if v.Has("set." + string(key)) {
			return true
		}
	}
	return v.Has("set.cols")
}

// mergeSearch makes one text of the search box and of the fields beside it. The form also says which filter the page
// showed (base): only a field that was changed since then changes the text, so that what was typed into the box counts
// as well.
func mergeSearch(v url.Values, now time.Time) eventQuery {
	text, base := strings.TrimSpace(v.Get("q")), strings.TrimSpace(v.Get("base"))
	q := eventQuery{Text: text, Live: v.Get("live") == "1"}
	q.readLook(v)

	baseFilter, err := filter.Parse(base, now)
	if err != nil {
		base, baseFilter = "", filter.Filter{}
	}
	was := fieldValues(baseFilter)
	changed := map[filter.Key]string{}
	for _, key := range fieldKeys {
		name := "set." + string(key)
		if value := strings.TrimSpace(v.Get(name)); v.Has(name) && value != was[key] {
			changed[key] = value
		}
	}

	f, err := filter.Parse(text, now)
	if err != nil {
		// The text cannot be taken apart, so the fields are added to its end; the page says what is wrong.
		for _, key := range fieldKeys {
			if changed[key] != "" {
				q.Text = strings.TrimSpace(q.Text + " " + filter.TermText(string(key), changed[key]))
			}
		}
		q.Base = base
		return q
	}
	if len(changed) > 0 {
		q.Text = f.Set(changed, fieldKeys)
	}
	if _, err := filter.Parse(q.Text, now); err != nil {
		q.Base = base
	}
	return q
}

// fieldValues says what stands in the fields for a filter: the values of the first term of each key that is not negated.
func fieldValues(f filter.Filter) map[filter.Key]string {
	values := map[filter.Key]string{}
	for _, term := range f.Terms {
		if !term.Negated && values[term.Key] == "" {
			values[term.Key] = term.ValuesText()
		}
	}
	return values
}

// filterProblem shows a mistake in a filter text where it is.
type filterProblem struct {
	Message        string
	Start, At, End string // the text before the mistake, the word with it, the rest
}

func newFilterProblem(text string, err error) *filterProblem {
	var mistake *filter.Error
	if !errors.As(err, &mistake) {
		return &filterProblem{Message: err.Error(), Start: text}
	}
	at := max(0, min(mistake.Pos, len(text)))
	end := max(at, min(mistake.End, len(text)))
	return &filterProblem{Message: mistake.Message, Start: text[:at], At: text[at:end], End: text[end:]}
}
