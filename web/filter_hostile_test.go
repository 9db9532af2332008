package web

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"recall/filter"
	"recall/store"
)

// hostileValues try to leave the place that a value has: in SQL, in LIKE and regular expressions, in HTML, in a header.
var hostileValues = []string{
	`'`, `''; DROP TABLE events; --`, `' OR '1'='1`, `1' UNION SELECT password FROM users --`, `$1`, `@actor`, `:x`, `%`, `_%`, `\`, `\'`, `E'\x00'`, `;`, `/*`,
	"\x00", "a\r\nSet-Cookie: x=1", "\u202e", "\xff\xfe", `"><img src=x onerror=alert(1)>`, `</script><script>alert(1)</script>`, `{{7*7}}`, `${7*7}`, `../../etc/passwd`,
	`(a+)+$`, `9223372036854775808`, `-1`, `1e999`, `NaN`, `..`, `>`, `<=`, `~`, `*`, `!`, `[]`, `[*].x`, `null`, `""`, strings.Repeat("a", 3000),
}

// TestHostileValuesInEveryFilterKey: whatever stands behind a key of the filter, bare, quoted or refused by a minus, the page is a
// page: found or a mistake told, never a failure, and what was typed is shown as text. The keys are those of the help.
func TestHostileValuesInEveryFilterKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody)
	s.addUser(t, "ada", store.RoleAdmin)
	v := s.as(t, "ada")
	before := s.everything(t)
	keys := []string{"", "entity.a", "payload.x", "header.X-A", "entity.items[].a"}
	for _, k := range filter.Keys() {
		keys = append(keys, string(k.Key))
	}
	if len(keys) < 20 {
		t.Fatalf("%d keys", len(keys))
	}
	look := func(path, typed string) {
		t.Helper()
		a := v.get(path)
		if a.StatusCode >= 500 || a.StatusCode >= 300 && a.StatusCode < 400 {
			t.Errorf("%q: %s", path, a.Status)
		}
		for _, raw := range []string{"<img src=x", "<script>alert"} {
			if strings.Contains(a.body, raw) {
				t.Errorf("%q: what was typed is markup", path)
			}
		}
		if a.Header.Get("Set-Cookie") != "" && strings.Contains(a.Header.Get("Set-Cookie"), "x=1") {
			t.Errorf("%q: a header of its own", path)
		}
	}
	for i, key := range keys {
		for j, value := range hostileValues {
			text := value
			switch {
			case key == "":
			case (i+j)%3 == 0:
				text = key + ":" + value
			case (i+j)%3 == 1:
				text = key + ":" + strconv.Quote(value)
			default:
				text = "-" + key + ":" + value
			}
			look("/events?q="+url.QueryEscape(text), value)
		}
	}
	// The other questions that people type.
	for _, value := range hostileValues {
		escaped := url.QueryEscape(value)
		for _, path := range []string{
			"/audit?text=", "/audit?actor=", "/audit?action=", "/audit?subject=", "/audit?from=", "/audit?before=", "/failures?source=", "/exhausted?destination=", "/overview?range=", "/volume?source=",
			"/events/suggest?q=", "/events?cols=", "/events?zone=", "/events?before=", "/replays/new?q=", "/reverify/new?q=", "/redispatch/new?id=", "/retention?source=", "/masking?type=",
		} {
			look(path+escaped, value)
		}
		place := url.PathEscape(value)
		for _, path := range []string{"/customers/", "/entities/order/", "/sources/", "/destinations/", "/events/", "/replays/", "/reverify/", "/events/" + e.ID.String() + "/compare/"} {
			if a := v.get(path + place); a.StatusCode >= 500 || strings.Contains(a.body, "<img src=x") || strings.Contains(a.body, "<script>alert") {
				t.Errorf("%s%q: %s", path, value, a.Status)
			}
		}
	}
	after := s.everything(t)
	for _, table := range []string{"events", "sources", "destinations", "users"} {
		if before[table] != after[table] {
			t.Errorf("%s was changed", table)
		}
	}
	if strings.Contains(s.log.String(), "SQLSTATE 42") { // syntax: something was pasted
		t.Errorf("the log tells of broken SQL:\n%s", s.log)
	}
}
