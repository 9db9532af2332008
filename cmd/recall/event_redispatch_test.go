package main

import (
	"crypto/sha256"
	"fmt"
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
	r := redispatch(append(ids, "--newest", "--reason", "all of them")...)
	r.want(t, 0, "Instead of event "+oldest+" the newest of its entity is sent, "+newest)
	if n := strings.Count(r.out, "is in the queue"); n != 2 { // once instead of the others, and once asked for itself
		t.Errorf("%d deliveries:\n%s", n, r.out)
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
