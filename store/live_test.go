package store_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// follow returns settings that are looked at when the returned function is called.
func follow(t *testing.T, db *store.DB) (*store.Live, func()) {
	t.Helper()
	tick := make(chan time.Time)
	live, err := db.LiveOn(t.Context(), tick)
	must(t, err)
	look := func() {
		tick <- time.Time{}
		tick <- time.Time{} // taken when the first look is over
	}
	return live, look
}

// judge is the verdict of a source on a callback that a secret signed.
func judge(s store.LiveSource, secret string, now time.Time) verify.Result {
	body := []byte("{}")
	return s.Policy.Check(http.Header{verify.HeaderSignature: {verify.Sign(secret, now, body)}}, body, now)
}

// Who asks for it need not wait for the next look.
func TestLiveRenewsAtOnce(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	live, _ := follow(t, db)
	must(t, db.CreateSource(t.Context(), shop()))
	must(t, live.Renew(t.Context()))
	if _, found := live.Source("shop"); !found {
		t.Error("the new source is not there")
	}
	must(t, store.NewLive(nil, nil).Renew(t.Context()))
	db.Close()
	if err := live.Renew(t.Context()); err == nil {
		t.Error("renewed from a database that is away")
	}
}

func TestLiveFollowsChanges(t *testing.T) {
	url := storetest.URL(t)
	db, _ := open(t, url, storetest.Key())
	writer, _ := open(t, url, storetest.Key())
	live, look := follow(t, db)
	if _, found := live.Source("shop"); found || len(live.Destinations()) != 0 {
		t.Fatal("an empty database has settings")
	}

	s := &store.Source{Slug: "shop", Name: "Shop", Enabled: true, Tolerance: time.Minute, Secrets: []verify.Secret{{Name: "a", Key: "s3cret-a"}}}
	must(t, writer.CreateSource(t.Context(), s))
	must(t, writer.CreateDestination(t.Context(), crm()))
	look()
	held, found := live.Source("shop")
	if !found || judge(held, "s3cret-a", noon).Verdict != verify.Verified {
		t.Error("the new source does not judge by its secret")
	}
	if d := live.Destinations(); len(d) != 1 || d[0].Name != "crm" || len(d[0].Headers) != 2 {
		t.Errorf("destinations %v, want crm", d)
	}

	same, _ := live.Source("shop")
	look()
	if again, _ := live.Source("shop"); again != same {
		t.Error("settings were loaded again though nothing changed")
	}

	s.Secrets[0] = verify.Secret{Name: "b", Key: "s3cret-b"}
	must(t, writer.UpdateSource(t.Context(), s))
	look()
	held, _ = live.Source("shop")
	if judge(held, "s3cret-a", noon).Reason != verify.ReasonSignatureMismatch || judge(held, "s3cret-b", noon).Verdict != verify.Verified {
		t.Error("the changed secret is not the one that counts")
	}

	s.Enabled = false
	must(t, writer.UpdateSource(t.Context(), s))
	look()
	held, found = live.Source("shop")
	if !found || judge(held, "s3cret-b", noon).Reason != verify.ReasonSourceDisabled {
		t.Error("the disabled source is not there as a disabled one")
	}

	must(t, writer.RemoveSource(t.Context(), "shop"))
	must(t, writer.RemoveDestination(t.Context(), "crm"))
	look()
	if _, found := live.Source("shop"); found || len(live.Destinations()) != 0 {
		t.Error("the removed source or destination is still there")
	}
	if removed, found := live.SourceByID(s.ID); !found || removed.RemovedAt.IsZero() {
		t.Error("the removed source is not found by its id")
	}
	if _, found := live.SourceByID(0); found {
		t.Error("there is a source 0")
	}
}

func TestLiveWhileTheDatabaseIsAway(t *testing.T) {
	url := storetest.URL(t)
	db, log := open(t, url, storetest.Key())
	must(t, db.CreateSource(t.Context(), shop()))
	live, look := follow(t, db)

	config, err := pgx.ParseConfig(url)
	must(t, err)
	name := pgx.Identifier{config.Database}.Sanitize()
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	defer admin.Close(context.Background())
	exec := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}

	exec(`ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS false`)
	exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + strings.Trim(name, `"`) + `'`)
	if db.Ping(t.Context()) == nil {
		t.Fatal("the database is not away")
	}
	look()
	look()
	if s, found := live.Source("shop"); !found || len(s.Secrets) != 2 {
		t.Error("the last known settings do not hold")
	}

	exec(`ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS true`)
	other := shop()
	other.Slug = "other"
	must(t, db.CreateSource(t.Context(), other))
	look()
	look()
	if _, found := live.Source("other"); !found {
		t.Error("the change made since is not seen")
	}
	if away, back := strings.Count(log.String(), "last known ones hold"), strings.Count(log.String(), "can be read from the database again"); away != 1 || back != 1 {
		t.Errorf("the log says %d times that the database went away and %d times that it is back, want once each:\n%s", away, back, log)
	}
}

func TestLiveNeedsTheDatabaseOnce(t *testing.T) {
	db, _ := open(t, storetest.URL(t), storetest.Key())
	db.Close()
	if live, err := db.Live(t.Context()); err == nil || live != nil {
		t.Errorf("got %v, %v; want an error", live, err)
	}
}

// Rows that no check of ours let in close their own source, and no other.
func TestLiveWithSettingsWrittenPastUs(t *testing.T) {
	db, log := open(t, storetest.URL(t), storetest.Key())
	must(t, db.CreateSource(t.Context(), shop()))
	other := shop()
	other.Slug, other.Basic, other.Headers = "other", nil, nil
	must(t, db.CreateSource(t.Context(), other))
	box := storetest.Key().Seal(nil, "source 1 secret new")
	if _, err := db.Pool().Exec(t.Context(), `UPDATE source_secrets SET sealed = $1 WHERE source_id = 1 AND name = 'new'`, box); err != nil {
		t.Fatal(err)
	}
	live, err := db.Live(t.Context())
	must(t, err)
	held, found := live.Source("shop")
	if r := judge(held, "s3cret-old", noon); !found || !held.Unreadable || r.Reason != verify.ReasonSettingsUnreadable {
		t.Errorf("the source with an empty secret: found %v, judges %s", found, r.Reason)
	}
	if held, _ = live.Source("other"); judge(held, "s3cret-old", noon).Verdict != verify.Verified {
		t.Error("the other source is closed too")
	}
	if n := strings.Count(log.String(), "source=shop"); n != 1 {
		t.Errorf("%d lines about it, want 1:\n%s", n, log)
	}
}

func TestNewLive(t *testing.T) {
	s, removed := shop(), shop()
	s.ID, s.Basic, s.Headers = 1, nil, nil
	removed.ID, removed.RemovedAt = 2, noon
	d := crm()
	live := store.NewLive([]*store.Source{s, removed}, []*store.Destination{d})
	held, found := live.Source("shop")
	if !found || held.ID != 1 || judge(held, "s3cret-old", noon).Verdict != verify.Verified {
		t.Errorf("found %v: %+v", found, held.Source)
	}
	if held, found := live.SourceByID(2); !found || held.ID != 2 {
		t.Error("the removed source is not found by its id")
	}
	if got := live.Destinations(); len(got) != 1 || got[0] != d {
		t.Errorf("destinations %v", got)
	}
}
