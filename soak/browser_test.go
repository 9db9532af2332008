package soak

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/verify"
)

// browser keeps cookies by host alone, so that one session is shown to every instance, as behind one address.
type browser struct {
	t      testing.TB
	client *http.Client
}

func newBrowser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Timeout: 30 * time.Second, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) logIn(w *world, name, password string) {
	b.t.Helper()
	r, err := b.client.PostForm(w.admin+"/login", url.Values{"name": {name}, "password": {password}})
	if err != nil {
		b.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("logging in: %s", r.Status)
	}
}

func (b *browser) get(w *world, path string) (int, string) {
	b.t.Helper()
	r, err := b.client.Get(w.admin + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// forget drops a cookie, as its end would.
func (b *browser) forget(w *world, name string) {
	b.t.Helper()
	u, err := url.Parse(w.admin)
	if err != nil {
		b.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Path: "/", MaxAge: -1}})
}

func (b *browser) post(w *world, path string, form url.Values) int {
	b.t.Helper()
	r, err := b.client.PostForm(w.admin+path, form)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// answer is the status of one callback whose signature is wrong: it is not among what the loader has sent.
func (w *world) answer() int {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.receiver+"/callbacks/shop", strings.NewReader(probe))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set(verify.HeaderSignature, "t=1,s=00")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	a.Body.Close()
	return a.StatusCode
}

const probe = `{"entityType":"CUSTOMER","callbackType":"CHANGE"}`
