package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"recall/cluster"
	"recall/seal"
	"recall/store"
)

// app is what every command is given.
type app struct {
	cfg       config
	log       *slog.Logger
	in        io.Reader
	out, errw io.Writer
	now       func() time.Time
}

// usageError says that the command was used wrongly: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// errSaid is returned by a command that failed and has said so itself: exit status 1, and nothing more is printed.
var errSaid = errors.New("said already")

func newApp(cfg config, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{cfg: cfg, log: newLog(cfg, stderr), in: stdin, out: stdout, errw: stderr, now: time.Now}
}

// newLog writes text to a terminal and JSON to anything else, unless told otherwise.
func newLog(cfg config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "text" || cfg.LogFormat == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// stopTime is how long a private PostgreSQL may take to write everything down when it stops.
const stopTime = time.Minute

// openStore opens the database for a command: the one in RECALL_DATABASE_URL, or the private one of the data folder,
// whether it runs already or not. What is returned has to be closed by the function beside it, which stops the private
// one again if nobody else uses it.
func (a *app) openStore(ctx context.Context) (*store.DB, func(), error) {
	if err := a.needDatabase(); err != nil {
		return nil, nil, err
	}
	db, closeAll, err := a.openDatabase(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := a.checkSchema(ctx, db); err != nil {
		closeAll()
		return nil, nil, err
	}
	return db, closeAll, nil
}

// needDatabase keeps a command that was started in the wrong folder from making an empty database there.
func (a *app) needDatabase() error {
	if a.cfg.DatabaseURL != "" {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(a.cfg.DataDir, "postgres")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database in %s: name the right folder in RECALL_DATA_DIR or the database in RECALL_DATABASE_URL, or make a new one with `recall serve` or `recall migrate up`", a.cfg.DataDir)
	}
	return nil
}

// openDatabase is openStore without a look at the schema, and makes the private database where there is none.
func (a *app) openDatabase(ctx context.Context) (*store.DB, func(), error) {
	key, err := a.loadKey()
	if err != nil {
		return nil, nil, err
	}
	url, closeCluster := a.cfg.DatabaseURL, func() {}
	if url == "" {
		c, err := cluster.Open(ctx, cluster.Options{DataDir: a.cfg.DataDir, BinDir: a.cfg.PostgresBin, Log: a.log})
		if err != nil {
			return nil, nil, err
		}
		url, closeCluster = c.URL(), func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
			defer cancel()
			if err := c.Close(ctx); err != nil {
				a.log.Error("closing the private database", "error", err)
			}
		}
	}
	db, err := store.Open(ctx, url, key, a.log)
	if err != nil {
		closeCluster()
		return nil, nil, err
	}
	return db, func() { db.Close(); closeCluster() }, nil
}

// checkSchema makes sure that the schema is this program's and the secrets in it are sealed with our key. A private
// database is brought up to date; one that others may share only by somebody's will.
func (a *app) checkSchema(ctx context.Context, db *store.DB) error {
	if a.cfg.DatabaseURL == "" {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
	} else {
		states, err := db.MigrationStatus(ctx)
		if err != nil {
			return err
		}
		for _, s := range states {
			if s.AppliedAt.IsZero() {
				return errors.New("the database's schema is older than this program: run `recall migrate up`")
			}
		}
	}
	return db.CheckKey(ctx)
}

// loadKey reads the program's key from where the settings say; the one in the data folder is made when there is none.
func (a *app) loadKey() (seal.Key, error) {
	switch {
	case a.cfg.Key != "":
		key, err := seal.ParseKey(a.cfg.Key)
		if err != nil {
			return key, usagef("RECALL_KEY: %v", err)
		}
		return key, nil
	case a.cfg.KeyFile != "":
		text, err := os.ReadFile(a.cfg.KeyFile)
		if err != nil {
			return seal.Key{}, fmt.Errorf("RECALL_KEY_FILE: %w: make one with `openssl rand -hex 32`", err)
		}
		key, err := seal.ParseKey(string(text))
		if err != nil {
			return key, fmt.Errorf("RECALL_KEY_FILE=%s: %w", a.cfg.KeyFile, err)
		}
		return key, nil
	}
	if err := os.MkdirAll(a.cfg.DataDir, 0o700); err != nil {
		return seal.Key{}, fmt.Errorf("RECALL_DATA_DIR: %w", err)
	}
	path := filepath.Join(a.cfg.DataDir, "key")
	key, made, err := seal.LoadOrCreate(path)
	if err != nil {
		return key, err
	}
	if made {
		a.log.Info("made the key that seals secrets; keep a copy of it apart from the database", "file", path)
	}
	return key, nil
}
