package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recall/seal"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// shop is a source that asks for everything.
func shop() *store.Source {
	return &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{
			{Name: "old", Key: "s3cret-old", Until: noon.Add(time.Hour)},
			{Name: "new", Key: "s3cret-new", From: noon},
		},
		Basic:   &verify.BasicAuth{User: "plenigo", Password: "s3cret:basic"},
		Headers: []verify.Header{{Name: "X-Shop-Token", Value: "s3cret-header"}},
	}
}

// crm is a destination with everything set.
func crm() *store.Destination {
	match := "source:shop type:customer.*"
	return &store.Destination{
		Name: "crm", URL: "https://crm.example/in?a=b", Method: "PUT", Match: &match, Signing: store.SigningStandardWebhooks, PassSignature: true,
		Secrets: []store.SigningSecret{
			{Key: "whsec_czNjcmV0LW9sZC1zM2NyZXQtb2xkLXMzY3JldA==", MadeAt: noon.Add(-time.Hour), Until: noon.Add(time.Hour)},
			{Key: "whsec_czNjcmV0LW5ldy1zM2NyZXQtbmV3LXMzY3JldA==", MadeAt: noon},
		},
		Headers:      []verify.Header{{Name: "Authorization", Value: "Bearer s3cret <&> ü"}, {Name: "X-A", Value: "s3cret-a"}},
		ClearHeaders: []verify.Header{{Name: "X-Tenant", Value: "shop <&> ü"}},
		Timeout:      store.DefaultTimeout, RetrySchedule: store.DefaultRetrySchedule(), MaxRate: 2.5, MaxConcurrency: 3, Ordering: store.OrderEntity,
		State: store.DestinationPaused, StateReason: "it moves", Demo: true,
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open is another program on a database, with a key and a log of its own.
func open(t testing.TB, url string, key seal.Key) (*store.DB, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	db, err := store.Open(t.Context(), url, key, slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	t.Cleanup(db.Close)
	return db, log
}

func otherKey(t testing.TB) seal.Key {
	t.Helper()
	key, err := seal.ParseKey(strings.Repeat("cd", 32))
	must(t, err)
	return key
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCheckKey(t *testing.T) {
	url := storetest.URL(t)
	first, _ := open(t, url, storetest.Key())
	second, _ := open(t, url, otherKey(t))
	must(t, first.CheckKey(t.Context()))
	must(t, first.CheckKey(t.Context()))

	err := second.CheckKey(t.Context())
	if !errors.Is(err, seal.ErrWrongKey) {
		t.Fatalf("another key: %v, want %v", err, seal.ErrWrongKey)
	}
	for _, part := range []string{storetest.Key().ID(), otherKey(t).ID(), "RECALL_KEY", "RECALL_KEY_FILE", "RECALL_DATA_DIR"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
	none, _ := open(t, url, seal.Key{})
	if err := none.CheckKey(t.Context()); err == nil || !strings.Contains(err.Error(), "RECALL_KEY") {
		t.Errorf("no key at all: %v", err)
	}
}

func TestFirstStartsAtOnceAgreeOnOneKey(t *testing.T) {
	url := storetest.URL(t)
	programs := make([]*store.DB, 4)
	for i := range programs {
		key, err := seal.ParseKey(fmt.Sprintf("%064x", i+1))
		must(t, err)
		programs[i], _ = open(t, url, key)
		must(t, programs[i].Ping(t.Context())) // connected before the start
	}
	for range 20 { // most rounds are no race
		if _, err := programs[0].Pool().Exec(t.Context(), `UPDATE settings_revision SET key_id = NULL`); err != nil {
			t.Fatal(err)
		}
		var agreed atomic.Int32
		var group sync.WaitGroup
		start := make(chan struct{})
		for _, db := range programs {
			group.Go(func() {
				<-start
				if err := db.CheckKey(t.Context()); err == nil {
					agreed.Add(1)
				} else if !errors.Is(err, seal.ErrWrongKey) {
					t.Error(err)
				}
			})
		}
		close(start)
		group.Wait()
		if n := agreed.Load(); n != 1 {
			t.Errorf("%d keys were taken, want 1", n)
		}
	}
}

// A program with another key, even before any check, seals nothing that the server could not open.
func TestNothingIsSealedWithAnotherKey(t *testing.T) {
	url := storetest.URL(t)
	db, _ := open(t, url, storetest.Key())
	source := shop()
	must(t, db.CreateSource(t.Context(), source))
	destination := crm()
	must(t, db.CreateDestination(t.Context(), destination))

	other, _ := open(t, url, otherKey(t))
	again := *source
	again.Slug = "again"
	more := *destination
	more.Name = "more"
	for name, write := range map[string]func() error{
		"create source":      func() error { return other.CreateSource(t.Context(), &again) },
		"update source":      func() error { return other.UpdateSource(t.Context(), source) },
		"create destination": func() error { return other.CreateDestination(t.Context(), &more) },
		"update destination": func() error { return other.UpdateDestination(t.Context(), destination) },
	} {
		if err := write(); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("%s: %v, want %v", name, err, seal.ErrWrongKey)
		}
	}
	if sources, destinations := count(t, db, "sources"), count(t, db, "destinations"); sources != 1 || destinations != 1 {
		t.Errorf("%d sources and %d destinations, want one of each", sources, destinations)
	}
	if s, err := db.FindSource(t.Context(), "shop"); err != nil || s.Unreadable {
		t.Errorf("the source is not as it was: %+v, %v", s, err)
	}
}

// Whatever is secret stands sealed in every table, and in no log.
func TestSecretsAreSealed(t *testing.T) {
	db, log := open(t, storetest.URL(t), storetest.Key())
	must(t, db.CreateSource(t.Context(), shop()))
	must(t, db.CreateDestination(t.Context(), crm()))
	if _, err := db.CreateUser(t.Context(), "anna", "s3cret-password", store.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"sources", "source_secrets", "source_headers", "destinations", "users", "settings_revision"} {
		var rows int
		var text string // bytes as hex digits
		must(t, db.Pool().QueryRow(t.Context(), `SELECT count(*), string_agg(r::text, ' ') FROM `+table+` r`).Scan(&rows, &text))
		if rows == 0 {
			t.Fatalf("%s is empty", table)
		}
		for _, secret := range []string{"s3cret", fmt.Sprintf("%x", "s3cret")} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds a secret in clear", table)
			}
		}
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Error("the log holds a secret")
	}
}
