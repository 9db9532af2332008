package web

import (
	"context"
	"net/http"
	"strings"
	"time"
	_ "time/tzdata" // a machine may have no zones of its own

	"golang.org/x/text/language"
)

// habits are how a reader writes numbers and dates, and where the clock stands. The words stay English.
type habits struct {
	German bool
	Zone   *time.Location // nil: UTC
}

const (
	habitsCookie = "recall_habits" // de or en; none: what the browser asks for
	zoneCookie   = "recall_zone"   // such as Europe/Berlin; none: UTC
)

type habitsKey struct{}

// habitsOf returns those of who reads a page: English ones and UTC where nothing is known.
func habitsOf(ctx context.Context) habits {
	h, _ := ctx.Value(habitsKey{}).(habits)
	return h
}

func (h habits) with(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), habitsKey{}, h))
}

// habitsSet keeps in the browser how its reader writes numbers and dates, and where the clock stands.
func (s *server) habitsSet(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	form, zone := r.PostForm.Get("habits"), strings.TrimSpace(r.PostForm.Get("zone"))
	if form != "" && form != "de" && form != "en" {
		return mistake("Numbers and dates are written as the browser asks for, in English or in German.")
	}
	if _, known := readZone(zone); !known {
		return mistake("There is no time zone of this name. They look like Europe/Berlin.")
	}
	for name, value := range map[string]string{habitsCookie: form, zoneCookie: zone} {
		cookie := &http.Cookie{
			Name: name, Value: value, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
			HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
		}
		if value == "" || value == "UTC" {
			cookie.Value, cookie.MaxAge = "", -1
		}
		http.SetCookie(w, cookie)
	}
	return s.done(w, r, "/account", "Numbers, dates and times are shown as you chose, in this browser.")
}

// readHabits takes them from what was chosen, and otherwise from the browser's language.
func readHabits(r *http.Request) habits {
	var h habits
	if cookie, err := r.Cookie(habitsCookie); err == nil && (cookie.Value == "de" || cookie.Value == "en") {
		h.German = cookie.Value == "de"
	} else if tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language")); err == nil && len(tags) > 0 {
		base, _ := tags[0].Base()
		h.German = base.String() == "de"
	}
	if cookie, err := r.Cookie(zoneCookie); err == nil {
		h.Zone, _ = readZone(cookie.Value)
	}
	return h
}

// readZone finds a time zone by its name in the IANA's list; "" and UTC are nil.
func readZone(name string) (*time.Location, bool) {
	if name == "" || name == "UTC" {
		return nil, true
	}
	if name == "Local" || len(name) > 60 { // Local is this machine's, which is nobody's matter
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// language is whose numbers and dates they are.
func (h habits) language() string {
	if h.German {
		return "de"
	}
	return "en"
}

// zone is where the clock stands.
func (h habits) zone() *time.Location {
	if h.Zone == nil {
		return time.UTC
	}
	return h.Zone
}

// grouped writes a number with a mark between thousands.
func (h habits) grouped(n int64) string {
	if h.German {
		return strings.ReplaceAll(grouped(n), ",", ".")
	}
	return grouped(n)
}

// plural is "1 event", "2,000 events".
func (h habits) plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return h.grouped(int64(n)) + " " + many
}

// size is a number of bytes for people.
func (h habits) size(n int64) string {
	if h.German {
		return strings.NewReplacer(",", ".", ".", ",").Replace(size(n))
	}
	return size(n)
}

// exact is a time to the millisecond, with its zone.
func (h habits) exact(t time.Time) string {
	t = t.In(h.zone())
	if h.German {
		return t.Format("02.01.2006 15:04:05,000 ") + zoneWord(t)
	}
	return t.Format("2006-01-02 15:04:05.000 ") + zoneWord(t)
}

// exactTo is exact without milliseconds and zone, for where these stand elsewhere.
func (h habits) exactTo(t time.Time) string {
	t = t.In(h.zone())
	if h.German {
		return t.Format("02.01.2006 15:04:05")
	}
	return t.Format(time.DateTime)
}

// minute is a time without its seconds, with its zone.
func (h habits) minute(t time.Time) string {
	t = t.In(h.zone())
	if h.German {
		return t.Format("02.01.2006 15:04 ") + zoneWord(t)
	}
	return t.Format("2006-01-02 15:04 ") + zoneWord(t)
}

// milli is the part of a second, to stand behind a time.
func (h habits) milli(t time.Time) string {
	if h.German {
		return t.Format(",000")
	}
	return t.Format(".000")
}

// zoneWord is the short name of the zone at a time, such as UTC or CET; zones without one are told by their distance.
func zoneWord(t time.Time) string {
	name, offset := t.Zone()
	if name == "" || name[0] == '+' || name[0] == '-' {
		return "UTC" + t.Format("-07:00")
	}
	if offset == 0 && name != "UTC" {
		return name + " (UTC+0)"
	}
	return name
}

// dayName names a day as seen from another: "Today", "Yesterday" or nothing, then weekday and date.
func (h habits) dayName(day, today time.Time) string {
	day, today = day.In(h.zone()), today.In(h.zone())
	date := day.Format("Monday, 2 January 2006")
	if h.German {
		date = day.Format("Monday, 02.01.2006")
	}
	switch midnight(today).Sub(midnight(day)) {
	case 0:
		return "Today · " + date
	case 24 * time.Hour:
		return "Yesterday · " + date
	}
	return date
}

// midnight is the date alone, where every day has 24 hours.
func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// zoneNames are offered; any other that exists can be given in the address or on the account's page.
var zoneNames = []string{"UTC", "Europe/Berlin", "Europe/Vienna", "Europe/Zurich", "Europe/London", "America/New_York", "America/Los_Angeles", "Asia/Tokyo"}

// zoneChoices are for a list: the reader's own zone first.
func zoneChoices() []choice {
	choices := []choice{{"", "Your own"}}
	for _, name := range zoneNames {
		choices = append(choices, choice{name, strings.ReplaceAll(name, "_", " ")})
	}
	return choices
}
