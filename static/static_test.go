package static

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestKeyFilesAreIn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"css/tokens.css", "css/base.css", "css/components.css", "css/events.css", "css/chart.css", "css/pages.css",
		"js/recall.js", "vendor/htmx/htmx.min.js", "vendor/htmx/LICENSE", "img/favicon.svg",
	} {
		info, err := fs.Stat(FS, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if info.Size() == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestURLCarriesHash(t *testing.T) {
	t.Parallel()
	url := URL("css/base.css")
	if !regexp.MustCompile(`^/static/css/base\.[0-9a-f]{16}\.css$`).MatchString(url) {
		t.Errorf("URL = %q", url)
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path        string
		status      int
		cache, kind string
	}{
		{URL("css/base.css"), 200, "immutable", "text/css; charset=utf-8"},
		{URL("js/recall.js"), 200, "immutable", "text/javascript; charset=utf-8"},
		{URL("img/favicon.svg"), 200, "immutable", "image/svg+xml"},
		{"/static/css/base.css", 200, "no-cache", "text/css; charset=utf-8"},
		{"/static/css/base.0000000000000000.css", 404, "", ""},
		{"/static/css/", 404, "", ""},
		{"/static/../static.go", 404, "", ""},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, test.path, nil))
		if w.Code != test.status {
			t.Errorf("%s: status %d, want %d", test.path, w.Code, test.status)
		}
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, test.cache) {
			t.Errorf("%s: Cache-Control %q, want %q in it", test.path, got, test.cache)
		}
		if got := w.Header().Get("Content-Type"); test.kind != "" && got != test.kind {
			t.Errorf("%s: Content-Type %q, want %q", test.path, got, test.kind)
		}
	}
}

// Nothing is loaded from elsewhere: no file names another host. The svg namespace is a name, not an address.
func TestNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"css/tokens.css", "css/base.css", "css/components.css", "css/events.css", "js/recall.js", "img/favicon.svg"} {
		content, err := FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "")
		if strings.Contains(text, "http://") || strings.Contains(text, "https://") {
			t.Errorf("%s names another host", name)
		}
	}
}
