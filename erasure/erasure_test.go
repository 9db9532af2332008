package erasure_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/erasure"
	"recall/filter"
	"recall/plenigo"
	"recall/receive"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// person is a customer whose every datum is one of the markers, which stand nowhere else.
const person = "918273645564738291"

var markers = []string{person, "zymurgy-marker@example.org", "Quokkasnout", "hdr-7f3e9b1c55aa", "answer-5d2c8e77b1", "Ermintrude", "wombat-street-42-marker", "note-e1b5-marker"}

// likes are the markers as LIKE takes them.
var likes = func() (list []string) {
	for _, m := range markers {
		list = append(list, "%"+m+"%")
	}
	return list
}()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// house is a store with an Eraser on it, a spool, and a clock that is set by hand.
type house struct {
	*testing.T
	db     *store.DB
	eraser *erasure.Eraser
	spool  *receive.Spool
	dir    string
	now    time.Time
	source *store.Source
	crm    *store.Destination
}

func newHouse(t *testing.T) *house {
	h := &house{T: t, db: storetest.New(t), now: time.Now().UTC().Truncate(time.Millisecond), dir: filepath.Join(t.TempDir(), "spool")}
	h.db.Now = func() time.Time { return h.now }
	var err error
	h.spool, err = receive.OpenSpool(receive.SpoolOptions{Dir: h.dir, Key: storetest.Key(), Recorder: h.db})
	must(t, err)
	t.Cleanup(func() { h.spool.Close() })
	h.eraser = erasure.New(h.db, h.spool, "here:"+h.dir, nil)
	h.source = &store.Source{Slug: "shop", Name: "Shop", Enabled: true, Tolerance: 5 * time.Minute}
	must(t, h.db.CreateSource(t.Context(), h.source))
	h.crm = &store.Destination{Name: "crm", URL: "https://crm.example.org/in", Signing: store.SigningNone, Timeout: time.Minute, State: store.DestinationActive}
	must(t, h.db.CreateDestination(t.Context(), h.crm))
	must(t, h.db.OpenErasures(t.Context())) // follows from here on
	return h
}

func (h *house) event(body string, change ...func(*store.Event)) *store.Event {
	e := &store.Event{
		ID: uuid.Must(uuid.NewV7()), SourceID: h.source.ID, Answered: http.StatusOK, Sender: netip.MustParseAddr("203.0.113.7"),
		Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, SignedAt: h.now.Unix()},
		Header:       http.Header{"Content-Type": {"application/json"}, "X-Account": {"any"}},
		Body:         []byte(body), Size: int64(len(body)), Envelope: plenigo.Read([]byte(body)), APIVersion: "20240827",
	}
	for _, f := range change {
		f(e)
	}
	if strings.Contains(body, "zymurgy") {
		e.Header.Set("X-Account", "hdr-7f3e9b1c55aa")
	}
	e.BodySHA256 = sha256.Sum256(e.Body)
	return e
}

func (h *house) record(events ...*store.Event) {
	h.Helper()
	for _, err := range h.db.RecordEvents(h.Context(), events) {
		must(h, err)
	}
}

// deliver records a delivery with one attempt, whose answer is one of the markers.
func (h *house) deliver(e *store.Event, state store.DeliveryState) *store.Delivery {
	h.Helper()
	var made []*store.Delivery
	must(h, pgx.BeginFunc(h.Context(), h.db.Pool(), func(tx pgx.Tx) (err error) {
		made, err = h.db.CreateDeliveriesTx(h.Context(), tx, []*store.Delivery{{EventID: e.ID, DestinationID: h.crm.ID, Trigger: store.TriggerManual, RequestedBy: "anna", Reason: "note-e1b5-marker", Entity: "CUSTOMER " + person}})
		return err
	}))
	a := storetest.Begin(h, h.db, made[0])
	a.RequestURL, a.RequestHeader = h.crm.URL, http.Header{"X-Account": {"hdr-7f3e9b1c55aa"}}
	a.Status, a.ResponseBody, a.ResponseHeader = 200, []byte("thanks for answer-5d2c8e77b1"), http.Header{"X-Back": {"answer-5d2c8e77b1"}}
	a.Error = "the answer broke off"
	storetest.End(h, h.db, made[0], a, state, h.now.Add(time.Hour))
	return made[0]
}

