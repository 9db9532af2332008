package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"recall/migrations"
)

// ErrSchemaNewer: a newer Recall has migrated the database, one that is more than a release ahead of this one.
var ErrSchemaNewer = errors.New("the database was migrated by a newer Recall, more than one release ahead: start that version, or restore a backup from before")

// ErrSchemaOlder: migrations are missing.
var ErrSchemaOlder = errors.New("the database's schema is older than this program: run `recall migrate up`")

// Migrate brings the schema up to date (ours by goose, River's by rivermigrate) under an advisory lock, and makes the
// partitions for now, all as the tables' owner, and grants the other role what it needs. It refuses a schema newer than this program with ErrSchemaNewer.
func (db *DB) Migrate(ctx context.Context) error {
	return db.afterOthers(ctx, lockMigrate, db.migrate)
}

func (db *DB) migrate(ctx context.Context) error {
	newer := false
	err := db.withGoose(func(goose *goose.Provider) error {
		current, target, err := goose.GetVersions(ctx)
		if err != nil {
			return fmt.Errorf("reading the schema's version: %w", err)
		}
		if newer = current > target; newer {
			return db.supports(ctx, target)
		}
		results, err := goose.Up(ctx)
		if err != nil {
			return fmt.Errorf("migrating: %w", err)
		}
		for _, r := range results {
			db.Log.Info("migrated", "migration", r.Source.Path, "duration", r.Duration)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if newer {
		db.Log.Warn("the schema is that of the next release: this program works on it, to be replaced soon")
		return db.makePartitionsAhead(ctx)
	}
	if err := db.supports(ctx, migrations.Previous-1); err == nil { // what stands there is of a release before
		if _, err := db.ownerSession().Exec(ctx, `UPDATE schema_support SET least = $1`, migrations.Previous); err != nil {
			return fmt.Errorf("writing down which programs may run on this schema: %w", err)
		}
	} else if !errors.Is(err, ErrSchemaNewer) {
		return err
	}
	river, err := db.river()
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating the queue's tables: %w", err)
	}
	return errors.Join(db.makePartitionsAhead(ctx), db.grant(ctx))
}

// CheckSchema returns ErrSchemaOlder or ErrSchemaNewer where the schema is neither this program's nor that of the next release.
func (db *DB) CheckSchema(ctx context.Context) error {
	err := db.withGoose(func(goose *goose.Provider) error {
		current, target, err := goose.GetVersions(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("reading the schema's version: %w", err)
		case current < target:
			return ErrSchemaOlder
		case current > target:
			return db.supports(ctx, target)
		}
		return nil
	})
	if err != nil {
		return err
	}
	river, err := db.river()
	if err != nil {
		return err
	}
	state, err := river.Validate(ctx, nil)
	if err != nil {
		return fmt.Errorf("reading the version of the queue's tables: %w", err)
	}
	if !state.OK {
		return ErrSchemaOlder
	}
	return nil
}

// supports returns ErrSchemaNewer unless the newer program that has migrated the database lets one run beside it whose
// newest migration is known.
func (db *DB) supports(ctx context.Context, known int64) error {
	var least int64
	if err := db.ownerSession().QueryRow(ctx, `SELECT least FROM schema_support`).Scan(&least); err != nil {
		return fmt.Errorf("reading which programs may run on this schema: %w", err)
	}
	if known < least {
		return ErrSchemaNewer
	}
	return nil
}

// SchemaAhead is by how many migrations the schema is newer than this program, 0: it is not. ErrSchemaNewer where this program
// must not run on it.
func (db *DB) SchemaAhead(ctx context.Context) (ahead int64, err error) {
	err = db.withGoose(func(goose *goose.Provider) error {
		current, target, err := goose.GetVersions(ctx)
		if err != nil {
			return fmt.Errorf("reading the schema's version: %w", err)
		}
		if ahead = max(0, current-target); ahead > 0 {
			return db.supports(ctx, target)
		}
		return nil
	})
	return ahead, err
}

// MigrationState is one migration and when it was applied (zero: pending).
type MigrationState struct {
	Version   int64
	Name      string
	AppliedAt time.Time
}

// MigrationStatus lists our migrations, oldest first.
func (db *DB) MigrationStatus(ctx context.Context) ([]MigrationState, error) {
	var states []MigrationState
	err := db.withGoose(func(goose *goose.Provider) error {
		list, err := goose.Status(ctx)
		if err != nil {
			return fmt.Errorf("reading the migrations' state: %w", err)
		}
		for _, m := range list {
			states = append(states, MigrationState{m.Source.Version, m.Source.Path, m.AppliedAt})
		}
		return nil
	})
	return states, err
}

// withGoose lends goose a few of the pool's connections.
func (db *DB) withGoose(do func(*goose.Provider) error) error {
	sql := stdlib.OpenDBFromPool(db.ownerSession())
	defer sql.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, sql, migrations.FS)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	return do(provider)
}

func (db *DB) river() (*rivermigrate.Migrator[pgx.Tx], error) {
	quiet := slog.New(slog.DiscardHandler) // it tells each step; a failed one is returned
	m, err := rivermigrate.New(riverpgxv5.New(db.ownerSession()), &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return nil, fmt.Errorf("preparing the queue's migrations: %w", err)
	}
	return m, nil
}
