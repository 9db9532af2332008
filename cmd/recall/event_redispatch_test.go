package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// TestRedispatchOfWhatIsStale: it is refused, and each of the three ways out does what it says.
func TestRedispatchOfWhatIsStale(t *testing.T) {
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--name", "Shop", "--secret", "example-callback-secret").want(t, 0)
	h.run("", "destination", "add", "--name", "crm", "--url", "https://crm.example/").want(t, 0)
	source, err := h.db.FindSource(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 12 {
		body := []byte(fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CHANGE","entityId":"7","entity":{"number":%d}}`, i))
		e := &store.Event{
			ID: uuid.Must(uuid.NewV7()), SourceID: source.ID, Answered: 200, Body: body, Size: int64(len(body)), BodySHA256: sha256.Sum256(body),
			Envelope: plenigo.Read(body), Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, SignedAt: int64(i + 1)},
		}
		if err := h.db.RecordEvents(t.Context(), []*store.Event{e})[0]; err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID.String())
	}
	oldest, newest := ids[0], ids[11]
	redispatch := func(args ...string) result {
		return h.run("", append([]string{"event", "redispatch", "--to", "crm"}, args...)...)
	}
	redispatch(oldest).want(t, 1, "11 newer events of its entity exist, and the newest was not delivered there; say what to do: --newest")
	redispatch(oldest, "--skip").want(t, 0, "Event "+oldest+" was left: 11 newer events")
	redispatch(oldest, "--anyway").want(t, 2, "--anyway takes a --reason")
	redispatch(oldest, "--anyway", "--newest", "--reason", "r").want(t, 2, "--anyway")
	if n := len(h.deliveries(oldest)); n != 0 {
		t.Errorf("%d deliveries", n)
	}
	redispatch(oldest, "--anyway", "--reason", "the CRM lost it").want(t, 0, "is in the queue")
	if got := h.deliveries(oldest); len(got) != 1 || got[0].Reason != "the CRM lost it" {
		t.Errorf("%+v", got)
	}
	redispatch(ids...).want(t, 2, "12 events are more than 10 (RECALL_REASON_ABOVE): give a --reason")
	h.edited(oldest)
	h.run("", "destination", "pause", "crm").want(t, 0)
	redispatch(newest).want(t, 0, "About crm: it is paused, so the delivery waits until somebody resumes it.")
	r := redispatch(append(ids, "--newest", "--reason", "all of them")...)
	r.want(t, 0, "Instead of event "+oldest+" the newest of its entity is sent, "+newest)
	if n := strings.Count(r.out, "is in the queue"); n != 2 { // once instead of the others, and once asked for itself
		t.Errorf("%d deliveries:\n%s", n, r.out)
	}
}

// edited sends what was made of an event to a receiver, and nowhere else.
func (h *house) edited(event string) {
	h.t.Helper()
	var got *http.Request
	var body string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, "no such entity")
	}))
	defer receiver.Close()
	h.run("", "destination", "add", "--name", "trial", "--url", receiver.URL).want(h.t, 0)
	test := func(stdin string, args ...string) result {
		return h.run(stdin, append([]string{"event", "test", event, "--to", "trial"}, args...)...)
	}
	h.t.Setenv("RECALL_EGRESS_ALLOW", "127.0.0.0/8")
	test("", "--reason", " ").want(h.t, 2, "takes a reason")
	test("", "--reason", "r", "--header", "Recall-Test: false").want(h.t, 2, "Recall-Test")
	test("", "--reason", "r", "--body-file", "/nowhere").want(h.t, 1, "--body-file")
	test(`{"a":1}`, "--reason", "does it say why", "--body-file", "-", "--header", "X-Debug: 1").want(h.t, 1, "422 Unprocessable Entity")
	if body != `{"a":1}` || got.Header.Get("Recall-Test") != "true" || got.Header.Get("Recall-Edited-From") != event || got.Header.Get("X-Debug") != "1" {
		h.t.Errorf("it got %s with %v", body, got.Header)
	}
	list, err := h.db.ListEditedTests(h.t.Context(), uuid.MustParse(event))
	if err != nil || len(list) != 1 || list[0].By != actor() || list[0].Reason != "does it say why" || list[0].Status != 422 {
		h.t.Errorf("%v, %v", list, err)
	}
}

func (h *house) deliveries(event string) []*store.Delivery {
	h.t.Helper()
	list, err := h.db.ListDeliveries(h.t.Context(), uuid.MustParse(event))
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}
