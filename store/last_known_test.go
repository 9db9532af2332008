package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recall/seal"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestLastKnownSettings(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.KeepSettings = filepath.Join(t.TempDir(), "settings.sealed")
	log := slog.New(slog.DiscardHandler)
	if _, err := store.ReadLastKnown(db.KeepSettings, storetest.Key(), log); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none kept yet: %v", err)
	}
	s := newSource(t, db, "shop")
	s.Basic, s.Headers = &verify.BasicAuth{User: "plenigo", Password: "s3cret-basic"}, []verify.Header{{Name: "X-Token", Value: "s3cret-header"}}
	if err := db.UpdateSource(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Live(t.Context()); err != nil {
		t.Fatal(err)
	}
	box, err := os.ReadFile(db.KeepSettings)
	if err != nil || bytes.Contains(box, []byte("s3cret")) || bytes.Contains(box, []byte("shop")) {
		t.Errorf("the file is readable, or not there: %v", err)
	}
	if info, err := os.Stat(db.KeepSettings); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	live, err := store.ReadLastKnown(db.KeepSettings, storetest.Key(), log)
	if err != nil {
		t.Fatal(err)
	}
	source, ok := live.Source("shop")
	if !ok {
		t.Fatal("the source is not known")
	}
	body, now := []byte("{}"), time.Now()
	header := http.Header{"X-Token": {"s3cret-header"}, verify.HeaderSignature: {verify.Sign("s3cret", now, body)}}
	r, _ := http.NewRequest("POST", "/", nil)
	r.SetBasicAuth("plenigo", "s3cret-basic")
	header.Set("Authorization", r.Header.Get("Authorization"))
	if result := source.Policy.Check(header, body, now); result.Verdict != verify.Verified {
		t.Errorf("the last known settings judge %+v", result)
	}
	other, err := seal.ParseKey(strings.Repeat("cd", 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadLastKnown(db.KeepSettings, other, log); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
}