// work lets the Eraser work, and time go by, until a case is in a state; what it waits for is shown where it does not come.
func (h *house) work(id int64, until store.ErasureState) *store.ErasureCase {
	h.Helper()
	for range 200 {
		_, err := h.eraser.Work(h.Context())
		must(h, err)
		c, err := h.db.FindErasure(h.Context(), id)
		must(h, err)
		if c.State == until {
			return c
		}
		h.now = h.now.Add(5 * time.Second)
	}
	c, err := h.db.FindErasure(h.Context(), id)
	h.Fatalf("case %d is %s at %q (%s), not %s; %v", id, c.State, c.Step, c.Why, until, err)
	return nil
}

func (h *house) open() *store.ErasureCase {
	h.Helper()
	c, err := h.db.OpenErasure(h.Context(), store.ErasureWish{Person: person, Reason: "asked for by letter"}, store.AuditEntry{Actor: "root"})
	must(h, err)
	return h.work(c.ID, store.ErasureOpen)
}

func customer() string {
	return fmt.Sprintf(`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"%s","entity":{"customerId":"%[1]s","email":"zymurgy-marker@example.org","firstName":"Ermintrude","lastName":"Quokkasnout","street":"wombat-street-42-marker","pad":"%s"}}`, person, strings.Repeat("Quokkasnout ", 400))
}

func other(n int) string {
	return fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d","entity":{"invoiceCustomerId":"%d","note":"nobody"}}`, n, 1000+n)
}

