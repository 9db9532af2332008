//go:build screenshots

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestPictures goes the way of docs/getting-started.md with a fresh Recall and takes the pictures of docs/img on it: light, 1,280
// wide, nothing in them but what `recall simulate` made up. `make pictures` runs it.
func TestPictures(t *testing.T) {
	folder := os.Getenv("RECALL_PICTURES")
	if folder == "" {
		t.Fatal("RECALL_PICTURES names no folder for the pictures")
	}
	os.Unsetenv("RECALL_PICTURES") // no setting of the programs that are started
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "taken\n") }))
	t.Cleanup(crm.Close)
	dir := dataDir(t)
	env := []string{"RECALL_DATA_DIR=" + dir, "RECALL_PUBLIC_URL=https://callbacks.example.org", "RECALL_EGRESS_ALLOW=127.0.0.0/8"}
	s := serve(t, dir, env)
	b := openCamera(t, s.printed("Admin UI"), folder)

	b.open("/login")
	b.take("login", 620)
	user, password, _ := strings.Cut(s.printed("Log in"), "  ")
	b.do(chromedp.SendKeys("#name", user), chromedp.SendKeys("#password", password), chromedp.Click("button[type=submit]"))
	b.sees("h1", "Events")
	b.do(chromedp.Click(".menu summary"), chromedp.Click("button[value=light]"))
	b.sees("html[data-theme=light] h1", "Events")

	b.open("/sources/_new")
	b.do(chromedp.SendKeys("[name=slug]", "shop"), chromedp.SendKeys("[name=name]", "Shop"), chromedp.SendKeys("[name=secret]", docSecret))
	b.take("source-new", 900)
	b.do(chromedp.Click("main form button[type=submit]"))
	b.sees("h1", "Shop")
	b.take("source", 1000)

	b.do(chromedp.Click(`form[action$="/test"] button`))
	for !strings.HasPrefix(b.path(), "/events/") {
		time.Sleep(50 * time.Millisecond)
	}
	b.take("test-callback", 900)

	secret := fileWith(t, docSecret)
	url := "http://" + regexp.MustCompile(`"receiver":"([^"]*)"`).FindStringSubmatch(s.errs.String())[1] + "/callbacks/shop"
	runBinary(t, env, "simulate", "--to", url, "--secret-file", secret, "--count", "60").want(t, 0)
	runBinary(t, env, "simulate", "--to", url, "--secret-file", fileWith(t, "another-secret"), "--type", "order.creation", "--count", "3")
	runBinary(t, env, "simulate", "--to", url, "--secret-file", secret, "--type", "customer.change", "--count", "4").want(t, 0)

	b.open("/destinations/_new")
	b.do(chromedp.SendKeys("[name=name]", "crm"), chromedp.SendKeys("[name=url]", "https://crm.example.org/plenigo"), chromedp.SendKeys("[name=match]", "source:shop type:customer,order.*"))
	b.take("destination-new", 1000)
	runBinary(t, env, "destination", "add", "--name", "crm", "--url", crm.URL+"/plenigo", "--match", "source:shop type:customer,order.*").want(t, 0)
	time.Sleep(3 * time.Second) // a person who looks, too, waits until counts have followed

	b.open("/events")
	b.take("events", 900)
	b.open("/failures")
	b.take("failures", 900)
	b.follow("/events?q=verdict:rejected", "#events tbody a")
	b.take("rejected", 1000)
	b.follow("/events?q=type:customer.change", "#events tbody a")
	b.take("event", 1000)
	event := b.path()
	b.open("/redispatch/new?id=" + strings.TrimPrefix(event, "/events/"))
	b.take("redispatch", 700)
	runBinary(t, env, "event", "redispatch", strings.TrimPrefix(event, "/events/"), "--to", "crm", "--anyway", "--reason", "the CRM lost it")
	for range 100 {
		if b.open(event); b.text("main") != "" && strings.Contains(b.text("main"), "succeeded") {
			break
		}
	}
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("h2")].find(h => h.innerText.startsWith("Deliver")).scrollIntoView(), scrollBy(0, -80)`))
	b.takeHere("delivered", 500)
	b.open("/alerts")
	b.take("alerts", 900)
}

// camera is a browser that somebody takes pictures with.
type camera struct {
	t           *testing.T
	url, folder string
	ctx         context.Context
}

func openCamera(t *testing.T, url, folder string) *camera {
	t.Helper()
	path := os.Getenv("RECALL_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "../../.tools/chromium/bin/chromium"} {
		if found, err := exec.LookPath(name); path == "" && err == nil {
			path, _ = filepath.Abs(found)
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	b := &camera{t, url, folder, ctx}
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

func (b *camera) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.text("body"))
	}
}

func (b *camera) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
}

func (b *camera) text(selector string) string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join(' ')", selector)))
	return text
}

func (b *camera) path() string {
	path, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.pathname"))
	return path
}

func (b *camera) sees(selector, text string) {
	b.t.Helper()
	for !strings.Contains(b.text(selector), text) {
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s does not show %q", selector, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// follow opens a list and goes where its first link to an event leads.
func (b *camera) follow(list, selector string) {
	b.t.Helper()
	b.open(list)
	to, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`[...document.querySelectorAll(%q)].map(a => a.getAttribute("href")).find(h => /^\/events\/[0-9a-f-]{36}/.test(h)) || ""`, selector)))
	if err != nil || to == "" {
		b.t.Fatalf("%s shows no event: %v", list, err)
	}
	to, _, _ = strings.Cut(to, "?")
	b.open(to)
}

// take takes a picture of the top of the page.
func (b *camera) take(name string, height int64) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"))
	b.takeHere(name, height)
}

func (b *camera) takeHere(name string, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(1280, height))
	picture, err := chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		quality := int64(80)
		r, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
		if err != nil {
			return nil, err
		}
		return r.Data, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(picture) > 150_000 {
		b.t.Errorf("the picture %s has %d bytes: make it smaller", name, len(picture))
	}
	if err := os.WriteFile(filepath.Join(b.folder, name+".webp"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
