package store_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestSourceRoundTrip(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	s := shop()
	s.Observe, s.Demo = true, true
	must(t, db.CreateSource(t.Context(), s))
	if s.ID == 0 || !s.CreatedAt.Equal(noon) {
		t.Errorf("created with id %d at %s", s.ID, s.CreatedAt)
	}
	bare := &store.Source{Slug: "bare", Name: "Bare", Tolerance: time.Second}
	must(t, db.CreateSource(t.Context(), bare))

	bySlug, err := db.FindSource(t.Context(), "shop")
	must(t, err)
	byID, err := db.FindSourceByID(t.Context(), s.ID)
	must(t, err)
	for _, got := range []*store.Source{bySlug, byID} {
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got  %+v\nwant %+v", got, s)
		}
	}
	all, err := db.ListSources(t.Context())
	must(t, err)
	if len(all) != 2 || !reflect.DeepEqual(all[0], bare) || !reflect.DeepEqual(all[1], s) {
		t.Errorf("listed %+v, want bare and shop", all)
	}
}

func TestUpdateSource(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	neighbour := shop()
	neighbour.Slug = "neighbour"
	must(t, db.CreateSource(t.Context(), neighbour))

	db.Now = func() time.Time { return noon.Add(time.Hour) }
	s.Name, s.Enabled, s.Observe, s.Tolerance, s.LateWindow = "Shop 2", false, true, time.Minute, 0
	s.Basic = nil
	s.Headers = []verify.Header{{Name: "x-b", Value: "b"}, {Name: "X-A", Value: "a"}}
	s.Secrets = []verify.Secret{
		{Name: "newest", Key: "s3cret-newest", From: noon.Add(time.Hour)},
		{Name: "new", Key: "s3cret-new", From: noon, Until: noon.Add(2 * time.Hour)},
	}
	must(t, db.UpdateSource(t.Context(), s))

	got, err := db.FindSource(t.Context(), "shop")
	must(t, err)
	want := *s
	want.Secrets = []verify.Secret{s.Secrets[1], s.Secrets[0]} // in the order they were added
	want.Headers = []verify.Header{{Name: "X-A", Value: "a"}, {Name: "X-B", Value: "b"}}
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("got  %+v\nwant %+v", got, &want)
	}
	var created [2]time.Time
	err = db.Pool().QueryRow(t.Context(), `
		SELECT min(created_at), max(created_at) FROM source_secrets WHERE source_id = $1`, s.ID).Scan(&created[0], &created[1])
	must(t, err)
	if !created[0].Equal(noon) || !created[1].Equal(noon.Add(time.Hour)) {
		t.Errorf("secrets were added at %s, want the one that stays to keep its time", created)
	}
	if other, err := db.FindSource(t.Context(), "neighbour"); err != nil || !reflect.DeepEqual(other, neighbour) {
		t.Errorf("the neighbour changed too: %+v, %v", other, err)
	}

	got.Secrets, got.Headers = nil, nil
	must(t, db.UpdateSource(t.Context(), got))
	if got, err = db.FindSource(t.Context(), "shop"); err != nil || got.Secrets != nil || got.Headers != nil {
		t.Errorf("secrets and headers that were left out are still there: %+v, %v", got, err)
	}
}

// A change that fails half-way changes nothing.
func TestUpdateSourceIsOneTransaction(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	if _, err := db.Pool().Exec(t.Context(), `ALTER TABLE source_headers ADD CHECK (name <> 'X-Bad')`); err != nil {
		t.Fatal(err)
	}
	changed := *s
	changed.Name, changed.Secrets = "Changed", nil
	changed.Headers = []verify.Header{{Name: "X-Bad", Value: "s3cret-bad"}}
	err := db.UpdateSource(t.Context(), &changed)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want an error that shows no value", err)
	}
	if got, err := db.FindSource(t.Context(), "shop"); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, s)
	}
}

func TestRemovedSource(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	must(t, db.RemoveSource(t.Context(), "shop"))

	if _, err := db.FindSource(t.Context(), "shop"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("found by slug: %v, want %v", err, store.ErrNotFound)
	}
	if all, err := db.ListSources(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("listed %v, %v", all, err)
	}
	want := *s
	want.RemovedAt, want.Revision = noon, s.Revision+1
	if got, err := db.FindSourceByID(t.Context(), s.ID); err != nil || !reflect.DeepEqual(got, &want) {
		t.Errorf("by id: %+v, %v; want it with its secrets", got, err)
	}
	if err := db.UpdateSource(t.Context(), s); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("changed: %v, want %v", err, store.ErrNotFound)
	}
	if err := db.RemoveSource(t.Context(), "shop"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed again: %v, want %v", err, store.ErrNotFound)
	}
	must(t, db.CreateSource(t.Context(), shop()))
}

