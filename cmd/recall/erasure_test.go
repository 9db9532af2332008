package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
)

// A case from its opening to its end, by commands; and what an answer to a person takes.
func TestErasureCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "erasure", "list").want(t, 0)
	h.run("", "erasure", "open", "--reason", "x").want(t, 2, "one or the other")
	h.run("", "erasure", "open", "48213", "--reason", "by letter").want(t, 0, "Case 1 is opened")
	h.run("", "erasure", "open", "48213", "--reason", "again").want(t, 1, "already", "case 1")
	h.run("", "erasure", "run").want(t, 0)
	h.run("", "erasure", "show", "1").want(t, 0, "customer 48213", "by letter")
	h.run("", "erasure", "show", "2").want(t, 1, "there is no case 2")
	h.run("", "erasure", "cancel", "1", "--reason", "a mistake").want(t, 0, "nothing was destroyed")
	h.run("", "erasure", "settings", "--backups-kept", "30").want(t, 0, "30 days")
	h.run("", "erasure", "list-export").want(t, 0, "recall erasure list")
	h.run("x", "erasure", "list-replay", "-", "--reason", "restored").want(t, 1, "not an erasure list")
	file := filepath.Join(t.TempDir(), "report.zip")
	h.run("", "person", "report", "48213", "--out", file, "--reason", "asked").want(t, 0, "0 events")
	h.run("", "person", "report", "48213", "--out", file, "--reason", "asked").want(t, 1, "exists")
}

// Over HTTP, as plenigo sends: a genuine deletion opens a case and is delivered all the same; a forged one, an observed one, a late one and
// repeats do not. Then the case by commands, and what an erased event answers.
func TestDeletionsThatArrive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	got := make(chan string, 10)
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}))
	defer crm.Close()
	h.run("", "source", "add", "--slug", "shop", "--name", "Shop", "--secret", "genuine").want(t, 0)
	h.run("", "source", "add", "--slug", "trial", "--name", "Trial", "--secret", "genuine", "--observe").want(t, 0)
	h.run("", "destination", "add", "--name", "crm", "--url", crm.URL, "--match", "type:customer").want(t, 0)
	h.run("", "erasure", "run").want(t, 0) // follows from here on
	url := h.receiver()
	send := func(slug, id string, f fault) {
		t.Helper()
		s := newSender(sender{URL: url + "/callbacks/" + slug, Secret: "genuine"})
		if _, err := s.send(t.Context(), plenigo.Sample{Name: "deletion", Body: fmt.Appendf(nil, `{"entityType":"CUSTOMER","callbackType":"DELETION","entityId":"%s","entity":null}`, id)}, f); err != nil {
			t.Fatal(err)
		}
	}
	send("shop", "70001", fault{Secret: "forged"})
	send("trial", "70002", fault{Secret: "forged"})
	send("shop", "70003", fault{SignedAt: time.Now().Add(-time.Hour)})
	send("shop", "70003", fault{})
	h.run("", "erasure", "run").want(t, 0)
	if r := h.run("", "erasure", "list"); !strings.Contains(r.errs, "There is no case") {
		t.Fatalf("a case of none of these: %s", r.out)
	}
	send("shop", "70004", fault{})
	send("shop", "70004", fault{SignedAt: time.Now().Add(-time.Minute)})
	h.run("", "erasure", "run").want(t, 0)
	if r := h.run("", "erasure", "list"); strings.Count(r.out, "customer 70") != 1 {
		t.Errorf("the deletion, and its repeat: %s", r.out)
	}
	for received := ""; !strings.Contains(received, "70004"); { // the late one first
		select {
		case received = <-got:
		case <-time.After(patience):
			t.Fatal("the deletion is not delivered")
		}
	}
	h.run("", "erasure", "show", "1").want(t, 0, "customer 70004", "plenigo says that the customer was deleted")
	event := h.events("customer:70004")[0].ID.String()
	h.settled(event)
	h.run("", "erasure", "confirm", "1", "--reason", "checked").want(t, 0, "cannot be stopped")
	for i := 0; !strings.Contains(h.run("", "erasure", "list").out, "closed"); i++ { // others of the server's databases may have old transactions
		h.run("", "erasure", "run").want(t, 0)
		if _, err := h.db.Pool().Exec(t.Context(), `UPDATE erasure_cases SET step_at = now() WHERE state = 'running'`); err != nil || i > 1000 {
			t.Fatal(err, h.run("", "erasure", "list").out)
		}
	}
	h.run("", "erasure", "show", "1", "--certificate").want(t, 0, event)
	for _, args := range [][]string{{"show", event}, {"raw", event}, {"redispatch", event, "--to", "crm", "--reason", "again"}, {"reverify", event}} {
		h.run("", append([]string{"event"}, args...)...).want(t, 1, "was erased on", "cannot be shown, verified or sent again")
	}
	select {
	case body := <-got:
		if strings.Contains(body, "70004") {
			t.Error("an erased event was sent again")
		}
	default:
	}
}
