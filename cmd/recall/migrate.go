package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the schema up to date; makes the private database where there is none."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations, and when each was applied."`
}

type migrateUpCmd struct{}

func (migrateUpCmd) Run(ctx context.Context, a *app) error {
	db, closeAll, err := a.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	if err := db.CheckKey(ctx); err != nil {
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
	db, closeAll, err := a.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	states, err := db.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range states {
		applied := "pending"
		if !s.AppliedAt.IsZero() {
			applied = s.AppliedAt.UTC().Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", s.Version, s.Name, applied)
	}
	return table.Flush()
}

type dbCmd struct {
	URL dbURLCmd `cmd:"" name:"url" help:"Print the connection string of the database in use, for psql, pg_dump and pgbench; it may hold a password."`
}

type dbURLCmd struct{}

func (dbURLCmd) Run(ctx context.Context, a *app) error {
	return errors.New("not yet")
}
