package soak

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestPagesAreReadFromAStandby leaves the heavy reads to a standby, as long as it is there and the reader has changed nothing.
func TestPagesAreReadFromAStandby(t *testing.T) {
	primary := newPrimary(t)
	standby := newStandby(t, primary)
	w := newInstances(t, 1, primary.url("recall"), newDelivered(t), "RECALL_DATABASE_READ_URL="+standby.url("recall"))[0]
	w.command("a password of the soak", "user", "add", "anna")
	anna := newBrowser(t)
	anna.logIn(w, "anna", "a password of the soak")
	w.waitProgress(100)

	reads := func(b *browser, path string) bool {
		status, body := b.get(w, path)
		if status != http.StatusOK {
			t.Fatalf("%s answers %d", path, status)
		}
		return strings.Contains(body, "Read from the standby")
	}
	if reads(anna, "/events") {
		t.Error("who has just logged in, which is a change, is shown what the standby has")
	}
	anna.forget(w, "recall_changed")
	for _, path := range []string{"/events", "/events?q=verdict:verified", "/overview", "/volume", "/customers/7"} {
		w.waitFor("the standby is read from: "+path, func() bool { return reads(anna, path) })
	}
	if reads(anna, "/sources") {
		t.Error("settings are read from the standby")
	}
	if status := anna.post(w, "/theme", url.Values{"theme": {"dark"}}); status != http.StatusSeeOther {
		t.Errorf("a change answers %d", status)
	}
	if reads(anna, "/events") {
		t.Error("who has changed something is shown what the standby has")
	}
	anna.forget(w, "recall_changed")
	if out := w.command("", "doctor"); !strings.Contains(out, "standby") || !strings.Contains(out, " behind; pages read from it up to 10s") {
		t.Errorf("doctor says nothing of the standby:\n%s", out)
	}

	primary.exec("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
	primary.exec("postgres", "SELECT pg_reload_conf()")
	standby.kill()
	if reads(anna, "/events") { // at once: what was asked of it is asked of the primary
		t.Error("a standby that is gone was read from")
	}
	if out := w.command("", "doctor"); !strings.Contains(out, "it does not answer") {
		t.Errorf("doctor does not tell that the standby is gone:\n%s", out)
	}
	w.waitProgress(50)
	w.loader.end()
	w.check()
}