func gift() string {
	return fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"77","entity":{"invoiceCustomerId":"555","items":[{"deliveryCustomerId":"%s"}]}}`, person)
}

// files searches every file below some folders for the markers.
func files(t *testing.T, dirs ...string) (found []string) {
	t.Helper()
	for _, dir := range dirs {
		must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // the server removes files meanwhile
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			for _, m := range markers {
				if bytes.Contains(data, []byte(m)) {
					found = append(found, path+" holds "+m)
				}
			}
			return nil
		}))
	}
	return found
}

func (h *house) dump() string {
	h.Helper()
	var bin string
	must(h, h.db.Pool().QueryRow(h.Context(), `SELECT setting FROM pg_config WHERE name = 'BINDIR'`).Scan(&bin))
	out, err := exec.CommandContext(h.Context(), filepath.Join(bin, "pg_dump"), "--inserts", "-d", h.db.Pool().Config().ConnString()).CombinedOutput()
	if err != nil {
		h.Fatalf("pg_dump: %v: %s", err, out)
	}
	return string(out)
}

// hexed is how a dump shows the bytes of a text.
func hexed(s string) string { return fmt.Sprintf("%x", s) }

// A person's every trace, in every place that there is: tables, indexes, TOAST, statistics, the search index, filters, the spool, the
// write-ahead log. When the case is closed none is found.
func TestNothingIsLeft(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	user, err := h.db.CreateUser(ctx, "anna", "correct horse battery", store.RoleAdmin)
	must(t, err)

	first := h.event(customer())
	h.record(first, h.event(other(1)))
	h.record(h.event(customer(), func(e *store.Event) { // plenigo comes again, by another secret
		e.Verification = verify.Result{Verdict: verify.Rejected, Signature: verify.Mismatch, Reason: verify.ReasonSignatureMismatch}
	}))
	h.deliver(first, store.DeliverySucceeded)
	waiting := h.deliver(first, store.DeliveryWaiting)
	giftEvent := h.event(gift())
	acted := h.event(fmt.Sprintf(`{"entityType":"SUBSCRIPTION","callbackType":"CHANGE","entityId":"9","entity":{"invoiceCustomerId":"556","changedBy":"%s","changedByType":"CUSTOMER"}}`, person))
	h.record(giftEvent, acted)
	for n := range 40 {
		h.record(h.event(other(n + 2)))
	}
	must(t, h.db.IndexEvents(ctx))
	must(t, h.db.CreateView(ctx, &store.SavedView{OwnerID: user.ID, Name: "About " + person, Filter: "customer:" + person}))
	must(t, h.db.CreateView(ctx, &store.SavedView{OwnerID: user.ID, Name: "by mail", Filter: "entity.email:zymurgy-marker@example.org"}))
	replay, err := h.db.CreateReplay(ctx, store.ReplayWish{Filter: "customer:" + person, Destination: "crm", Rate: 10, StopAbove: 1, By: "anna", Reason: "for " + person})
	must(t, err)
	_, err = h.db.CreateReverifyRun(ctx, "customer:"+person, "anna", "for "+person)
	must(t, err)
	must(t, h.db.NoteView(ctx, store.AuditEntry{Actor: "anna", Action: "customer.view", Subject: person}))
	// What people wrote at events of others: a test edited to be about the person, and reasons.
	others := h.event(other(98))
	h.record(others)
	edited := &store.EditedTest{
		ID: uuid.Must(uuid.NewV7()), EventID: others.ID, DestinationID: h.crm.ID, By: "anna", Reason: "does it take Ermintrude Quokkasnout", Method: "POST", Edited: true,
		Body:    []byte(`{"entityType":"ORDER","entity":{"note":"for Zymurgy-marker@example.org, Quokkasnout"}}`),
		Attempt: store.Attempt{Number: 1, StartedAt: h.now, RequestURL: h.crm.URL},
	}
	must(t, h.db.BeginEditedTest(ctx, edited))
	edited.Status, edited.ResponseHeader, edited.ResponseBody, edited.Error = 200, http.Header{"X-Back": {"answer-5d2c8e77b1"}}, []byte("thanks for answer-5d2c8e77b1"), "broken off"
	must(t, h.db.EndEditedTest(ctx, edited))
	kept := *edited
	kept.ID, kept.Body, kept.Reason = uuid.Must(uuid.NewV7()), []byte(`{"note":"nobody"}`), "sent for Quokkasnout, Ermintrude and zymurgy-marker@example.org"
	must(t, h.db.BeginEditedTest(ctx, &kept))
	echoed := kept // the receiver says whom it found by it
	echoed.ID, echoed.Reason = uuid.Must(uuid.NewV7()), "does it take this"
	must(t, h.db.BeginEditedTest(ctx, &echoed))
	echoed.Status, echoed.ResponseBody = 200, []byte(`{"found":"Zymurgy-marker@example.org"}`)
	must(t, h.db.EndEditedTest(ctx, &echoed))
	must(t, pgx.BeginFunc(ctx, h.db.Pool(), func(tx pgx.Tx) error {
		_, err := h.db.CreateDeliveriesTx(ctx, tx, []*store.Delivery{{EventID: others.ID, DestinationID: h.crm.ID, Trigger: store.TriggerManual, RequestedBy: "anna", Reason: "customer " + person + " asked"}})
		return err
	}))
	// And everywhere else that a person may be named: holds, reasons of pauses, notes of alerts, reveals, filters of exports.
	hold := &store.Hold{Filter: "customer:" + person, Reason: "suit of Quokkasnout, Ermintrude", PlacedBy: "anna"}
	must(t, h.db.PlaceHold(ctx, hold, filter.Filter{}, others.ID, store.AuditEntry{Actor: "anna"}))
	must(t, h.db.ReleaseHold(ctx, hold.ID, "customer "+person+" agreed", store.AuditEntry{Actor: "anna"}))
	_, err = h.db.SetDestinationState(ctx, h.crm.ID, store.DestinationPaused, "until "+person+" is looked at", store.AuditEntry{Actor: "anna", Action: "destination.pause", Subject: "crm", Reason: "zymurgy-marker@example.org wrote"})
	must(t, err)
	_, err = h.db.Pool().Exec(ctx, `INSERT INTO alerts (kind, subject, words, opened_at, seen_at) VALUES ('destination_broken', 'crm', 'x', $1, $1)`, h.now)
	must(t, err)
	must(t, h.db.AcknowledgeAlert(ctx, 1, "anna", "only "+person))
	judged := first.Verification
	judged.Reason = verify.ReasonSignatureMismatch
	_, err = h.db.Reverify(ctx, first, judged, false, "anna", "asked by zymurgy-marker@example.org")
	must(t, err)
	_, err = h.db.CreateSession(ctx, user.ID, store.LogIn{})
	must(t, err)
	sessions, err := h.db.ListSessions(ctx, user.ID, store.SessionLimits{Idle: time.Hour, Age: time.Hour})
	must(t, err)
	must(t, h.db.CreateReveal(ctx, sessions[0].ID, store.Reveal{Scope: store.RevealCustomer, Subject: person, Until: h.now.Add(time.Hour)}, store.AuditEntry{Actor: "anna", Reason: "asked"}))
	must(t, h.db.AddAudit(ctx, store.AuditEntry{Actor: "anna", Action: "export.create", Subject: "zymurgy-marker@example.org", Reason: "for Ermintrude Quokkasnout", Detail: map[string]any{"filter": "customer:" + person}}))
	must(t, h.db.SealAudit(ctx))
	// In the spool: an event that the database refused, and one of somebody else beside it.
	refused := h.event(strings.Replace(customer(), "CREATION", "CHANGE", 1))
	for _, err := range h.spool.Put([]*store.Event{refused, h.event(other(99))}) {
		must(t, err)
	}
	moved, err := filepath.Glob(filepath.Join(h.dir, "*.spool"))
	must(t, err)
	must(t, os.Rename(moved[0], filepath.Join(h.dir, "refused", filepath.Base(moved[0]))))
	// What PostgreSQL learns by itself, and files as they are after a while.
	for _, sql := range []string{"ANALYZE", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"} {
		_, err := h.db.Pool().Exec(ctx, sql)
		must(t, err)
	}
	var data string
	must(t, h.db.Pool().QueryRow(ctx, `SHOW data_directory`).Scan(&data))
	if found := files(t, data); len(found) < len(markers) {
		t.Fatalf("the markers are not where they are looked for: %v", found)
	}

	c := h.open()
	for name, want := range map[string]int64{"events": 2, "doubtful": 2, "deliveries": 2, "open deliveries": 1, "attempts": 2, "answers": 2, "saved views": 2, "filters of replays": 1, "filters of re-verifications": 1, "held": 0} {
		if c.Found[name] != want {
			t.Errorf("found %d %s, want %d", c.Found[name], name, want)
		}
	}
	looks, err := h.db.ListSpoolLooks(ctx, c.ID)
	must(t, err)
	for len(looks) == 0 {
		_, err := h.eraser.Work(ctx)
		must(t, err)
		looks, err = h.db.ListSpoolLooks(ctx, c.ID)
		must(t, err)
	}
	if looks[0].Events != 1 || looks[0].Erased {
		t.Errorf("in the spool: %+v", looks)
	}
	note := store.AuditEntry{Actor: "root"}
	if err := h.db.ConfirmErasure(ctx, c.ID, "", note); err == nil || !strings.Contains(err.Error(), "doubtful") {
		t.Errorf("confirmed with doubts: %v", err)
	}
	if err := h.db.DecideErasure(ctx, c.ID, store.ErasureChoice{Events: []uuid.UUID{acted.ID}}, false, "", note); err == nil {
		t.Error("left without a reason")
	}
	must(t, h.db.DecideErasure(ctx, c.ID, store.ErasureChoice{}, true, "theirs, says "+person, note))
	must(t, h.db.ConfirmErasure(ctx, c.ID, "as "+person+" asked", note))
	h.namedEverywhere("erasure_cases.why")
	_, err = h.db.OpenErasure(ctx, store.ErasureWish{Person: person, Reason: "again"}, note)
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("opened twice: %v", err)
	}
	// Somebody who began to look before: it is waited for.
	old, err := h.db.Pool().Begin(ctx)
	must(t, err)
	_, err = old.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events`)
	must(t, err)
	for range 30 {
		_, err = h.eraser.Work(ctx)
		must(t, err)
		h.now = h.now.Add(5 * time.Second)
	}
	if now, err := h.db.FindErasure(ctx, c.ID); err != nil || now.Step != store.StepSettle || !strings.Contains(now.Why, "may still see") {
		t.Errorf("with an old transaction: %+v %v", now, err)
	}
	must(t, old.Rollback(ctx))
	c = h.work(c.ID, store.ErasureClosed)
	for name, want := range map[string]int64{"events": 4, "deliveries": 2, "attempts": 2, "saved views": 2, "spooled copies": 1, "edited tests of other events": 2} {
		if c.Done[name] != want {
			t.Errorf("destroyed %d %s, want %d", c.Done[name], name, want)
		}
	}
	if c.Done["search entries"] < 20 || c.Person != "" {
		t.Errorf("%+v", c)
	}
	if len(c.Leftover) > 0 {
		t.Errorf("left to people: %v", c.Leftover)
	}
	dump := h.dump()
	for _, m := range markers {
		if strings.Contains(dump, m) || strings.Contains(dump, hexed(m)) {
			t.Errorf("a dump holds %s: %s", m, around(dump, m))
		}
	}
	for _, found := range files(t, data, h.dir) {
		path, _, _ := strings.Cut(found, " ")
		var table *string
		h.db.Pool().QueryRow(ctx, `SELECT pg_filenode_relation(0, nullif(split_part($1, '.', 1), '')::oid)::text`, filepath.Base(path)).Scan(&table)
		t.Errorf("after the case was closed: %s (%s)", found, deref(table))
	}
	stone, err := h.db.FindTombstone(ctx, first.ID)
	must(t, err)
	if stone.CaseID != c.ID || stone.ErasedBy != "root" || stone.EntityType != "CUSTOMER" || stone.Size != first.Size || !bytes.Equal(stone.BodySHA256, first.BodySHA256[:]) || len(stone.Deliveries) != 2 {
		t.Errorf("tombstone %+v", stone)
	}
	if d, err := h.db.FindDelivery(ctx, first.ID, waiting.ID); err == nil {
		t.Errorf("a delivery is left: %+v", d)
	}
	cert, err := erasure.ReadCertificate(c.Certificate)
	must(t, err)
	if cert.EventsOfAll != 5 || len(cert.Digest) != 64 || cert.ConfirmedBy != "root" || !strings.Contains(cert.Backups, "Nobody has set") || strings.Contains(string(c.Certificate), person) {
		t.Errorf("certificate %s", c.Certificate)
	}
	if tests, err := h.db.ListEditedTests(ctx, others.ID); err != nil || len(tests) != 1 || tests[0].Reason != "sent for erased and erased" {
		t.Errorf("edited tests at somebody else's event: %+v %v", tests, err)
	}
	if list, err := h.db.ListDeliveries(ctx, others.ID); err != nil || len(list) != 1 || list[0].Reason != "customer erased asked" {
		t.Errorf("deliveries of somebody else's event: %+v %v", list, err)
	}
	if c.Reason != "asked for by letter; as erased asked" {
		t.Errorf("the case's reason is %q", c.Reason)
	}
	check, err := h.db.CheckAudit(ctx, "")
	must(t, err)
	if check.Erased != 12 || check.Fault != nil {
		t.Errorf("the audit list after it: %+v", check)
	}
	if r, err := h.db.FindReplay(ctx, replay.ID); err != nil || r.Filter != "customer:erased" || r.Reason != "for erased" {
		t.Errorf("replay %+v %v", r, err)
	}

	// Equal ones that come later, from plenigo or out of a spool, are answered and not kept.
	again := h.event(customer())
	h.record(again)
	if _, err := h.db.FindEvent(ctx, again.ID); err == nil {
		t.Error("an equal body was kept")
	}
	if stone, err := h.db.FindTombstone(ctx, again.ID); err != nil || stone.Recorded {
		t.Errorf("%+v %v", stone, err)
	}
	late := h.event(strings.Replace(customer(), "CREATION", "SECOND", 1)) // of an instance that was away
	early := store.IDAt(c.ConfirmedAt.Add(-time.Minute))
	copy(late.ID[:6], early[:6])
	h.record(late)
	if _, err := h.db.FindEvent(ctx, late.ID); err == nil {
		t.Error("what lay in a spool since before was kept")
	}
	if page, err := h.db.ListEvents(ctx, store.EventQuery{Limit: 100}); err != nil || len(page.Events) != 42 {
		t.Errorf("%d events are left: %v", len(page.Events), err)
	}
}

