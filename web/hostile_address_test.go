package web

import (
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"recall/static"
	"recall/store"
)

// questions are the names of everything that the pages read from an address or a form, taken from the code.
func questions(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	must(t, err)
	read := regexp.MustCompile(`(?:Form\.Get|FormValue|Query\(\)\.Get|q\.Get|form\.Get|query\.Get|\btext)\("([A-Za-z_.]+)"\)`)
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_templ.go") {
			continue
		}
		code, err := os.ReadFile(file)
		must(t, err)
		for _, found := range read.FindAllStringSubmatch(string(code), -1) {
			names = append(names, found[1])
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 40 || !slices.Contains(names, "next") || !slices.Contains(names, "back") {
		t.Fatalf("these questions were found: %q", names)
	}
	return names
}

// Every page of the routes, with values that would like to lead away, out of a folder, or to a header of their own, in every part of
// its address and in every question that is read anywhere: it leads nowhere else, sets nothing, names no file elsewhere, and does not fail.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	close(stopping) // no list stays live
	s := newSite(t, func(o *Options) { o.Stopping = stopping })
	e := s.record(t, customerBody)
	s.addUser(t, "ada", store.RoleAdmin)
	who := map[string]*visitor{"nobody": s.visitor(t), "admin": s.as(t, "ada")}
	names := questions(t)
	here, err := url.Parse(s.URL)
	must(t, err)
	asked := 0
	look := func(a answer, where string) {
		t.Helper()
		asked++
		if a.StatusCode >= http.StatusInternalServerError && a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %s\n%s", where, a.Status, s.log)
		}
		for name, list := range a.Header {
			if strings.EqualFold(name, "X-Owned") || strings.ContainsAny(strings.Join(list, ""), "\r\n") || name == "Set-Cookie" && strings.Contains(strings.Join(list, ""), "owned") {
				t.Errorf("%s: header %s: %q", where, name, list)
			}
		}
		for _, name := range []string{"Location", "HX-Redirect", "HX-Location", "HX-Push-Url"} {
			text := a.Header.Get(name)
			if text == "" {
				continue
			}
			if to, err := here.Parse(text); err != nil || to.Host != here.Host || to.Scheme != here.Scheme || strings.HasPrefix(text, "//") || strings.Contains(text, `\`) {
				t.Errorf("%s: %s leads to %q", where, name, text)
			}
		}
		if said := a.Header.Get("Content-Disposition"); said != "" {
			kind, values, err := mime.ParseMediaType(said)
			if err != nil || kind != "attachment" || !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(values["filename"]) {
				t.Errorf("%s: Content-Disposition %q", where, said)
			}
		}
	}
	for _, value := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "/%2fevil.example", "javascript:owned()", "../../../../etc/passwd", "a\r\nX-Owned: 1", "a\nSet-Cookie: owned=1", `a"; filename="/etc/owned`} {
		typed := url.Values{}
		for _, name := range names {
			typed.Set(name, value)
		}
		for _, route := range s.server.routes() {
			method, pattern, found := strings.Cut(route.pattern, " ")
			if method != http.MethodGet && found {
				continue
			}
			if !found {
				pattern = "/nowhere"
			}
			place := regexp.MustCompile(`\{[^}]*\}`)
			good := place.ReplaceAllStringFunc(strings.ReplaceAll(pattern, "{$}", ""), func(name string) string {
				if known, ok := map[string]string{"{slug}": "shop", "{name}": "crm", "{type}": "CUSTOMER"}[name]; ok {
					return known
				}
				return e.ID.String()
			})
			bad := place.ReplaceAllLiteralString(strings.ReplaceAll(pattern, "{$}", ""), url.PathEscape(value))
			for name, v := range who {
				look(v.get(good+"?"+typed.Encode()), route.pattern+" as "+name+" with "+value)
				if bad != good && name != "nobody" {
					look(v.get(bad), route.pattern+" as "+name+" with "+value+" in its place")
				}
				if name == "nobody" {
					look(v.get(good, "HX-Request", "true", "HX-Current-URL", strings.NewReplacer("\r", "", "\n", "").Replace(value)), route.pattern+" by htmx")
				}
			}
		}
	}
	if asked < 1500 {
		t.Errorf("only %d addresses were asked for", asked)
	}
}

// No address leads out of the files that are in the program, in whatever way it is written.
func TestNoPathLeadsOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{
		"../../../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd", `..\..\..\etc\passwd`, "..%5c..%5cetc%5cpasswd", "%00/etc/passwd",
		"....//....//etc/passwd", "/etc/passwd", "css/../../fs.go", "css/..%2f..%2ffs.go", "fs.go", ".", "", "css", "css/",
	} {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		must(t, err)
		_, err = io.WriteString(c, "GET "+static.Prefix+path+" HTTP/1.1\r\nHost: recall.example\r\nConnection: close\r\n\r\n")
		must(t, err)
		text, err := io.ReadAll(c)
		must(t, err)
		c.Close()
		status, _, _ := strings.Cut(string(text), "\r\n")
		if strings.Contains(string(text), "root:") || strings.Contains(string(text), "package static") || strings.Contains(string(text), `<a href="`) && strings.Contains(status, " 200 ") {
			t.Errorf("%q: %s", path, text)
		}
		if !regexp.MustCompile(` (301|303|307|400|404) `).MatchString(status) {
			t.Errorf("%q: %s", path, status)
		}
	}
}
