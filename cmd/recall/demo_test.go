package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := serve(t, dir, nil, "--demo")
	db := first.store()

	// Every verdict is there, and what was accepted goes out.
	want := map[string]int{
		"verified ": len(plenigo.Samples()) + 2, "late signature_expired": 1, "rejected signature_expired": 1, "rejected signature_future": 1,
		"rejected signature_missing": 1, "rejected signature_mismatch": 2,
	}
	if got := counts(t, db, `SELECT verdict::text || ' ' || reason, count(*) FROM events GROUP BY 1`); !equalCounts(got, want) {
		t.Errorf("verdicts %v, want %v", got, want)
	}
	if got := counts(t, db, `SELECT 'repeats', count(*) FROM events WHERE arrival > 1 GROUP BY 1`); got["repeats"] != 1 {
		t.Errorf("repeats %v, want 1", got)
	}
	accepted := len(plenigo.Samples()) + 2 // with the late one, without the repeat
	first.wait("the good destination has it all", func() bool {
		return counts(t, db, demoDeliveries)[demoGood+" succeeded"] == accepted
	})
	first.wait("the other one has failed", func() bool {
		return counts(t, db, `SELECT 'failed', count(*) FROM attempts WHERE status = 503 GROUP BY 1`)["failed"] > 0
	})
	if text := first.errs.String(); text != "" {
		t.Errorf("it logs what is meant to fail: %s", text)
	}

	_, client := logIn(first, strings.TrimPrefix(first.printed("Log in"), firstUser+"  "))
	if status, page := get(first, client, "/events"); status != http.StatusOK || !strings.Contains(page, "Demonstration data.") {
		t.Errorf("the events answer %d and are not marked as a demo", status)
	}
	pasteCurl(first)
	first.stop()

	second := serve(t, dir, nil, "--demo")
	db = second.store()
	want["verified "]++ // by curl
	if got := counts(t, db, `SELECT verdict::text || ' ' || reason, count(*) FROM events GROUP BY 1`); !equalCounts(got, want) {
		t.Errorf("verdicts after a second start %v, want %v", got, want)
	}
	pasteCurl(second)
	second.wait("the good destination is reached at its new address", func() bool {
		return counts(t, db, demoDeliveries)[demoGood+" succeeded"] == accepted+2
	})
	second.stop()

	third := serve(t, dir, nil)
	if !strings.Contains(third.out.String(), binary+" demo remove") {
		t.Error("a start without --demo does not tell how the demo is removed")
	}
	runBinary(t, []string{"RECALL_DATA_DIR=" + dir}, "demo", "remove").want(t, 0, "The demo is removed, with ")
	if r := runBinary(t, []string{"RECALL_DATA_DIR=" + dir}, "erasure", "list"); !strings.Contains(r.out, "cancelled") || strings.Contains(r.out, " open ") || strings.Contains(r.out, " customer 4") {
		t.Errorf("cases that callbacks of the demo opened: %s", r.out)
	}
	for _, table := range []string{"events", "deliveries", "attempts", "volume", "failure_groups", "arrival_groups"} {
		if got := counts(t, third.store(), `SELECT 'left', count(*) FROM `+table); got["left"] != 0 {
			t.Errorf("%d rows are left in %s", got["left"], table)
		}
	}
	runBinary(t, []string{"RECALL_DATA_DIR=" + dir}, "demo", "remove").want(t, 0, "nothing of a demo")
	third.stop()
}

const demoDeliveries = `
	SELECT d.name || ' ' || x.state::text, count(*)
	FROM deliveries x JOIN destinations d ON d.id = x.destination_id
	GROUP BY 1`

// pasteCurl runs the line for a shell that serve prints.
func pasteCurl(s *server) {
	s.t.Helper()
	line := regexp.MustCompile(`(?m)^.*; curl .*$`).FindString(s.out.String())
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", line)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	answer, err := cmd.Output()
	if err != nil || !bytes.Contains(answer, []byte(`"verdict":"verified"`)) {
		s.t.Fatalf("%s\n%v %s %s", line, err, answer, errs.String())
	}
}

// counts reads rows of a name and a number.
func counts(t *testing.T, db *store.DB, sql string) map[string]int {
	t.Helper()
	rows, err := db.Pool().Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]int{}
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		all[name] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func equalCounts(a, b map[string]int) bool {
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	return bytes.Equal(one, other)
}

// The demo's receivers are the only internal addresses that are let through.
func TestDemoOpensNothingElse(t *testing.T) {
	t.Parallel()
	dir, database := dataDir(t), storetest.URL(t)
	s := serve(t, dir, []string{"RECALL_DATABASE_URL=" + database, "RECALL_KEY=" + strings.Repeat("ab", 32)}, "--demo")
	if _, err := os.Stat(filepath.Join(dir, "postgres")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a private database: %v", err)
	}
	db := openTestStore(t, database, storetest.Key())
	inside, requests := listen(t, http.StatusOK, "")
	everything := ""
	if err := db.CreateDestination(t.Context(), &store.Destination{
		Name: "inside", URL: inside, Match: &everything, Signing: store.SigningNone, Timeout: time.Second, State: store.DestinationActive,
	}); err != nil {
		t.Fatal(err)
	}
	s.wait("the other destination was tried", func() bool {
		pasteCurl(s) // until the new destination is known
		return counts(t, db, demoDeliveries)["inside exhausted"] > 0
	})
	s.stop()
	if len(*requests) > 0 {
		t.Errorf("it was sent %d events", len(*requests))
	}
}

func TestDemoLeavesYoursAlone(t *testing.T) {
	t.Parallel()
	for name, mine := range map[string]func(*testing.T, *store.DB) error{
		`the demo needs the name "demo" for its source, and there is a source of yours`: func(t *testing.T, db *store.DB) error {
			return db.CreateSource(t.Context(), &store.Source{Slug: demoSource, Name: "Mine", Enabled: true, Tolerance: verify.DefaultTolerance})
		},
		`the demo needs the name "demo-good" for a destination, and there is one of yours`: func(t *testing.T, db *store.DB) error {
			return db.CreateDestination(t.Context(), &store.Destination{
				Name: demoGood, URL: "https://example.org/", Signing: store.SigningNone, Timeout: time.Second, State: store.DestinationActive,
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := storetest.URL(t)
			if err := mine(t, openTestStore(t, database, storetest.Key())); err != nil {
				t.Fatal(err)
			}
			s := launch(t, dataDir(t), []string{"RECALL_DATABASE_URL=" + database, "RECALL_KEY=" + strings.Repeat("ab", 32)}, "--demo")
			s.awaitEnd()
			if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.errs.String(), "recall: "+name) {
				t.Errorf("exit status %d\n got %s\nwant recall: %s", code, s.errs.String(), name)
			}
		})
	}
}

// What the demo sends wrong has another number than the samples, and stays what it is.
func TestOtherEntity(t *testing.T) {
	for _, wrong := range (&demo{app: &app{now: time.Now}}).wrongOnes() {
		body := wrong.sample.Body
		if !json.Valid(body) || plenigo.Read(body).EntityID == "" {
			t.Errorf("%s: %s", wrong.sample.Name, body)
		}
		for _, s := range plenigo.Samples() {
			if bytes.Equal(body, s.Body) {
				t.Errorf("%s is the sample %s", wrong.sample.Name, s.Name)
			}
		}
	}
}