// namedEverywhere checks that a marker stands in each column of which it is said that names are taken out, but for some: a column that
// nothing is written to would prove nothing. Of the events' own it checks that there is something in them.
func (h *house) namedEverywhere(but ...string) {
	h.Helper()
	for what, columns := range storetest.ErasedFrom {
		for _, column := range strings.Fields(columns) {
			if slices.Contains(but, column) || strings.HasSuffix(column, "_sealed") {
				continue
			}
			table, name, _ := strings.Cut(column, ".")
			var found bool
			sql := `SELECT EXISTS (SELECT FROM ` + table + ` WHERE ` + name + `::text <> '')`
			args := []any{}
			switch what {
			case storetest.NamesAreTakenOut:
				sql, args = `SELECT EXISTS (SELECT FROM `+table+` WHERE `+name+`::text ILIKE ANY($1))`, []any{likes}
			case storetest.GoesWithTheEvent:
			default:
				continue
			}
			must(h, h.db.Pool().QueryRow(h.Context(), sql, args...).Scan(&found))
			if !found {
				h.Errorf("before it is destroyed nothing of the person stands in %s (%s): write it there, so that the test proves that it goes", column, what)
			}
		}
	}
}

func around(text, part string) string {
	at := strings.Index(text, part)
	return text[max(0, at-150):min(len(text), max(0, at)+150)]
}

func deref(s *string) string {
	if s == nil {
		return "no table"
	}
	return *s
}
