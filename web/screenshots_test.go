//go:build screenshots

package web

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"recall/store"
)

func init() { tabTime = 30 * time.Minute }

func asItIs(plain string) string { return plain }

var plainDress = dress{asItIs, asItIs, asItIs}

// TestScreenshots takes a picture of every page, in both themes and at both widths, for people to look through after a change.
// A page that is not in the list fails it. `make screenshots` runs it.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("RECALL_SCREENSHOTS")
	if folder == "" {
		t.Fatal("RECALL_SCREENSHOTS names no folder for the pictures")
	}
	must(t, os.MkdirAll(folder, 0o755))
	full, empty := newSite(t), newSite(t)
	pages := full.furnish(t, plainDress)
	full.addUser(t, "root", store.RoleAdmin)
	full.addUser(t, "vera", store.RoleViewer)
	empty.addUser(t, "root", store.RoleAdmin)

	for _, r := range full.server.routes() {
		method, pattern, found := strings.Cut(r.pattern, " ")
		if _, there := pages[pattern]; found && method == "GET" && !there {
			t.Errorf("there is no picture of %s: add it to the list, or say there why it needs none", pattern)
		}
	}
	take := func(s *site, who string, list map[string]string) {
		b := s.openTab(t)
		if who != "" {
			b.logIn(who)
		}
		for _, theme := range []string{"light", "dark"} {
			if who != "" {
				b.do(chromedp.EmulateViewport(1280, 900))
				b.open("/events")
				b.do(chromedp.Click(".menu summary"), chromedp.Click("button[value="+theme+"]"))
				b.sees("html[data-theme="+theme+"] h1", "Events")
			} else if theme == "dark" {
				continue // who is not logged in has the system's
			}
			for _, width := range []int64{1280, 390} {
				b.do(chromedp.EmulateViewport(width, 900))
				for name, path := range list {
					b.open(path)
					picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(90))
					must(t, err)
					must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%s-%d.jpg", name, theme, width)), picture, 0o644))
				}
			}
		}
	}
	list := map[string]string{}
	root := full.as(t, "root")
	for pattern, paths := range pages {
		for i, path := range paths {
			if a := root.get(path); a.StatusCode >= 400 && a.StatusCode != http.StatusGone { // gone: what was erased has a page
				t.Errorf("%s: %s", path, a.Status)
			}
			name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(pattern, "-"), "-")
			if i > 0 {
				name += fmt.Sprintf("-%d", i+1)
			}
			list[orElse(name, "home")] = path
		}
	}
	take(full, "root", list)
	take(full, "vera", map[string]string{"forbidden": "/users", "viewer-event": list["events-id"], "viewer-alerts": "/alerts"})
	take(full, "", map[string]string{"login": "/login"})
	take(empty, "root", map[string]string{
		"empty-events": "/events", "empty-overview": "/overview", "empty-failures": "/failures", "empty-alerts": "/alerts", "empty-replays": "/replays",
		"empty-exhausted": "/exhausted", "missing": "/no/such/page", "missing-event": "/events/" + uuid.NewString(),
	})
}
