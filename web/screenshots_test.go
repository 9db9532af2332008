//go:build screenshots

package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"recall/store"
)

func init() { tabTime = 30 * time.Minute }

func asItIs(plain string) string { return plain }

var plainDress = dress{asItIs, asItIs, asItIs}

// wildDress has what comes from outside, and what people enter, as long and as odd as can be.
var wildDress = dress{
	name: func(plain string) string { return cut(plain+" <b>\u202e"+longWord, 59) },
	text: func(plain string) string { return plain + hostile + longWord },
	body: func(plain string) string {
		return strings.Replace(plain, `"entity":{`, `"entity":{"`+longWord+`":"`+longWord+`","bidi":"\u202e<b>",`, 1)
	},
}

var longWord = strings.Repeat("Donaudampfschifffahrtsgesellschaft", 3)

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
	take := func(s *site, who string, list map[string]string, then ...func()) {
		b := s.openTab(t)
		if who != "" {
			b.logIn(who)
		}
		for _, f := range then {
			f()
		}
		for _, theme := range []string{"light", "dark"} {
			b.do(prefers(theme))
			for _, width := range []int64{1280, 390} {
				b.do(chromedp.EmulateViewport(width, 900))
				for name, path := range list {
					path, opens, _ := strings.Cut(path, " ") // what is clicked on, after a blank
					b.open(path)
					if opens != "" {
						b.click(opens)
					}
					picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(90))
					must(t, err)
					must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%s-%d.jpg", name, theme, width)), picture, 0o644))
				}
			}
		}
	}
	named := func(s *site, pages map[string][]string) map[string]string {
		list, root := map[string]string{}, s.as(t, "root")
		for pattern, paths := range pages {
			for i, path := range paths {
				if a := root.get(path); a.StatusCode >= 400 && a.StatusCode != http.StatusGone { // gone: what was erased has a page
					t.Errorf("%s: %s", path, a.Status)
				}
				name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(pattern, "-"), "-")
				if i > 0 {
					name += fmt.Sprintf("-%d", i+1)
				}
				list[cmp.Or(name, "home")] = path
			}
		}
		return list
	}
	list := named(full, pages)
	list["removed-by-retention"] = full.removed(t)
	for name, opens := range map[string]string{"columns": "#columns summary", "export": "#export summary", "save-view": "#save-view summary", "menu": ".menu summary"} {
		list["events-opens-"+name] = "/events " + opens
	}
	list["event-opens-hidden"] = list["events-id"] + " #hidden summary"
	take(full, "root", list)

	wild := newSite(t)
	wildPages := wild.furnish(t, wildDress)
	wild.addUser(t, "root", store.RoleAdmin)
	odd := map[string]string{}
	for name, path := range named(wild, wildPages) {
		if !strings.HasPrefix(name, "alerts-channels") && !strings.HasSuffix(name, "-new") && !strings.HasSuffix(name, "-remove") && !strings.HasSuffix(name, "-edit") {
			odd["wild-"+name] = path
		}
	}
	take(wild, "root", odd)
	take(full, "vera", map[string]string{"forbidden": "/users", "viewer-event": list["events-id"], "viewer-alerts": "/alerts"})
	take(full, "", map[string]string{"login": "/login", "login-missing": "/no/such/page", "login-once": "/login/once"})
	away := newSite(t)
	take(away, "anna", map[string]string{"database-away": "/events"}, away.db.Close)
	take(empty, "root", map[string]string{
		"empty-events": "/events", "empty-overview": "/overview", "empty-failures": "/failures", "empty-alerts": "/alerts", "empty-replays": "/replays",
		"empty-exhausted": "/exhausted", "empty-views": "/views", "empty-reverify": "/reverify", "empty-erasures": "/erasures", "missing": "/no/such/page", "missing-event": "/events/" + uuid.NewString(),
	})
}

// removed is the address of an event that retention took away.
func (s *site) removed(t *testing.T) string {
	due := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"old"}`, cameAt(time.Now().AddDate(0, 0, -100)))
	must(t, s.db.Rollup(t.Context(), nil))
	a := s.as(t, "root").post("/retention", url.Values{"class": {"accepted"}, "how": {"days"}, "days": {"30"}, "source": {"shop"}, "reason": {"agreed"}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	must(t, s.db.RunRetention(t.Context(), "recall"))
	return eventURL(due.ID)
}

// prefers has the browser ask for a theme, as a system does.
func prefers(theme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		return err
	})
}
