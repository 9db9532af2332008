package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDoctorTellsTheAgeOfTheBackup(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ended")
	env := []string{"RECALL_DATA_DIR=" + t.TempDir(), "RECALL_ADMIN_ADDR=127.0.0.1:1", "RECALL_DATABASE_URL=postgres://127.0.0.1:1/none"}
	look := func(state, says string) {
		t.Helper()
		if got := findings(t, runBinary(t, env, "doctor", "--json"))["backup"]; got.State != state || !strings.Contains(got.Detail, says) {
			t.Errorf("found %+v, want %s %q", got, state, says)
		}
	}
	look("", "") // nobody tells
	env = append(env, "RECALL_BACKUP_FILE="+file, "RECALL_BACKUP_MAX_AGE=10h")
	look("fail", "no backup has ever ended well")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look("ok", "the newest is of")
	old := time.Now().Add(-11 * time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	look("fail", "11h0m0s ago; it should never be older than 10h0m0s")
}
