package erasure_test

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recall/erasure"
	"recall/filter"
	"recall/seal"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

var root = store.AuditEntry{Actor: "root"}

func customerOf(id string) string {
	return fmt.Sprintf(`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"%s","entity":{"customerId":"%[1]s","email":"c%[1]s@example.org"}}`, id)
}

func deletionOf(id string) string {
	return fmt.Sprintf(`{"entityType":"CUSTOMER","callbackType":"DELETION","entityId":"%s","entity":null}`, id)
}

func orderOf(payer, receiver string) string {
	return fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"7%s","entity":{"invoiceCustomerId":"%[1]s","items":[{"deliveryCustomerId":"%s"}]}}`, payer, receiver)
}

// rejected, observed and late are what an event may be besides verified.
func rejected(e *store.Event) {
	e.Answered, e.Verification = http.StatusUnauthorized, verify.Result{Verdict: verify.Rejected, Signature: verify.Mismatch, Reason: verify.ReasonSignatureMismatch}
}

func observed(e *store.Event) { rejected(e); e.Answered = http.StatusOK }

func late(e *store.Event) {
	e.Verification.Verdict, e.Verification.Signature, e.Verification.Reason = verify.Late, verify.Expired, verify.ReasonSignatureExpired
}

func (h *house) cases() []*store.ErasureCase {
	h.Helper()
	_, err := h.eraser.Work(h.Context())
	must(h, err)
	cases, err := h.db.ListErasures(h.Context(), 0, 100)
	must(h, err)
	return cases
}

// Only a deletion that was verified, and is the first of its kind to be accepted, opens a case.
func TestWhichCallbacksOpenACase(t *testing.T) {
	h := newHouse(t)
	for i, test := range []struct {
		name string
		body string
		as   func(*store.Event)
		want bool
	}{
		{"forged", deletionOf("1001"), rejected, false},
		{"the genuine one after a forged one", deletionOf("1001"), nil, true},
		{"observed", deletionOf("1002"), observed, false},
		{"late", deletionOf("1003"), late, false},
		{"verified after it was accepted late", deletionOf("1003"), nil, false},
		{"verified", deletionOf("1004"), nil, true},
		{"repeated", deletionOf("1004"), nil, false},
		{"of something else", `{"entityType":"SUBSCRIPTION","callbackType":"DELETION","entityId":"1005"}`, nil, false},
		{"no deletion", customerOf("1006"), nil, false},
		{"no id", `{"entityType":"CUSTOMER","callbackType":"DELETION","entityId":"a b; DROP TABLE events"}`, nil, false},
	} {
		before := len(h.cases())
		e := h.event(test.body)
		if test.as != nil {
			test.as(e)
		}
		e.Verification.SignedAt += int64(i)
		h.record(e)
		h.now = h.now.Add(time.Second)
		if got := len(h.cases()) - before; (got == 1) != test.want {
			t.Errorf("%s: %d cases opened", test.name, got)
		}
	}
	for _, c := range h.cases() {
		if !c.ByCallback() || c.OpenedBy != "recall" || !c.AutomaticAt.IsZero() || c.State == store.ErasureRunning || len(c.Sources) != 1 {
			t.Errorf("%+v", c)
		}
	}
	// Work done twice, and by two at once, opens nothing twice; and a second person with a case of its own does.
	h.record(h.event(deletionOf("1007")))
	if got := len(h.cases()); got != 3 || len(h.cases()) != got {
		t.Errorf("%d cases", got)
	}
}

// A case that runs by itself waits for its grace time, for the callback to be delivered, for holds and doubts.
func TestAutomaticCases(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	must(t, h.db.SetErasure(ctx, store.ErasureSettings{Automatic: true, GraceHours: 24, BackupsDays: 30}, root))
	plain, doubtful, heldOne := h.event(customerOf("2001")), h.event(orderOf("2002", "2999")), h.event(customerOf("2003"))
	h.record(plain, doubtful, heldOne, h.event(customerOf("2002")))
	must(t, h.db.PlaceHold(ctx, &store.Hold{Reason: "a lawsuit", PlacedBy: "root"}, filter.Filter{}, heldOne.ID, root))
	first := h.event(deletionOf("2001"))
	h.record(first, h.event(deletionOf("2002")), h.event(deletionOf("2003")))
	delivery := h.deliver(first, store.DeliveryWaiting)

	by := map[string]*store.ErasureCase{}
	for range 10 {
		for _, c := range h.cases() {
			by[c.Person] = c
		}
	}
	if c := by["2001"]; c.State != store.ErasureWaiting || !c.AutomaticAt.After(h.now.Add(23*time.Hour)) {
		t.Errorf("%+v", c)
	}
	if c := by["2002"]; c.State != store.ErasureOpen || !strings.Contains(c.Why, "doubtful") {
		t.Errorf("with a gift: %s %q", c.State, c.Why)
	}
	h.now = h.now.Add(23 * time.Hour)
	h.cases()
	if c, err := h.db.FindErasure(ctx, by["2001"].ID); err != nil || c.State != store.ErasureWaiting {
		t.Errorf("within the grace time: %+v %v", c, err)
	}
	h.now = h.now.Add(2 * time.Hour)
	for range 5 {
		h.cases()
	}
	if c, err := h.db.FindErasure(ctx, by["2001"].ID); err != nil || c.State != store.ErasureWaiting || !strings.Contains(c.Why, "being delivered to crm") {
		t.Errorf("while it is delivered: %+v %v", c, err)
	}
	if c, err := h.db.FindErasure(ctx, by["2003"].ID); err != nil || c.State != store.ErasureOpen || !strings.Contains(c.Why, "legal hold") {
		t.Errorf("on hold: %+v %v", c, err)
	}
	storetest.End(h, h.db, delivery, storetest.Begin(h, h.db, delivery), store.DeliverySucceeded, time.Time{})
	c := h.work(by["2001"].ID, store.ErasureClosed)
	cert, err := erasure.ReadCertificate(c.Certificate)
	must(t, err)
	if cert.ConfirmedBy != "recall" || cert.Callback == nil || *cert.Callback != first.ID || cert.EventsOfAll != 2 || cert.BackupsGone == nil || !strings.Contains(cert.Backups, "30 days") {
		t.Errorf("%+v", cert)
	}
	if stone, err := h.db.FindTombstone(ctx, first.ID); err != nil || len(stone.Deliveries) != 1 || stone.Deliveries[0].State != "succeeded" {
		t.Errorf("the tombstone of the deletion: %+v %v", stone, err)
	}
	// plenigo repeats it: answered, not kept, and no case is opened again.
	before := len(h.cases())
	h.record(h.event(deletionOf("2001")))
	if got := len(h.cases()); got != before {
		t.Error("a repeat opened a case")
	}
}

// A legal hold goes before an erasure: before it is confirmed, and while it runs.
func TestHoldsStopACase(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	e, alone := h.event(customerOf("3001")), h.event(orderOf("3002", "3002"))
	h.record(e, alone)
	hold := &store.Hold{Reason: "a lawsuit", PlacedBy: "root"}
	must(t, h.db.PlaceHold(ctx, hold, filter.Filter{}, e.ID, root))
	c := h.openOf(store.ErasureWish{Person: "3001", Reason: "asked"})
	if err := h.db.ConfirmErasure(ctx, c.ID, "", root); !errors.Is(err, store.ErrErasureHeld) {
		t.Errorf("confirmed: %v", err)
	}
	must(t, h.db.ReleaseHold(ctx, hold.ID, "over", root))
	must(t, h.db.ConfirmErasure(ctx, c.ID, "", root))
	again := &store.Hold{Reason: "another lawsuit", PlacedBy: "root"}
	must(t, h.db.PlaceHold(ctx, again, filter.Filter{}, e.ID, root)) // between
	for range 20 {
		h.cases()
		h.now = h.now.Add(5 * time.Second)
	}
	if c, err := h.db.FindErasure(ctx, c.ID); err != nil || c.State != store.ErasureRunning || c.Step != store.StepDestroy || !strings.Contains(c.Why, "legal hold") {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := h.db.FindEvent(ctx, e.ID); err != nil {
		t.Errorf("a held event: %v", err)
	}
	must(t, h.db.ReleaseHold(ctx, again.ID, "over", root))
	h.work(c.ID, store.ErasureClosed)
	if _, err := h.db.FindEvent(ctx, e.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the release: %v", err)
	}
}

// One event with its equal arrivals, and nothing else.
func TestOneEventAlone(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	e, again, other := h.event(customerOf("4001")), h.event(customerOf("4001")), h.event(strings.Replace(customerOf("4001"), "CREATION", "CHANGE", 1))
	h.record(e, other)
	h.record(again)
	c := h.openOf(store.ErasureWish{Event: e.ID, Reason: "sent by mistake"})
	must(t, h.db.ConfirmErasure(ctx, c.ID, "checked", root))
	c = h.work(c.ID, store.ErasureClosed)
	for _, gone := range []*store.Event{e, again} {
		if _, err := h.db.FindEvent(ctx, gone.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", gone.ID, err)
		}
		if words, err := h.db.WordsOfGone(ctx, gone.ID); err != nil || !strings.Contains(words, "cannot be shown, verified or sent again") {
			t.Errorf("%q %v", words, err)
		}
	}
	if _, err := h.db.FindEvent(ctx, other.ID); err != nil {
		t.Errorf("another event of the person: %v", err)
	}
	cert, err := erasure.ReadCertificate(c.Certificate)
	must(t, err)
	if cert.Subject != "event "+e.ID.String() || cert.PersonHash != "" || cert.EventsOfAll != 2 {
		t.Errorf("%+v", cert)
	}
}

// A number belongs to one person within one plenigo company: what came to a source of another is not touched.
func TestSourcesOfAnotherCompany(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	news := &store.Source{Slug: "news", Name: "News", Enabled: true, Tolerance: time.Minute}
	must(t, h.db.CreateSource(ctx, news))
	here, there := h.event(customerOf("5001")), h.event(customerOf("5001"), func(e *store.Event) { e.SourceID = news.ID })
	h.record(here, there)
	c := h.openOf(store.ErasureWish{Person: "5001", Sources: []int64{h.source.ID}, Reason: "asked"})
	if c.Found["events"] != 1 || c.Found["doubtful"] != 0 {
		t.Errorf("found %v", c.Found)
	}
	must(t, h.db.CancelErasure(ctx, c.ID, "to see the next", root))
	// By a callback: nobody said which sources are of its company.
	h.record(h.event(deletionOf("5001")))
	c = h.cases()[0]
	c = h.work(c.ID, store.ErasureOpen)
	if c.Found["events"] != 2 || c.Found["doubtful"] != 1 {
		t.Errorf("found %v", c.Found)
	}
	events, err := h.db.ErasureEvents(ctx, c.ID, 10)
	must(t, err)
	if events[0].EventID != there.ID || !strings.Contains(events[0].Doubt, "another source") || events[0].SourceID != news.ID || events[0].EntityType != "CUSTOMER" {
		t.Errorf("%+v", events[0])
	}
	must(t, h.db.DecideErasure(ctx, c.ID, store.ErasureChoice{Doubts: []string{events[0].Doubt}}, false, "news is another company", root))
	must(t, h.db.ConfirmErasure(ctx, c.ID, "", root))
	h.work(c.ID, store.ErasureClosed)
	if _, err := h.db.FindEvent(ctx, there.ID); err != nil {
		t.Errorf("of the other company: %v", err)
	}
	// What comes late out of a spool: of this company it is not kept, of the other it is.
	for source, kept := range map[int64]bool{h.source.ID: false, news.ID: true} {
		e := h.event(strings.Replace(customerOf("5001"), "CREATION", fmt.Sprintf("LATER%d", source), 1), func(e *store.Event) { e.SourceID = source })
		early := store.IDAt(h.now.Add(-2 * time.Hour))
		copy(e.ID[:6], early[:6])
		h.record(e)
		if _, err := h.db.FindEvent(ctx, e.ID); (err == nil) != kept {
			t.Errorf("source %d: %v", source, err)
		}
	}
	// One company: all are the person's.
	must(t, h.db.SetErasure(ctx, store.ErasureSettings{GraceHours: 72, OneCompany: true}, root))
	h.record(h.event(customerOf("5002"), func(e *store.Event) { e.SourceID = news.ID }), h.event(deletionOf("5002")))
	if c := h.work(h.cases()[0].ID, store.ErasureOpen); c.Found["events"] != 2 || c.Found["doubtful"] != 0 || len(c.Sources) != 0 {
		t.Errorf("%+v", c)
	}
}

// A key that is changed, and then given away, leaves what was erased erased: equal bodies and late events are known, and the list fits.
func TestTombstonesOutliveTheKey(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	e := h.event(customerOf("6001"))
	h.record(e)
	c := h.openOf(store.ErasureWish{Person: "6001", Reason: "asked"})
	must(t, h.db.ConfirmErasure(ctx, c.ID, "", root))
	c = h.work(c.ID, store.ErasureClosed)
	open := h.openOf(store.ErasureWish{Person: "6002", Reason: "asked"})
	var list strings.Builder
	must(t, h.db.WriteErasureList(ctx, &list))

	fresh, err := seal.ParseKey(strings.Repeat("cd", 32))
	must(t, err)
	both := h.again(fresh.WithPrevious(storetest.Key()))
	if _, err := both.RotateKey(ctx, root); err != nil {
		t.Fatal(err)
	}
	alone := h.again(fresh)
	if now, err := alone.FindErasure(ctx, open.ID); err != nil || now.Person != "6002" {
		t.Errorf("the open case: %+v %v", now, err)
	}
	if now, err := alone.FindErasure(ctx, c.ID); err != nil || string(now.PersonHash) != string(c.PersonHash) {
		t.Errorf("the closed case: %+v %v", now, err)
	}
	lateOne := h.event(strings.Replace(customerOf("6001"), "CREATION", "LATER", 1))
	early := store.IDAt(c.ConfirmedAt.Add(-time.Minute))
	copy(lateOne.ID[:6], early[:6])
	for _, again := range []*store.Event{h.event(customerOf("6001")), lateOne} {
		for _, err := range alone.RecordEvents(ctx, []*store.Event{again}) {
			must(t, err)
		}
		if stone, err := alone.FindTombstone(ctx, again.ID); err != nil || stone.CaseID != c.ID || stone.Recorded {
			t.Errorf("after the key was changed: %+v %v", stone, err)
		}
	}
	done, err := alone.ReplayErasureList(ctx, strings.NewReader(list.String()), store.AuditEntry{Actor: "root", Reason: "to see"})
	if err != nil || done.OtherKey || done.Known != 1 || len(done.Cases) != 0 {
		t.Errorf("%+v %v", done, err)
	}
	if _, err := alone.OpenErasure(ctx, store.ErasureWish{Person: "6002", Reason: "again"}, root); !errors.Is(err, store.ErrErasurePending) {
		t.Errorf("a person's hash with the new key: %v", err)
	}
}

// A backup from before an erasure is restored: the list has the same erased again, and keeps out what it knows and the backup does not.
func TestRestoreOfABackup(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	e, other := h.event(customerOf("7001")), h.event(customerOf("7002"))
	h.record(e, other)
	single := h.event(orderOf("7003", "7003"))
	h.record(single)
	backup := h.backup()
	since := h.event(strings.Replace(customerOf("7001"), "CREATION", "CHANGE", 1)) // in no backup
	h.record(since)
	for _, wish := range []store.ErasureWish{{Person: "7001", Reason: "asked"}, {Event: single.ID, Reason: "by mistake"}} {
		c := h.openOf(wish)
		must(t, h.db.ConfirmErasure(ctx, c.ID, "", root))
		h.work(c.ID, store.ErasureClosed)
	}
	var list strings.Builder
	must(t, h.db.WriteErasureList(ctx, &list))
	if strings.Contains(list.String(), "7001") {
		t.Errorf("the list names the person: %s", list.String())
	}

	r := h.restored(backup)
	if _, err := r.db.FindEvent(ctx, e.ID); err != nil {
		t.Fatalf("the backup has it not: %v", err)
	}
	if _, err := r.db.ReplayErasureList(ctx, strings.NewReader(list.String()[:len(list.String())-10]), store.AuditEntry{Actor: "root", Reason: "restored"}); !errors.Is(err, store.ErrErasureList) {
		t.Errorf("half a list: %v", err)
	}
	done, err := r.db.ReplayErasureList(ctx, strings.NewReader(list.String()), store.AuditEntry{Actor: "root", Reason: "restored"})
	if err != nil || done.Events != 2 || done.Blocked != 1 || len(done.Cases) != 2 || done.OtherKey {
		t.Fatalf("%+v %v", done, err)
	}
	for _, id := range done.Cases {
		if c := r.work(id, store.ErasureClosed); !strings.Contains(c.Reason, "erased before") || c.Person != "" {
			t.Errorf("%+v", c)
		}
	}
	for _, gone := range []*store.Event{e, single, since} {
		if _, err := r.db.FindEvent(ctx, gone.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", gone.ID, err)
		}
		if _, err := r.db.FindTombstone(ctx, gone.ID); err != nil {
			t.Errorf("no tombstone of %s: %v", gone.ID, err)
		}
	}
	if _, err := r.db.FindEvent(ctx, other.ID); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	if dump := r.dump(); strings.Contains(dump, "c7001@example.org") || strings.Contains(dump, hexed("c7001@example.org")) {
		t.Error("the restored database still holds the person")
	}
	r.record(h.event(strings.Replace(customerOf("7001"), "CREATION", "CHANGE", 1))) // the blocked one comes again
	if page, err := r.db.ListEvents(ctx, store.EventQuery{Limit: 10}); err != nil || len(page.Events) != 1 {
		t.Errorf("%d events, %v", len(page.Events), err)
	}
	if done, err := r.db.ReplayErasureList(ctx, strings.NewReader(list.String()), store.AuditEntry{Actor: "root", Reason: "twice"}); err != nil || len(done.Cases) != 0 || done.Known != 3 {
		t.Errorf("twice: %+v %v", done, err)
	}
}

// A short id is any number: it is looked for where it is said to be a customer's.
func TestShortIds(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	user, err := h.db.CreateUser(ctx, "anna", "correct horse battery", store.RoleAdmin)
	must(t, err)
	h.record(h.event(customerOf("17")), h.event(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"9","entity":{"invoiceCustomerId":"90","quantity":17}}`))
	for name, text := range map[string]string{"his": "customer:17", "among others": "customer:5,17,170", "days": "after:17d size:>17", "an order": "entity:order/17", "about 17": "customer:170"} {
		must(t, h.db.CreateView(ctx, &store.SavedView{OwnerID: user.ID, Name: name, Filter: text}))
	}
	for _, note := range []store.AuditEntry{
		{Actor: "anna", Action: "customer.view", Subject: "17"}, {Actor: "anna", Action: "event.export", Subject: "events", Detail: map[string]any{"filter": "customer:17", "events": 17}},
		{Actor: "anna", Action: "replay.start", Subject: "17", Detail: map[string]any{"events": 17}}, {Actor: "anna", Action: "source.set", Subject: "shop", Reason: "customer 17 asked"},
	} {
		must(t, h.db.AddAudit(ctx, note))
	}
	must(t, h.db.SealAudit(ctx))
	c := h.openOf(store.ErasureWish{Person: "17", Reason: "asked by customer 17 himself"})
	if c.Found["saved views"] != 2 || c.Found["doubtful"] != 0 {
		t.Errorf("found %v", c.Found)
	}
	must(t, h.db.ConfirmErasure(ctx, c.ID, "", root))
	c = h.work(c.ID, store.ErasureClosed)
	views, err := h.db.ListViews(ctx, user.ID)
	must(t, err)
	got := map[string]string{}
	for _, v := range views {
		got[v.Name] = v.Filter
	}
	for name, want := range map[string]string{"his": "customer:erased", "among others": "customer:5,erased,170", "days": "after:17d size:>17", "an order": "entity:order/17", "about 17": "customer:170"} {
		if got[name] != want {
			t.Errorf("the view %s is %q, want %q", name, got[name], want)
		}
	}
	if c.Done["audit entries"] < 3 || strings.Contains(c.Reason, "17") {
		t.Errorf("%v %q", c.Done, c.Reason)
	}
	if entries, err := h.db.FindAudit(ctx, store.AuditQuery{Action: "replay.start", Limit: 5}); err != nil || len(entries) != 1 || entries[0].Subject != "17" {
		t.Errorf("an entry that only holds the number: %+v %v", entries, err)
	}
}

