package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/cluster"
	"recall/store"
	"recall/store/storetest"
)

// findings reads what doctor --json printed, by check.
func findings(t *testing.T, r result) map[string]finding {
	t.Helper()
	found := map[string]finding{}
	for line := range strings.Lines(r.out) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %q; %s", err, line, r.errs)
		}
		found[f.Check] = f
	}
	return found
}

// A database goes away under serve, and is away when serve starts: pages and doctor say what waits, and nothing is lost.
func TestOutageAsPagesAndDoctorTellIt(t *testing.T) {
	t.Parallel()
	databaseDir, dir := dataDir(t), dataDir(t)
	open := func() *cluster.Cluster {
		c, err := cluster.Open(context.Background(), cluster.Options{DataDir: databaseDir, BinDir: os.Getenv("RECALL_POSTGRES_BIN")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	away := func(c *cluster.Cluster) {
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	c := open()
	env := []string{"RECALL_DATABASE_URL=" + c.URL(), "RECALL_KEY=" + strings.Repeat("ab", 32)}
	s := serve(t, dir, env)
	runBinary(t, env, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", fileWith(t, testSecret)).want(t, 0)
	shop := awaitShop(s)
	_, client := logIn(s, strings.TrimPrefix(s.printed("Log in"), firstUser+"  "))
	doctor := func() result {
		return runBinary(t, append(env, "RECALL_DATA_DIR="+dir, "RECALL_ADMIN_ADDR="+strings.TrimPrefix(s.printed("Admin UI"), "http://")), "doctor")
	}
	ids := []uuid.UUID{send(s, shop, 1)}
	s.wait("doctor finds nothing wrong", func() bool { return doctor().status == 0 })
	doctor().want(t, 0, "ok    settings", "ok    serve ", "takes callbacks", "ok    spool         empty", "ok    database      PostgreSQL ", "ok    durability",
		"ok    schema", "ok    key fits", "ok    partitions", "ok    counts", "search  ", "ok    deliveries    none waits", "ok    sources       1 is enabled")

	away(c)
	ids = append(ids, send(s, shop, 2), send(s, shop, 3))
	if status, body := get(s, client, "/events"); status != http.StatusServiceUnavailable || !strings.Contains(body, "Callbacks are still taken, answered, and kept") || !strings.Contains(body, "2 callbacks wait") {
		t.Errorf("the page during the outage: %d %s", status, body)
	}
	doctor().want(t, 1, "ok    serve ", "warn  spool         2 callbacks wait for the database, the oldest since ", "fail  database", "→ let PostgreSQL run")
	s.stop()

	admin := s.printed("Admin UI")
	again := launch(t, dir, append(env, "RECALL_METRICS_TOKEN="+metricsToken, "RECALL_ADMIN_ADDR="+strings.TrimPrefix(admin, "http://")))
	again.wait("it says that callbacks are taken without the database", func() bool { return strings.Contains(again.out.String(), "Callbacks are taken at") })
	for path, want := range map[string]string{"/metrics": "recall_spool_events 2\n", "/health/details": "it has not been reached since the start", "/health/ready": "ready\n"} {
		w, text := watchAt(t, admin+path, http.DefaultClient, "Authorization", "Bearer "+metricsToken)
		if w.StatusCode != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s before the database is there: %s %s", path, w.Status, text)
		}
	}
	r, err := http.Get(admin + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "2 callbacks wait") {
		t.Errorf("the page before the database is there: %s %s", r.Status, body)
	}
	open()
	db := openTestStore(t, c.URL(), storetest.Key())
	again.wait("all that waited is in the database", func() bool {
		n := 0
		err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM events WHERE id = ANY($1)`, ids).Scan(&n)
		return err == nil && n == len(ids)
	})
	again.wait("doctor finds nothing wrong any more", func() bool { return doctor().status == 0 })
	again.stop()
}

func TestDoctorSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	spoolFile := func(h *house, dir string, name string) {
		path := filepath.Join(dir, "spool", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func(at time.Time) string {
		id := store.IDAt(at)
		id[6], id[8] = 0x70, 0x80 // version 7
		return id.String() + "-7-accepted.spool"
	}
	sql := func(text string, args ...any) func(*house, string) {
		return func(h *house, _ string) {
			if _, err := h.db.Pool().Exec(h.t.Context(), text, args...); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	retain := func(days string) func(*house, string) {
		return func(h *house, _ string) {
			for _, class := range []string{"accepted", "rejected", "audit"} {
				h.run("", "retention", "set", class, days).want(h.t, 0)
			}
		}
	}
	add := func(h *house, slug string, more ...string) {
		h.run(testSecret, append([]string{"source", "add", "--slug", slug, "--name", "Shop"}, more...)...).want(h.t, 0)
	}
	for _, test := range []struct {
		name                     string
		change                   func(h *house, dir string)
		check, state, says, todo string
		args                     []string
	}{
		{"durability", nil, "durability", "fail", "fsync = off, full_page_writes = off, synchronous_commit = off", "a crash can lose what was answered 2xx", nil},
		{"serve does not run", nil, "serve", "warn", "nothing answers on 127.0.0.1:1", "start `recall serve`", nil},
		{"an empty spool", nil, "spool", "ok", "there is none yet", "", nil},
		{"a spool", func(h *house, dir string) { spoolFile(h, dir, waiting(time.Now().Add(-time.Hour))) }, "spool", "warn", "7 callbacks wait for the database, the oldest since", "drains it by itself", nil},
		{"a spool that takes no more", func(h *house, dir string) { spoolFile(h, dir, waiting(time.Now().Add(-100*time.Hour))) }, "spool", "fail", "7 callbacks wait", "raise RECALL_SPOOL_MAX_AGE", nil},
		{"refused", func(h *house, dir string) { spoolFile(h, dir, "refused/"+waiting(time.Now())) }, "spool", "warn", "1 callback that the database refuses is set aside", "spool/refused back into", nil},
		{"damaged", func(h *house, dir string) { spoolFile(h, dir, "damaged/x") }, "spool", "warn", "1 file that is not whole is set aside", "spool/damaged and its disk", nil},
		{"no folder", func(h *house, dir string) { os.RemoveAll(dir) }, "data folder", "fail", "there is no folder", "RECALL_DATA_DIR", nil},
		{"another key", func(h *house, dir string) { add(h, "shop", "--secret", "-") }, "key fits", "fail", "are sealed with key", "give it the key it had before", []string{"--key", strings.Repeat("cd", 32)}},
		{"settings sealed with another key", func(h *house, dir string) { add(h, "shop", "--secret", "-") }, "sources", "fail", "cannot be read, so that all is rejected: shop", "enter their secrets anew", []string{"--key", strings.Repeat("cd", 32)}},
		{"no source", nil, "sources", "warn", "none is enabled", "recall source add", nil},
		{"a source without a secret", func(h *house, dir string) { add(h, "shop") }, "sources", "warn", "without a secret that is valid now, so that all is rejected: shop", "recall source set", nil},
		{"an older schema", sql(`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`), "schema", "fail", "older than this program", "recall migrate up", nil},
		{"no partitions for this week", func(h *house, dir string) { dropWeeks(h, 0) }, "partitions", "fail", "none for this week", "start `recall serve`", nil},
		{"few partitions", func(h *house, dir string) { dropWeeks(h, 1) }, "partitions", "warn", "they last until", "start `recall serve`", nil},
		{"nothing counted", sql(`DELETE FROM followers`), "counts", "warn", "nothing was counted yet", "start `recall serve`", nil},
		{"the counts are behind", sql(`INSERT INTO followers (name, cursor, at) VALUES ('rollup', '', now() - interval '1 hour') ON CONFLICT (name) DO UPDATE SET at = excluded.at`), "counts", "warn", "they are as of", "start `recall serve`", nil},
		{"no search index yet", nil, "search", "warn", "it is about to be made from the events", "searches over long times are slower", nil},
		{"the search index is behind", sql(`UPDATE search_progress SET version = 2, down_to = '00000000-0000-0000-0000-000000000000', indexed_at = now() - interval '1 hour'`), "search", "warn", "up to date as of", "start `recall serve`", nil},
		{"an old delivery", func(h *house, dir string) { openDelivery(h, time.Now().Add(-2*time.Hour), "active") }, "deliveries", "warn", "for the destination crm", "see its attempts", nil},
		{"a paused destination", func(h *house, dir string) { openDelivery(h, time.Now().Add(-2*time.Hour), "paused") }, "deliveries", "warn", "for the destination crm, which is paused", "recall destination resume crm", nil},
		{"a new delivery", func(h *house, dir string) { openDelivery(h, time.Now(), "active") }, "deliveries", "ok", "for the destination crm", "", nil},
		{"no rule of retention", nil, "retention", "warn", "no rule is set: everything is kept for ever, personal data too", "data protection officer", nil},
		{"some rules of retention", func(h *house, dir string) {
			h.run("", "retention", "set", "accepted", "400d").want(h.t, 0)
			h.run("", "retention", "run").want(h.t, 0)
		}, "retention", "warn", "nobody has said for how long: rejected, audit", "data protection officer", nil},
		{"for ever, and meant", retain("ever"), "retention", "ok", "everything is kept for ever, as somebody said", "", nil},
		{"rules that were never carried out", retain("400d"), "retention", "warn", "no run has come to its end yet", "recall retention run", nil},
		{"rules that are carried out", func(h *house, dir string) { retain("400d")(h, dir); h.run("", "retention", "run").want(h.t, 0) }, "retention", "ok", "by 3 rules; all that was due was removed at", "", nil},
		{"rules that were carried out once", func(h *house, dir string) {
			retain("400d")(h, dir)
			sql(`UPDATE retention_state SET ended_at = now() - interval '2 days', done_at = now() - interval '2 days'`)(h, dir)
		}, "retention", "warn", "no run has come to its end since", "RECALL_DATABASE_OWNER_URL", nil},
		{"a run that failed", func(h *house, dir string) {
			retain("400d")(h, dir)
			sql(`UPDATE retention_state SET ended_at = now(), error = 'dropping events_2026w01: no room'`)(h, dir)
		}, "retention", "warn", "so that more is kept than the rules say: dropping events_2026w01: no room", "recall retention run", nil},
		{"no database", nil, "database", "fail", "does not answer", "let PostgreSQL run", []string{"--database-url", "postgres://u:geheim@127.0.0.1:1/d"}},
		{"no database in the folder", nil, "database", "fail", "there is no database in", "", []string{"--database-url", ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, dir := newHouse(t), t.TempDir()
			if test.change != nil {
				test.change(h, dir)
			}
			h.args = append(h.args, "--data-dir", dir)
			r := runBinary(t, []string{"RECALL_ADMIN_ADDR=127.0.0.1:1"}, append(append([]string{"doctor", "--json"}, h.args...), test.args...)...)
			r.want(t, 1) // at least for the tests' database
			got := findings(t, r)[test.check]
			if got.State != test.state || !strings.Contains(got.Detail, test.says) || !strings.Contains(got.Do, test.todo) {
				t.Errorf("found %+v, want %s %q %q", got, test.state, test.says, test.todo)
			}
			if strings.Contains(r.out+r.errs, testSecret) || strings.Contains(r.out+r.errs, "geheim") {
				t.Error("it tells a secret")
			}
		})
	}
}

// dropWeeks leaves this week's partitions and so many less one after it.
func dropWeeks(h *house, leave int) {
	h.t.Helper()
	rows, err := h.db.Pool().Query(h.t.Context(), `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'deliveries'::regclass ORDER BY 1 OFFSET $1`, leave)
	if err != nil {
		h.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		h.t.Fatal(names, err)
	}
	for _, name := range names {
		if _, err := h.db.Pool().Exec(h.t.Context(), "DROP TABLE "+name); err != nil {
			h.t.Fatal(err)
		}
	}
}

// openDelivery makes one that waits since then.
func openDelivery(h *house, at time.Time, state string) {
	h.t.Helper()
	h.run("", "destination", "add", "--name", "crm", "--url", "https://crm.example.org/").want(h.t, 0)
	if _, err := h.db.Pool().Exec(h.t.Context(), `
		WITH crm AS (UPDATE destinations SET state = $1 RETURNING id)
		INSERT INTO deliveries (event_id, id, destination_id, trigger, created_at) SELECT $2, $3, id, 'manual', $4 FROM crm`,
		state, uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), at); err != nil {
		h.t.Fatal(err)
	}
}
