package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"recall/store"
)

// Who may use each route: "open" is for who has not logged in, "own" for users of any role, the others are the role that may
// the least of those that may use it. A route that does not stand here fails the test: decide who may use it.
var leastOf = map[string]string{
	"GET /health":                         "viewer",
	"GET /health/details":                 "viewer",
	"GET /metrics":                        "viewer",
	"GET /login":                          "open",
	"POST /login":                         "open",
	"GET /login/code":                     "open",
	"POST /login/code":                    "open",
	"GET /login/oidc":                     "open",
	"GET /login/oidc/callback":            "open",
	"GET /login/oidc/logout":              "open",
	"GET /login/oidc/out":                 "open",
	"GET /login/once":                     "open",
	"POST /login/once":                    "open",
	"POST /logout":                        "own",
	"GET /{$}":                            "own",
	"GET /events":                         "viewer",
	"POST /events/export":                 "operator",
	"GET /events/suggest":                 "viewer",
	"GET /events/count":                   "viewer",
	"GET /events/tail":                    "viewer",
	"GET /events/{id}":                    "viewer",
	"GET /events/{id}/raw":                "viewer",
	"GET /reveals/new":                    "operator",
	"POST /reveals":                       "operator",
	"POST /reveals/end":                   "operator",
	"GET /events/_compare":                "viewer",
	"GET /events/{id}/compare/previous":   "viewer",
	"GET /events/{id}/compare/{other}":    "viewer",
	"GET /entities/{type}/{id}":           "viewer",
	"GET /customers/{id}":                 "viewer",
	"POST /events/{id}/redispatch":        "operator",
	"GET /events/{id}/edit":               "operator",
	"POST /events/{id}/edit":              "operator",
	"GET /events/{id}/tests/{test}":       "viewer",
	"POST /events/{id}/reverify":          "operator",
	"GET /reverify":                       "viewer",
	"POST /reverify":                      "operator",
	"GET /reverify/new":                   "operator",
	"GET /reverify/{id}":                  "viewer",
	"POST /reverify/{id}/start":           "operator",
	"POST /reverify/{id}/cancel":          "operator",
	"GET /redispatch/new":                 "operator",
	"POST /redispatch":                    "operator",
	"GET /replays":                        "viewer",
	"POST /replays":                       "operator",
	"GET /replays/new":                    "operator",
	"GET /replays/{id}":                   "viewer",
	"POST /replays/{id}/{action}":         "operator",
	"GET /overview":                       "viewer",
	"GET /volume":                         "viewer",
	"GET /failures":                       "viewer",
	"POST /failures/{id}/{action}":        "operator",
	"GET /sources":                        "viewer",
	"POST /sources":                       "admin",
	"GET /sources/_new":                   "admin",
	"GET /sources/{slug}":                 "viewer",
	"POST /sources/{slug}":                "admin",
	"GET /sources/{slug}/edit":            "admin",
	"POST /sources/{slug}/enabled":        "admin",
	"POST /sources/{slug}/test":           "operator",
	"GET /sources/{slug}/secrets":         "admin",
	"POST /sources/{slug}/secrets":        "admin",
	"GET /sources/{slug}/rotate":          "admin",
	"POST /sources/{slug}/rotate":         "admin",
	"GET /sources/{slug}/secret":          "admin",
	"POST /sources/{slug}/secret":         "admin",
	"POST /sources/{slug}/secret/remove":  "admin",
	"GET /sources/{slug}/reveal":          "admin",
	"POST /sources/{slug}/reveal":         "admin",
	"GET /sources/{slug}/unreadable":      "admin",
	"POST /sources/{slug}/unreadable":     "admin",
	"GET /sources/{slug}/remove":          "admin",
	"POST /sources/{slug}/remove":         "admin",
	"GET /destinations":                   "viewer",
	"POST /destinations":                  "admin",
	"GET /destinations/_new":              "admin",
	"GET /destinations/{name}":            "viewer",
	"POST /destinations/{name}":           "admin",
	"GET /destinations/{name}/edit":       "admin",
	"POST /destinations/{name}/state":     "admin",
	"POST /destinations/{name}/test":      "operator",
	"GET /destinations/{name}/secret":     "admin",
	"POST /destinations/{name}/secret":    "admin",
	"GET /destinations/{name}/reveal":     "admin",
	"POST /destinations/{name}/reveal":    "admin",
	"GET /destinations/{name}/remove":     "admin",
	"POST /destinations/{name}/remove":    "admin",
	"GET /exhausted":                      "viewer",
	"POST /exhausted/redispatch":          "operator",
	"POST /exhausted/let-go":              "operator",
	"GET /alerts":                         "viewer",
	"POST /alerts/acknowledge":            "operator",
	"POST /alerts/channels":               "admin",
	"GET /alerts/channels/_new":           "admin",
	"GET /alerts/channels/{name}":         "admin",
	"POST /alerts/channels/{name}":        "admin",
	"POST /alerts/channels/{name}/test":   "admin",
	"GET /alerts/channels/{name}/remove":  "admin",
	"POST /alerts/channels/{name}/remove": "admin",
	"POST /audit/export":                  "auditor",
	"POST /audit/check":                   "auditor",
	"GET /audit":                          "auditor",
	"GET /retention":                      "viewer",
	"POST /retention":                     "admin",
	"POST /retention/holds":               "admin",
	"POST /retention/holds/{id}/release":  "admin",
	"GET /erasures":                       "admin",
	"POST /erasures":                      "admin",
	"GET /erasures/new":                   "admin",
	"POST /erasures/settings":             "admin",
	"POST /erasures/list":                 "admin",
	"GET /erasures/report":                "admin",
	"POST /erasures/report":               "admin",
	"GET /erasures/{id}":                  "admin",
	"POST /erasures/{id}/{action}":        "admin",
	"GET /erasures/{id}/certificate":      "admin",
	"GET /erasures/{id}/certificate.json": "admin",
	"GET /masking":                        "viewer",
	"POST /masking":                       "admin",
	"POST /masking/reset":                 "admin",
	"GET /views":                          "viewer",
	"POST /views":                         "viewer",
	"POST /views/{id}":                    "viewer",
	"POST /views/{id}/remove":             "viewer",
	"POST /views/{id}/start":              "viewer",
	"GET /account":                        "own",
	"POST /account/habits":                "own",
	"POST /account/password":              "own",
	"POST /account/sessions":              "own",
	"POST /account/second-factor/begin":   "own",
	"POST /account/second-factor":         "own",
	"GET /account/second-factor/remove":   "own",
	"POST /account/second-factor/remove":  "own",
	"GET /users":                          "admin",
	"POST /users":                         "admin",
	"POST /users/{name}/{action}":         "admin",
	"POST /removed-users/{id}/restore":    "admin",
	"POST /account/tokens":                "own",
	"POST /account/tokens/{id}/revoke":    "own",
	"GET /tokens":                         "admin",
	"POST /tokens/{id}/revoke":            "admin",
	"POST /theme":                         "own",
	"/":                                   "own",
}

