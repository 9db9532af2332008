package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"recall/cluster"
	"recall/seal"
	"recall/store"
)

const (
	stopTime    = time.Minute      // how long the private PostgreSQL may take to write everything down when it stops
	connectTime = 15 * time.Second // how long a database of RECALL_DATABASE_URL may take to answer
	watchEvery  = 2 * time.Second
)

// database is the store, and what stands behind it.
type database struct {
	*store.DB
	app     *app
	cluster *cluster.Cluster // nil: the database is in RECALL_DATABASE_URL
}

// openStore opens the database for a command: the one in RECALL_DATABASE_URL, or the private one of the data folder,
// whether it runs already or not. What is returned has to be closed by the function beside it, which stops the private
// one again if nobody else uses it.
func (a *app) openStore(ctx context.Context) (*store.DB, func(), error) {
	if err := a.needDatabase(); err != nil {
		return nil, nil, err
	}
	key, err := a.findKey()
	if err != nil {
		return nil, nil, err
	}
	db, err := a.openDatabase(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if err := db.checkSchema(ctx); err != nil {
		db.Close()
		return nil, nil, err
	}
	return db.DB, db.Close, nil
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
func (a *app) openDatabase(ctx context.Context, key seal.Key) (*database, error) {
	var err error
	d := &database{app: a}
	urls := store.URLs{Database: a.cfg.DatabaseURL, Direct: a.cfg.DirectURL, Read: a.cfg.ReadURL}
	if urls.Database == "" {
		if d.cluster, err = a.openCluster(ctx); err != nil {
			return nil, err
		}
		urls.Database = d.cluster.URL()
	}
	if d.DB, err = store.OpenURLs(ctx, urls, key, a.log); err != nil {
		d.closeCluster()
		return nil, err
	}
	d.ReasonAbove = a.cfg.ReasonAbove
	if a.cfg.OwnerURL != "" {
		if err := d.UseOwner(ctx, a.cfg.OwnerURL); err != nil {
			d.Close()
			return nil, err
		}
	}
	if d.cluster == nil {
		ctx, cancel := context.WithTimeout(ctx, connectTime)
		defer cancel()
		if err := d.Ping(ctx); err != nil {
			d.Close()
			return nil, fmt.Errorf("the database in RECALL_DATABASE_URL does not answer: %s", strings.Join(strings.Fields(err.Error()), " "))
		}
	}
	return d, nil
}

func (a *app) openCluster(ctx context.Context) (*cluster.Cluster, error) {
	return cluster.Open(ctx, cluster.Options{DataDir: a.cfg.DataDir, BinDir: a.cfg.PostgresBin, Log: a.log})
}

// Close ends the connections, and the private PostgreSQL if nobody else uses it.
func (d *database) Close() {
	d.DB.Close()
	d.closeCluster()
}

func (d *database) closeCluster() {
	if d.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if err := d.cluster.Close(ctx); err != nil {
		d.app.log.Error("closing the private database", "error", err)
	}
}

// checkSchema makes sure that the schema is this program's, and that the secrets in it are sealed with our key. A private
// database is brought up to date; one that others may share only by somebody's will.
func (d *database) checkSchema(ctx context.Context) error {
	check := d.CheckSchema
	if d.cluster != nil {
		check = d.Migrate
	}
	if err := check(ctx); err != nil {
		return err
	}
	return d.CheckKey(ctx)
}

// keepRunning starts the private PostgreSQL again when it ended by itself, until ctx ends. Its address stays the same,
// so the connections come back by themselves.
func (d *database) keepRunning(ctx context.Context) {
	if d.cluster == nil {
		return
	}
	for every(ctx, watchEvery) {
		if _, running := cluster.Running(d.app.cfg.DataDir); running {
			continue
		}
		d.app.log.Error("the private database has ended by itself; starting it again")
		again, err := d.app.openCluster(ctx)
		if err != nil {
			if ctx.Err() == nil {
				d.app.log.Error("starting the private database again", "error", err)
			}
			continue
		}
		d.closeCluster() // only lets go of the first hold: we have the second
		d.cluster = again
	}
}

// every waits for the next turn; false: ctx has ended.
func every(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// keyFile is where the key is kept that no setting gives.
func (a *app) keyFile() string { return filepath.Join(a.cfg.DataDir, "key") }

// previousKeyFile is where the key before that one is kept while it is rotated.
func (a *app) previousKeyFile() string { return a.keyFile() + ".previous" }

// findKey returns the key of the settings, or the one in the data folder. Only makeKey makes one: a command that was
// started in the wrong folder must not go on with a key that opens nothing.
func (a *app) findKey() (seal.Key, error) {
	if _, err := os.Stat(a.keyFile()); errors.Is(err, fs.ErrNotExist) && a.cfg.Key == (seal.Key{}) {
		return seal.Key{}, fmt.Errorf("there is no key in %s to open secrets with: set RECALL_KEY or RECALL_KEY_FILE, or name the folder with the key in RECALL_DATA_DIR", a.cfg.DataDir)
	}
	return a.makeKey()
}

// makeKey is findKey, and makes a key in the data folder when there is none.
func (a *app) makeKey() (seal.Key, error) {
	if a.cfg.Key != (seal.Key{}) {
		return a.cfg.Key, nil
	}
	key, made, err := seal.LoadOrCreate(a.keyFile())
	if err != nil {
		return key, fmt.Errorf("RECALL_DATA_DIR: %w", err)
	}
	if made {
		a.log.Info("made the key that seals secrets; keep a copy of it apart from the database", "file", a.keyFile())
	}
	previous, err := seal.Load(a.previousKeyFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return key, fmt.Errorf("RECALL_DATA_DIR: %w", err)
	}
	return key.WithPrevious(previous), nil
}
