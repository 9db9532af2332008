package web

import (
	"testing"
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/events?q=source:shop":    "/events?q=source:shop",
		"/events/0192#payload":     "/events/0192#payload",
		"/sources":                 "/sources",
		"":                         "/events",
		"events":                   "/events",
		"//evil.example":           "/events",
		"///evil.example":          "/events",
		`/\evil.example`:           "/events",
		`\\evil.example`:           "/events",
		"/\t/evil.example":         "/events",
		"/\n/evil.example":         "/events",
		"https://evil.example/":    "/events",
		"javascript:alert(1)":      "/events",
		"/%2f%2fevil.example/%zz":  "/events",
		"/login?next=/login":       "/events",
		"/logout":                  "/events",
		"http:evil.example/events": "/events",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q) = %q, want %q", next, got, want)
		}
	}
}
