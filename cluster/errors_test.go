package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(folder(t), "bin")
	write(filepath.Join(old, "initdb"), "")
	write(filepath.Join(old, "postgres"), "#!/bin/sh\necho 'postgres (PostgreSQL) 14.1'\n")
	for name, try := range map[string]struct {
		prepare func(dir string)
		options Options
		want    string
	}{
		"no folder":            {options: Options{DataDir: "/proc/none"}, want: "RECALL_DATA_DIR: /proc/none"},
		"a file":               {options: Options{DataDir: "/dev/null"}, want: "RECALL_DATA_DIR: /dev/null"},
		"no programs there":    {options: Options{BinDir: "/nowhere"}, want: "RECALL_POSTGRES_BIN=/nowhere: initdb is not in it"},
		"programs too old":     {options: Options{BinDir: old}, want: "holds PostgreSQL 14: Recall needs 15 or newer"},
		"database too old":     {prepare: func(dir string) { write(dir+"/postgres/PG_VERSION", "11\n") }, want: "apt-get install postgresql-11"},
		"programs differ":      {prepare: func(dir string) { write(dir+"/postgres/PG_VERSION", "16\n") }, options: Options{BinDir: old}, want: "name a folder with the programs of 16"},
		"version unreadable":   {prepare: func(dir string) { write(dir+"/postgres/PG_VERSION", "?") }, want: "restore the folder"},
		"something else there": {prepare: func(dir string) { write(dir+"/postgres/notes.txt", "x") }, want: "is no PostgreSQL database: move it away"},
		"a file in its place":  {prepare: func(dir string) { write(dir+"/postgres", "x") }, want: "is no folder: move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if try.options.DataDir == "" {
				try.options.DataDir = folder(t)
			}
			if try.prepare != nil {
				try.prepare(try.options.DataDir)
			}
			_, err := Open(t.Context(), try.options)
			if err == nil || !strings.Contains(err.Error(), try.want) {
				t.Errorf("got %v, want %s", err, try.want)
			}
		})
	}
}

// A start that fails says what PostgreSQL said, and leaves nothing running.
func TestFailedStartShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := open(t, dir)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := appendFile(filepath.Join(c.dir, "postgresql.conf"), "no_such_setting = 1\n"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("%v", err)
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("writing: %w", syscall.ENOSPC), "is full, make room"},
		{errors.New("initdb: exit status 1: could not write file: No space left on device"), "is full, make room"},
		{syscall.EROFS, "is read-only"},
		{errors.New(`FATAL:  data directory "/d" has wrong ownership`), "belongs to another user"},
		{errors.New("anything else"), "anything else"},
	} {
		got := advise(c.err, "/d")
		if !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("got %v, want %s", got, c.want)
		}
	}
}
