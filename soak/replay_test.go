package soak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/verify"
)

// ordered is a destination that notes what comes again, and what comes for the first time behind a newer event of its entity.
type ordered struct {
	*httptest.Server
	mu                sync.Mutex
	events            map[uuid.UUID]bool
	newest            map[string]uuid.UUID // by entity
	again, outOfOrder int
}

func newOrdered(t testing.TB) *ordered {
	o := &ordered{events: map[uuid.UUID]bool{}, newest: map[string]uuid.UUID{}}
	o.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // its sender was killed before it was whole
		}
		var entity struct{ EntityID string }
		id, idErr := uuid.Parse(r.Header.Get("Recall-Event"))
		if err := json.Unmarshal(body, &entity); err != nil || idErr != nil {
			t.Errorf("not a delivery of an event: %v, %v", err, idErr)
		}
		o.mu.Lock()
		switch newest := o.newest[entity.EntityID]; {
		case o.events[id]:
			o.again++
		case bytes.Compare(id[:], newest[:]) < 0:
			o.outOfOrder++
		default:
			o.newest[entity.EntityID] = id
		}
		o.events[id] = true
		o.mu.Unlock()
		time.Sleep(rand.N(4 * time.Millisecond)) // so that there is always something under way
	}))
	t.Cleanup(o.Server.Close)
	return o
}

func (o *ordered) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.events)
}

// waitFor waits until so many events came, as long as ever more do.
func (o *ordered) waitFor(w *world, events int) {
	w.t.Helper()
	for n := o.count(); n < events; n = o.count() {
		w.waitFor(fmt.Sprintf("of %d events more than %d came", events, n), func() bool { return o.count() > n })
		time.Sleep(20 * time.Millisecond)
	}
}

// receiveMany has events of some entities received, from several connections.
func receiveMany(t testing.TB, url string, events, entities int) {
	t.Helper()
	const connections = 16
	client := &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var serial atomic.Int64
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			for n := serial.Add(1); n <= int64(events); n = serial.Add(1) {
				body := fmt.Appendf(nil, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"%d","entity":{"note":"%d"}}`, n%int64(entities), n)
				r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
				if err != nil {
					panic(err)
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set(verify.HeaderSignature, verify.Sign(secret, time.Now(), body))
				answer, err := client.Do(r)
				if err != nil {
					t.Errorf("callback %d: %v", n, err)
					return
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode/100 != 2 {
					t.Errorf("callback %d: %d", n, answer.StatusCode)
				}
			}
		})
	}
	wait.Wait()
}

// TestReplayIsKilled has one of two instances killed by -9 again and again in the middle of a replay that keeps the order of
// each entity. Every event comes at least once, fewer than one in a hundred again, and none for the first time behind a newer
// one of its entity. The short form does not wait for the leases of the dead, but ends them.
func TestReplayIsKilled(t *testing.T) {
	events, entities, kills, concurrency := 2500, 200, 2, "8"
	long := os.Getenv("RECALL_SOAK_FAULTS") != ""
	if long {
		events, entities, kills, concurrency = 100_000, 5000, 10, "64" // a kill repeats what was under way at most
	}
	server := newPrimary(t)
	crm := newOrdered(t)
	both := make([]*world, 2)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range both {
		w := prepare(t, dataDir(t), "RECALL_DATABASE_URL="+server.url("recall"), "RECALL_EGRESS_ALLOW=127.0.0.0/8")
		both[i] = w
		if i == 0 {
			w.command("", "migrate", "up")
			w.command(secret, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", "-")
		}
		w.start(path)
		t.Cleanup(w.end)
	}
	first := both[0]
	receiveMany(t, first.receiver+"/callbacks/shop", events, entities)
	first.command("", "destination", "add", "--name", "crm", "--url", crm.URL, "--signing", "none", "--order", "entity",
		"--concurrency", concurrency, "--timeout", "5s", "--retry", "1s,5s,30s,1m,2m")
	first.waitFor("every event is stored", func() bool {
		var n int
		return server.ask("recall", `SELECT count(*) FROM events`, &n) == nil && n == events
	})
	planned := first.command("", "replay", "plan", "source:shop", "--to", "crm", "--rate", "5000", "--canary", "20", "--stop-above", "100",
		"--reason", "a soak", "--json")
	if !strings.Contains(planned, fmt.Sprintf(`"events":%d`, events)) {
		t.Fatalf("the plan: %s", planned)
	}
	first.command("", "replay", "start", "1", "--detach")

	begun := time.Now()
	for kill := range kills {
		share := events * 9 / 10 / kills
		at := kill*share + rand.N(share)
		crm.waitFor(first, at)
		dead := both[rand.IntN(2)]
		killed := time.Now()
		if err := dead.serve.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		dead.restart()
		if !long {
			server.exec("recall", fmt.Sprintf(`UPDATE deliveries SET next_attempt_at = now() WHERE state = 'sending' AND attempt_at < '%s'`,
				killed.UTC().Format(time.RFC3339Nano)))
		}
	}
	crm.waitFor(first, events)
	first.waitFor("the replay is done", func() bool {
		var state string
		return server.ask("recall", `SELECT state::text FROM replays WHERE id = 1`, &state) == nil && state == "done"
	})
	crm.mu.Lock()
	defer crm.mu.Unlock()
	if crm.again*100 >= events || crm.outOfOrder > 0 {
		t.Errorf("of %d events %d came again, and %d for the first time behind a newer one of their entity", events, crm.again, crm.outOfOrder)
	}
	t.Logf("a replay of %d events of %d entities by two instances, %d times one of them killed: each came, %d again (%.2f %%), none behind a newer one of its entity; done after %s",
		events, entities, kills, crm.again, float64(crm.again)*100/float64(events), time.Since(begun).Round(100*time.Millisecond))
}