// roleNames begin with who has not logged in.
var roleNames = []string{"nobody", "viewer", "auditor", "operator", "admin"}

// Every route is asked for as every role and as nobody, with a form that would do something.
func TestRightsOfEveryRoute(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, `{"entityType":"CUSTOMER"}`)
	who := map[string]*visitor{"nobody": s.visitor(t)}
	for _, role := range store.Roles {
		s.addUser(t, "one-"+string(role), role)
		who[string(role)] = s.as(t, "one-"+string(role))
	}
	values := map[string]string{"{slug}": "shop", "{name}": "crm", "{type}": "CUSTOMER", "{action}": "remove", "{$}": ""}
	form := url.Values{
		"what": {"secret"}, "name": {"first"}, "reason": {"because"}, "enabled": {"false"}, "destination": {"crm"}, "to": {"crm"}, "q": {"verdict:verified"},
		"role": {"admin"}, "password": {testPassword}, "slug": {"another"}, "state": {"paused"}, "id": {e.ID.String()}, "days": {"1"}, "theme": {"dark"},
	}
	before := s.everything(t)
	seen := map[string]bool{}
	for _, route := range s.server.routes() {
		least, known := leastOf[route.pattern]
		if !known {
			t.Errorf("%s does not stand in the table: who may use it?", route.pattern)
			continue
		}
		seen[route.pattern] = true
		method, pattern, found := strings.Cut(route.pattern, " ")
		methods := []string{method}
		if !found {
			methods, pattern = []string{http.MethodGet, http.MethodPost}, method
		}
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(pattern, func(name string) string {
			if value, ok := values[name]; ok {
				return value
			}
			return e.ID.String()
		})
		for _, method := range methods {
			for i, name := range roleNames {
				want := "allowed"
				switch {
				case least == "open":
				case i == 0:
					want = "asked to log in"
				case least != "own" && i < slices.Index(roleNames, least):
					want = "refused"
				}
				if got := s.letIn(t, route, method, path, who[name]); got != want {
					t.Errorf("%s %s as %s: %s, want %s", method, path, name, got, want)
				}
				if want == "allowed" {
					continue
				}
				// The whole way, to see that nothing is done.
				if got := outcome(t, who[name].do(method, path, form)); got != want {
					t.Errorf("%s %s as %s, the whole way: %s, want %s", method, path, name, got, want)
				}
			}
		}
	}
	for pattern := range leastOf {
		if !seen[pattern] {
			t.Errorf("%s stands in the table, and is no route", pattern)
		}
	}
	after := s.everything(t)
	for table, rows := range before {
		if after[table] != rows {
			t.Errorf("%s was changed by who may not", table)
		}
	}
	if len(before) < 10 || len(s.sent.asked()) > 0 {
		t.Errorf("%d tables looked at, %d events sent", len(before), len(s.sent.asked()))
	}
}

