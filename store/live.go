package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// Live is what an instance holds in memory: sources and destinations, renewed within about a second of a change. What it
// hands out is shared and must not be changed.
type Live struct {
	settings atomic.Pointer[settings]
	db       *DB // nil: they were given and never change
}

// settings are the sources and destinations of one moment.
type settings struct {
	revision     int64
	bySlug       map[string]LiveSource
	byID         map[int64]LiveSource
	destinations []*Destination
}

// LiveSource is a source with its policy, made once.
type LiveSource struct {
	*Source
	Policy *verify.Policy
}

const (
	lookAfter = time.Second     // how often the revision is looked at
	lookMost  = 5 * time.Second // a database that takes longer is as good as away
)

// NewLive holds settings that are given and never change.
func NewLive(sources []*Source, destinations []*Destination) *Live {
	l := &Live{}
	l.settings.Store(newSettings(sources, destinations, slog.New(slog.DiscardHandler)))
	return l
}

// Live loads the settings and keeps them current until ctx ends. While the database is away the last known ones hold;
// the log says so once, and once when it is back.
func (db *DB) Live(ctx context.Context) (*Live, error) {
	return db.live(ctx, time.Tick(lookAfter))
}

// live is Live that looks at the revision on every tick.
func (db *DB) live(ctx context.Context, tick <-chan time.Time) (*Live, error) {
	l := &Live{db: db}
	if err := l.load(ctx, db); err != nil {
		return nil, fmt.Errorf("loading the settings: %w", err)
	}
	go l.follow(ctx, db, tick)
	return l, nil
}

// Source finds a source by its slug, also a disabled one, but not a removed one.
func (l *Live) Source(slug string) (LiveSource, bool) {
	s, found := l.settings.Load().bySlug[slug]
	return s, found
}

// SourceByID finds any source, removed ones too.
func (l *Live) SourceByID(id int64) (LiveSource, bool) {
	s, found := l.settings.Load().byID[id]
	return s, found
}

// Destinations lists all destinations by name, whatever their state, without removed ones.
func (l *Live) Destinations() []*Destination { return l.settings.Load().destinations }

// Renew makes sure that a change made before counts by now, for who must not be a second behind.
func (l *Live) Renew(ctx context.Context) error {
	if l.db == nil {
		return nil
	}
	if err := l.renew(ctx, l.db); err != nil {
		return fmt.Errorf("renewing the settings: %w", err)
	}
	return nil
}

// follow renews the settings until ctx ends.
func (l *Live) follow(ctx context.Context, db *DB, tick <-chan time.Time) {
	away := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		err := l.renew(ctx, db)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			db.Log.Warn("settings cannot be read from the database: the last known ones hold", "error", err)
		case err == nil && away:
			db.Log.Info("settings can be read from the database again")
		}
		away = err != nil
	}
}

// renew loads the settings if they have changed.
func (l *Live) renew(ctx context.Context, db *DB) error {
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	var revision int64
	if err := db.pool.QueryRow(ctx, `SELECT revision FROM settings_revision`).Scan(&revision); err != nil {
		return err
	}
	if revision == l.settings.Load().revision {
		return nil
	}
	return l.load(ctx, db)
}

// load swaps the settings for those of now.
func (l *Live) load(ctx context.Context, db *DB) error {
	var revision int64
	var sources []*Source
	var destinations []*Destination
	err := db.readSettings(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT revision FROM settings_revision`).Scan(&revision)
		if err != nil {
			return err
		}
		if sources, err = db.loadSources(ctx, tx, choice{Removed: true}); err != nil {
			return err
		}
		destinations, err = db.loadDestinations(ctx, tx, choice{})
		return err
	})
	if err != nil {
		return err
	}
	s := newSettings(sources, destinations, db.Log)
	s.revision = revision
	l.settings.Store(s)
	if db.KeepSettings != "" {
		if err := db.keepLastKnown(sources, destinations); err != nil {
			db.Log.Warn("the settings could not be kept for a start while the database is away", "file", db.KeepSettings, "error", err)
		}
	}
	return nil
}

// newSettings makes every source's policy. A source whose settings make none, because somebody wrote them past this
// program, rejects everything.
func newSettings(sources []*Source, destinations []*Destination, log *slog.Logger) *settings {
	s := &settings{bySlug: map[string]LiveSource{}, byID: map[int64]LiveSource{}, destinations: destinations}
	for _, source := range sources {
		policy, err := verify.NewPolicy(source.Settings())
		if err != nil {
			log.Error("a source's settings are wrong: it rejects everything", "source", source.Slug, "error", err)
			closed := *source
			closed.Unreadable, closed.Secrets, closed.Basic, closed.Headers = true, nil, nil, nil
			closed.Tolerance, closed.LateWindow = verify.DefaultTolerance, 0
			source = &closed
			if policy, err = verify.NewPolicy(source.Settings()); err != nil {
				panic(err) // nothing is left in them to be wrong
			}
		}
		live := LiveSource{source, policy}
		s.byID[source.ID] = live
		if source.RemovedAt.IsZero() {
			s.bySlug[source.Slug] = live
		}
	}
	return s
}