func TestMissingSource(t *testing.T) {
	db := storetest.New(t)
	must(t, db.CreateSource(t.Context(), shop()))
	for name, slug := range map[string]string{
		"unknown": "nobody", "other case": "SHOP", "blank": "shop ", "empty": "", "NUL": "shop\x00", "no UTF-8": "\xff", "wildcard": "sho%",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := db.FindSource(t.Context(), slug); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("found: %v, want %v", err, store.ErrNotFound)
			}
			if err := db.RemoveSource(t.Context(), slug); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("removed: %v, want %v", err, store.ErrNotFound)
			}
		})
	}
	for _, id := range []int64{0, -1, 999} {
		if _, err := db.FindSourceByID(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("id %d: %v, want %v", id, err, store.ErrNotFound)
		}
	}
}

func TestCreatingOneSlugAtOnce(t *testing.T) {
	db := storetest.New(t)
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = db.CreateSource(t.Context(), shop()) })
	}
	group.Wait()
	made := 0
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, store.ErrExists):
			t.Errorf("got %v, want %v", err, store.ErrExists)
		}
	}
	if made != 1 || count(t, db, "sources") != 1 {
		t.Errorf("%d were made, %d are there; want 1", made, count(t, db, "sources"))
	}
}

// A sealed value that does not open, for whatever reason, closes the source.
func TestUnreadableSource(t *testing.T) {
	for name, sql := range map[string]string{
		"key lost":                  `SELECT 1`, // opened with another key
		"secret damaged":            `UPDATE source_secrets SET sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) WHERE name = 'new'`,
		"secret under another name": `UPDATE source_secrets SET name = 'newer' WHERE name = 'new'`,
		"secret of another source":  `UPDATE source_secrets s SET sealed = o.sealed FROM source_secrets o WHERE s.source_id <> o.source_id AND s.name = o.name`,
		"header damaged":            `UPDATE source_headers SET sealed = ''`,
		"header renamed":            `UPDATE source_headers SET name = 'X-Other'`,
		"basic damaged":             `UPDATE sources SET basic_auth_sealed = '\x00'`,
	} {
		t.Run(name, func(t *testing.T) {
			url := storetest.URL(t)
			db, _ := open(t, url, storetest.Key())
			must(t, db.CreateSource(t.Context(), shop()))
			other := shop()
			other.Slug = "other"
			must(t, db.CreateSource(t.Context(), other))
			if _, err := db.Pool().Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			key := storetest.Key()
			if name == "key lost" {
				key = otherKey(t)
			}
			reader, log := open(t, url, key)

			s, err := reader.FindSource(t.Context(), "shop")
			must(t, err)
			if !s.Unreadable {
				t.Fatal("the source is not marked as unreadable")
			}
			if n := strings.Count(log.String(), "source=shop"); n != 1 || strings.Contains(log.String(), "s3cret") {
				t.Errorf("want one line without values about it, got:\n%s", log)
			}
			live, err := reader.Live(t.Context())
			must(t, err)
			held, _ := live.Source("shop")
			body, now := []byte("{}"), noon.Add(time.Minute)
			header := http.Header{
				verify.HeaderSignature: {verify.Sign("s3cret-old", now, body)},
				"Authorization":        {"Basic cGxlbmlnbzpzM2NyZXQ6YmFzaWM="},
				"X-Shop-Token":         {"s3cret-header"},
			}
			if r := held.Policy.Check(header, body, now); r.Verdict != verify.Rejected || r.Reason != verify.ReasonSettingsUnreadable {
				t.Errorf("a genuine callback is judged %s, %s", r.Verdict, r.Reason)
			}
			if err := db.UpdateSource(t.Context(), s); err == nil || !strings.Contains(err.Error(), "key") {
				t.Errorf("changing it: %v, want a refusal", err)
			}
			if name == "key lost" {
				return
			}
			anew := shop()
			anew.ID, anew.Revision = s.ID, s.Revision
			must(t, db.UpdateSource(t.Context(), anew))
			if s, err := reader.FindSource(t.Context(), "shop"); err != nil || s.Unreadable {
				t.Errorf("after everything was set anew: %+v, %v", s, err)
			}
		})
	}
}