// letIn asks for a route with a handler that does nothing but say that it was reached.
func (s *site) letIn(t *testing.T, route route, method, path string, v *visitor) string {
	t.Helper()
	reached := false
	r := httptest.NewRequest(method, path, nil)
	address, err := url.Parse(s.URL)
	must(t, err)
	for _, c := range v.http.Jar.Cookies(address) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.server.page(route.access, func(w http.ResponseWriter, _ *http.Request) error {
		reached = true
		return nil
	}).ServeHTTP(w, r)
	if reached {
		return "allowed"
	}
	return outcome(t, answer{w.Result(), t, w.Body.String()})
}

func outcome(t *testing.T, a answer) string {
	t.Helper()
	switch {
	case a.StatusCode == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/login"):
		return "asked to log in"
	case a.StatusCode == http.StatusForbidden && strings.Contains(a.page().one(t, "main").text(), "without the right"):
		return "refused"
	}
	return a.Status
}

// everything is a fingerprint of every table.
func (s *site) everything(t *testing.T) map[string]string {
	t.Helper()
	rows, err := s.db.Pool().Query(t.Context(), `
		SELECT relname FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
		ORDER BY relname`)
	must(t, err)
	var names []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		names = append(names, name)
	}
	must(t, rows.Err())
	all := map[string]string{}
	for _, name := range names {
		var sum string
		must(t, s.db.Pool().QueryRow(t.Context(), fmt.Sprintf(`
			SELECT coalesce(md5(string_agg(row, '|' ORDER BY row)), '')
			FROM (SELECT (to_jsonb(t) - 'seen_at')::text AS row FROM %q t) rows`, name)).Scan(&sum))
		all[name] = sum
	}
	return all
}

// The table of the documents is the one of the code.
func TestRightsAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("| right | allows to |")
	for _, role := range store.Roles {
		b.WriteString(" " + string(role) + " |")
	}
	b.WriteString("\n| --- | --- |" + strings.Repeat(" --- |", len(store.Roles)) + "\n")
	for _, do := range store.Rights {
		b.WriteString("| `" + string(do) + "` | " + do.Words() + " |")
		for _, role := range store.Roles {
			b.WriteString(map[bool]string{true: " yes |", false: " |"}[role.May(do)])
		}
		b.WriteString("\n")
	}
	text, err := os.ReadFile("../docs/users.md")
	must(t, err)
	if !strings.Contains(string(text), b.String()) {
		t.Errorf("docs/users.md has not this table:\n%s", b.String())
	}
}