// Steps can be begun again after a crash: each is done twice here.
func TestStepsAreRepeatable(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	e := h.event(customerOf("8001"))
	h.record(e)
	h.deliver(e, store.DeliverySucceeded)
	must(t, h.db.IndexEvents(ctx))
	c := h.openOf(store.ErasureWish{Person: "8001", Reason: "asked"})
	must(t, h.db.ConfirmErasure(ctx, c.ID, "", root))
	twice := map[store.ErasureStep]bool{}
	for range 300 {
		was, err := h.db.FindErasure(ctx, c.ID)
		must(t, err)
		if was.State == store.ErasureClosed {
			break
		}
		_, err = h.eraser.Work(ctx)
		must(t, err)
		// The same step once more, as by one who was killed before it was written down.
		if now, err := h.db.FindErasure(ctx, c.ID); err == nil && now.Step != was.Step && was.State == store.ErasureRunning && !twice[was.Step] {
			twice[was.Step] = true
			_, err = h.db.Pool().Exec(ctx, `UPDATE erasure_cases SET step = $2, steps = steps - (-1), step_at = $3 WHERE id = $1`, c.ID, was.Step, h.now)
			must(t, err)
		}
		h.now = h.now.Add(5 * time.Second)
	}
	c, err := h.db.FindErasure(ctx, c.ID)
	must(t, err)
	if len(twice) != len(store.ErasureSteps) || c.State != store.ErasureClosed || c.Done["events"] != 1 || c.Done["deliveries"] != 1 || len(c.Steps) != len(store.ErasureSteps) {
		t.Errorf("%+v", c)
	}
}