func TestSourceWithWrongSettingsIsRefused(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	for name, test := range map[string]struct {
		change func(*store.Source)
		want   string
	}{
		"no slug":              {func(s *store.Source) { s.Slug = "" }, `slug ""`},
		"capitals":             {func(s *store.Source) { s.Slug = "Shop" }, `slug "Shop"`},
		"slash":                {func(s *store.Source) { s.Slug = "a/b" }, "lower-case letters"},
		"hyphen at the end":    {func(s *store.Source) { s.Slug = "shop-" }, "no hyphen at either end"},
		"line break":           {func(s *store.Source) { s.Slug = "shop\n" }, "slug"},
		"64 letters":           {func(s *store.Source) { s.Slug = strings.Repeat("a", 64) }, "up to 63"},
		"no name":              {func(s *store.Source) { s.Name = " " }, "name of the source is empty"},
		"long name":            {func(s *store.Source) { s.Name = strings.Repeat("ü", 201) }, "200 characters"},
		"name of two lines":    {func(s *store.Source) { s.Name = "a\nb" }, "one line"},
		"name with NUL":        {func(s *store.Source) { s.Name = "a\x00b" }, "one line"},
		"name not UTF-8":       {func(s *store.Source) { s.Name = "a\xff" }, "UTF-8"},
		"no tolerance":         {func(s *store.Source) { s.Tolerance = 0 }, "tolerance"},
		"half a second":        {func(s *store.Source) { s.Tolerance = 500 * time.Millisecond }, "tolerance must be whole seconds"},
		"endless tolerance":    {func(s *store.Source) { s.Tolerance = store.MaxWindow + time.Second }, "10 years"},
		"negative late window": {func(s *store.Source) { s.LateWindow = -time.Second }, "late window"},
		"broken late window":   {func(s *store.Source) { s.LateWindow = time.Millisecond }, "late window must be whole seconds"},
		"empty secret":         {func(s *store.Source) { s.Secrets = []verify.Secret{{Name: "a"}} }, `secret "a" is empty`},
		"nameless secret":      {func(s *store.Source) { s.Secrets = []verify.Secret{{Key: "s3cret"}} }, "name of a secret is empty"},
		"two alike": {func(s *store.Source) {
			s.Secrets = []verify.Secret{{Name: "a", Key: "s3cret"}, {Name: "a", Key: "s3cret2"}}
		}, `two secrets named "a"`},
		"secret of two lines": {func(s *store.Source) { s.Secrets = []verify.Secret{{Name: "a", Key: "s3cret\n"}} }, "line break"},
		"ends before it begins": {func(s *store.Source) {
			s.Secrets = []verify.Secret{{Name: "a", Key: "s3cret", From: noon, Until: noon}}
		}, "ends before it begins"},
		"no basic user":   {func(s *store.Source) { s.Basic = &verify.BasicAuth{Password: "s3cret"} }, "needs a user"},
		"no header name":  {func(s *store.Source) { s.Headers = []verify.Header{{Name: "a b", Value: "s3cret"}} }, "not a header name"},
		"no header value": {func(s *store.Source) { s.Headers = []verify.Header{{Name: "X-A"}} }, "X-A is empty"},
		"header twice": {func(s *store.Source) {
			s.Headers = []verify.Header{{Name: "X-A", Value: "s3cret"}, {Name: "x-a", Value: "s3cret"}}
		}, "X-A is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := *s
			wrong.Slug = "another"
			test.change(&wrong)
			for _, err := range []error{wrong.Validate(), db.CreateSource(t.Context(), &wrong), db.UpdateSource(t.Context(), &wrong)} {
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("got %v, want one that says %q and shows no secret", err, test.want)
				}
			}
		})
	}
	if n := count(t, db, "sources"); n != 1 {
		t.Errorf("%d sources, want 1", n)
	}
	if got, err := db.FindSource(t.Context(), "shop"); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("the source changed: %+v, %v", got, err)
	}
	if err := (&store.Source{Slug: "shop", Name: "Shop", Tolerance: time.Second, Unreadable: true}).Validate(); err != nil {
		t.Errorf("an unreadable source is no mistake in what was entered: %v", err)
	}
}
