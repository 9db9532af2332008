package main

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// From the first rule to the event that is asked for after it went.
func TestRetentionCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("s3cret", "source", "add", "--slug", "shop", "--secret", "-").want(t, 0)
	source, err := h.db.FindSource(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var events []*store.Event
	for _, body := range []string{`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"1"}`, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"2"}`} {
		e := &store.Event{
			ID: uuid.Must(uuid.NewV7()), SourceID: source.ID, Answered: http.StatusOK, Body: []byte(body), Size: int64(len(body)), Envelope: plenigo.Read([]byte(body)),
			Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid}, BodySHA256: sha256.Sum256([]byte(body)),
		}
		at := store.IDAt(time.Now().AddDate(0, 0, -100))
		copy(e.ID[:6], at[:6])
		events = append(events, e)
	}
	for _, err := range h.db.RecordEvents(t.Context(), events) {
		if err != nil {
			t.Fatal(err)
		}
	}
	gone, held := events[0].ID.String(), events[1].ID.String()

	h.run("", "retention", "show").want(t, 0, "for ever", "as all", "Nobody has said for how long these are kept, so it is for ever: accepted, rejected, audit.", "none has run yet")
	h.run("", "retention", "preview").want(t, 0, "everything is kept for ever")
	h.run("", "retention", "set", "accepted", "0d").want(t, 2, "at least 1d")
	h.run("", "retention", "set", "accepted", "all").want(t, 2, "--source")
	h.run("", "retention", "set", "accepted", "10d", "--source", "nobody").want(t, 1, "there is no source")
	h.run("", "retention", "set", "accepted", "30d", "--source", "shop", "--reason", "agreed").want(t, 0, "accepted of shop: kept 30 days.")
	h.run("", "retention", "show").want(t, 0, "30 days")
	if got := h.audited("shop"); got != "source.add retention.set" {
		t.Errorf("audited: %s", got)
	}
	h.run("", "retention", "hold", "add", "--reason", "case 7").want(t, 2, "one or the other")
	h.run("", "retention", "hold", "add", "--event", held, "--reason", "case 7").want(t, 0, "Hold 1 keeps 1 event.")
	h.run("", "event", "show", held).want(t, 0, "ON HOLD", "case 7")
	h.run("", "retention", "hold", "list", "--json").want(t, 0, `"id":1,"filter":"","reason":"case 7"`)
	h.run("", "retention", "preview").want(t, 0, "shop", "30 days")
	h.run("", "retention", "preview", "--json").want(t, 0, `{"source":"shop","class":"accepted","days":30,"until":"`, `{"source":null,"class":"answers","days":null,"until":null,"rows":0`)
	h.run("", "retention", "run").want(t, 0, "Removed")
	h.run("", "retention", "run", "--json").want(t, 0, `"done_at":"20`, `"error":""`)
	h.run("", "retention", "show").want(t, 0, "and left nothing that was due")
	h.run("", "retention", "show", "--json").want(t, 0, `"rules":[{"source":"shop","class":"accepted","days":30}],"undecided":["rejected","audit"],"last_run":{"ended_at":"20`)
	h.run("", "event", "show", gone).want(t, 1, "is no longer kept", "1 accepted event,")
	h.run("", "event", "show", uuid.Must(uuid.NewV7()).String()).want(t, 1, "there is no event")
	h.run("", "retention", "hold", "list").want(t, 0, "case 7", actor())
	h.run("", "retention", "hold", "release", "1").want(t, 0, "released")
	h.run("", "retention", "hold", "release", "1").want(t, 1, "released already")
	h.run("", "retention", "run").want(t, 0)
	h.run("", "event", "raw", held).want(t, 1, "2 accepted events")
	h.run("", "retention", "set", "answers", "2w").want(t, 0, "answers of all sources: kept 14 days.")
	h.run("", "retention", "set", "accepted", "all", "--source", "shop").want(t, 0, "kept for ever")
	if r := h.run("", "retention", "show"); strings.Contains(r.out, "30 days") {
		t.Errorf("the rule is there still:\n%s", r.out)
	}
}