// openOf opens a case and lets it look.
func (h *house) openOf(wish store.ErasureWish) *store.ErasureCase {
	h.Helper()
	c, err := h.db.OpenErasure(h.Context(), wish, root)
	must(h, err)
	return h.work(c.ID, store.ErasureOpen)
}

// again opens the same database as another program would, with another key.
func (h *house) again(key seal.Key) *store.DB {
	h.Helper()
	db, err := store.Open(h.Context(), h.db.Pool().Config().ConnString(), key, nil)
	must(h, err)
	h.Cleanup(db.Close)
	db.Now = h.db.Now
	return db
}

// backup writes one as docs/backup.md says, and returns its file.
func (h *house) backup() string {
	h.Helper()
	file := filepath.Join(h.TempDir(), "backup")
	h.tool("pg_dump", "-Fc", "-f", file, "-d", h.db.Pool().Config().ConnString())
	return file
}

// restored is a house on what a backup holds.
func (h *house) restored(file string) *house {
	h.Helper()
	url := storetest.URL(h)
	r := *h
	var err error
	r.db, err = store.Open(h.Context(), url, storetest.Key(), nil)
	must(h, err)
	_, err = r.db.Pool().Exec(h.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
	must(h, err)
	h.tool("pg_restore", "-d", url, file)
	h.Cleanup(r.db.Close)
	r.db.Now = h.db.Now
	r.eraser = erasure.New(r.db, nil, "", nil)
	return &r
}

// tool runs a program of PostgreSQL.
func (h *house) tool(name string, args ...string) {
	h.Helper()
	var bin string
	must(h, h.db.Pool().QueryRow(h.Context(), `SELECT setting FROM pg_config WHERE name = 'BINDIR'`).Scan(&bin))
	if out, err := exec.CommandContext(h.Context(), filepath.Join(bin, name), args...).CombinedOutput(); err != nil {
		h.Fatalf("%s: %v: %s", name, err, out)
	}
}

// With two database roles, neither of them a superuser's: a case comes to its end, waits for readers of either role, and says what is
// left to the database's keeper.
func TestTwoRoles(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	owner, plain := storetest.Roles(t)
	db, err := store.Open(ctx, plain, storetest.Key(), nil)
	must(t, err)
	t.Cleanup(db.Close)
	must(t, db.UseOwner(ctx, owner))
	db.Now = h.db.Now
	h.db, h.eraser = db, erasure.New(db, nil, "", nil)
	h.source = &store.Source{Slug: "shop", Name: "Shop", Enabled: true, Tolerance: time.Minute}
	must(t, db.CreateSource(ctx, h.source))
	h.record(h.event(customerOf("9101")), h.event(orderOf("9102", "9102")))
	must(t, db.NoteView(ctx, store.AuditEntry{Actor: "anna", Action: "customer.view", Subject: "9101"}))
	must(t, db.IndexEvents(ctx))
	c := h.openOf(store.ErasureWish{Person: "9101", Reason: "asked"})
	must(t, db.ConfirmErasure(ctx, c.ID, "", root))
	old, err := db.Pool().Begin(ctx) // of the plain role, which the owner's may not look at
	must(t, err)
	_, err = old.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events`)
	must(t, err)
	for range 30 {
		h.cases()
		h.now = h.now.Add(5 * time.Second)
	}
	if now, err := db.FindErasure(ctx, c.ID); err != nil || now.Step != store.StepSettle || !strings.Contains(now.Why, "may still see") {
		t.Errorf("with an old reader: %s %q %q %v", now.State, now.Step, now.Why, err)
	}
	must(t, old.Rollback(ctx))
	c = h.work(c.ID, store.ErasureClosed)
	if c.Done["events"] != 1 || c.Done["audit entries"] < 1 || len(c.Leftover) == 0 || !strings.Contains(c.Leftover[0], "no superuser") {
		t.Errorf("%v %q", c.Done, c.Leftover)
	}
	if page, err := db.ListEvents(ctx, store.EventQuery{Limit: 10}); err != nil || len(page.Events) != 1 {
		t.Errorf("%d events are left, %v", len(page.Events), err)
	}
}
