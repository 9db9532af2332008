package main

import (
	"context"
	"fmt"

	"recall/cluster"
	"recall/seal"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the schema up to date; makes the private database where there is none."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations, and when each was applied."`
}

type migrateUpCmd struct{}

// Run needs no key, and makes one only beside a private database: elsewhere it may run as a step of its own, on another
// machine than the program that has the key.
func (migrateUpCmd) Run(ctx context.Context, a *app) error {
	if a.cfg.DatabaseURL == "" {
		if _, err := a.makeKey(); err != nil {
			return err
		}
	}
	db, err := a.openDatabase(ctx, seal.Key{})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "The schema is up to date.")
	return nil
}

type migrateStatusCmd struct{}

func (migrateStatusCmd) Run(ctx context.Context, a *app) error {
	if err := a.needDatabase(); err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, seal.Key{})
	if err != nil {
		return err
	}
	defer db.Close()
	states, err := db.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"MIGRATION", "APPLIED"}}
	for _, s := range states {
		applied := "pending"
		if !s.AppliedAt.IsZero() {
			applied = utc(s.AppliedAt)
		}
		rows = append(rows, []string{s.Name, applied})
	}
	if err := writeTable(a.out, rows); err != nil {
		return err
	}
	ahead, err := db.SchemaAhead(ctx)
	if err == nil && ahead > 0 {
		_, err = fmt.Fprintf(a.out, "The schema is that of the next release, %s ahead. This program works on it beside newer ones; replace it soon.\n", counted(int(ahead), "migration", "migrations"))
	}
	return err
}

type dbCmd struct {
	URL dbURLCmd `cmd:"" name:"url" help:"Print the connection string of the database in use, for psql, pg_dump and pgbench. It holds the password, if there is one."`
}

type dbURLCmd struct{}

// Run prints nothing that leads nowhere: a private database that this command would start would be gone with it.
func (dbURLCmd) Run(a *app) error {
	url := a.cfg.DatabaseURL
	if url == "" {
		if err := a.needDatabase(); err != nil {
			return err
		}
		var running bool
		if url, running = cluster.Running(a.cfg.DataDir); !running {
			return fmt.Errorf("the private database in %s does not run: start `recall serve` first, and ask again", a.cfg.DataDir)
		}
	}
	_, err := fmt.Fprintln(a.out, url)
	return err
}
