package store_test

import (
	"testing"
	"time"

	"recall/store/storetest"
)

func TestHealthOfANewDatabase(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	h, err := db.ServerHealth(t.Context())
	if err != nil || h.VersionNumber < 150000 || h.Version == "" || h.Standby || len(h.Unsafe) != 3 {
		t.Errorf("the tests' server is %+v, %v, want a primary that saves nothing at once", h, err)
	}
	if id, err := db.KeyID(t.Context()); id != "" || err != nil {
		t.Errorf("a key %q, %v before anything was sealed", id, err)
	}
	if err := db.CheckKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id, err := db.KeyID(t.Context()); id != storetest.Key().ID() || err != nil {
		t.Errorf("the key is %q, %v, want %s", id, err, storetest.Key().ID())
	}
	until, err := db.PartitionsUntil(t.Context())
	if err != nil || until.Weekday() != time.Monday || until.Before(time.Now().AddDate(0, 0, 21)) {
		t.Errorf("partitions until %s, %v", until, err)
	}
	db.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
	if until, err := db.PartitionsUntil(t.Context()); err != nil || until.After(db.Now()) {
		t.Errorf("a year later: partitions until %s, %v", until, err)
	}
	if d, err := db.OldestOpenDelivery(t.Context()); d != nil || err != nil {
		t.Errorf("an open delivery %+v, %v", d, err)
	}
}
