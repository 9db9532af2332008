package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// Two roles of the database keep the program from what it never does to what is kept: the owner of the tables migrates, makes
// and drops partitions, removes by retention and erases; the role that everything else runs as may only add to the audit list
// and to events and re-verifications. Where one role is given it does all.

// ErrNotOwner: something was asked for that only the owner of the tables may do.
var ErrNotOwner = errors.New("the role of RECALL_DATABASE_URL does not own the tables: name their owner in RECALL_DATABASE_OWNER_URL, too")

const maxOwning = 4 // connections of the owner

// UseOwner gives the connection string of the tables' owner. Set it before first use. The error says what is wrong with it,
// without its password.
func (db *DB) UseOwner(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("RECALL_DATABASE_OWNER_URL is no connection string that PostgreSQL understands, such as postgres://owner:password@host/database: %w", err)
	}
	if config.ConnConfig.User == db.pool.Config().ConnConfig.User {
		return fmt.Errorf("RECALL_DATABASE_OWNER_URL and RECALL_DATABASE_URL name the same role, %s: give each its own, or leave the first out", config.ConnConfig.User)
	}
	config.MaxConns = maxOwning
	plain := db.pool.Config()
	config.ConnConfig.RuntimeParams["application_name"] = plain.ConnConfig.RuntimeParams["application_name"]
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.ConnConfig.ConnectTimeout = plain.ConnConfig.ConnectTimeout
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	if db.owner, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("preparing database connections: %w", err)
	}
	return nil
}

// OwnerPool is for what only the tables' owner may do; where one role is given, it is that of all else.
func (db *DB) OwnerPool() *pgxpool.Pool {
	if db.owner != nil {
		return db.owner
	}
	return db.pool
}

// ownerSession is OwnerPool for what stays on one connection.
func (db *DB) ownerSession() *pgxpool.Pool {
	if db.owner != nil {
		return db.owner
	}
	return db.session
}

// owns tells whether we may do what the tables' owner may.
func (db *DB) owns(ctx context.Context) (owns bool, err error) {
	err = db.OwnerPool().QueryRow(ctx, `SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'events'::regclass`).Scan(&owns)
	if err != nil {
		return false, fmt.Errorf("asking who owns the tables: %w", err)
	}
	return owns, nil
}

// What the plain role may do to tables, those that are not named here: everything that a program may do to rows.
var (
	addOnly   = []string{"audit_entries", "audit_chain", "audit_checkpoints", "events", "reverifications"}
	undeleted = []string{"deliveries", "attempts", "edited_tests"} // changed as they go on, and never taken away
	readOnly  = []string{"retention_removed", "retention_state", "retention_weeks", "goose_db_version", "river_migration", "schema_support"}
	passing   = []string{"audit_pending", "commits"}                             // added and taken away, never changed
	emptied   = []string{"search_postings", "search_segments", "search_classes"} // the search index may be made anew
)

// grant gives the plain role what it needs, and takes from it what it does not, after each migration.
func (db *DB) grant(ctx context.Context) error {
	if db.owner == nil {
		return nil
	}
	role := pgx.Identifier{db.pool.Config().ConnConfig.User}.Sanitize()
	err := pgx.BeginFunc(ctx, db.owner, func(tx pgx.Tx) error {
		var schema, database string
		var tables []string
		err := tx.QueryRow(ctx, `
			SELECT current_schema(), current_database(), array_agg(relname::text ORDER BY relname)
			FROM pg_class
			WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`).Scan(&schema, &database, &tables)
		if err != nil {
			return err
		}
		in := pgx.Identifier{schema}.Sanitize()
		statements := []string{
			"GRANT CONNECT ON DATABASE " + pgx.Identifier{database}.Sanitize() + " TO " + role,
			"GRANT USAGE ON SCHEMA " + in + " TO " + role,
			"REVOKE ALL ON ALL TABLES IN SCHEMA " + in + " FROM " + role,
			"GRANT SELECT, INSERT, UPDATE, DELETE ON " + list(in, tables) + " TO " + role,
			"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA " + in + " TO " + role,
			"REVOKE UPDATE, DELETE ON " + list(in, addOnly) + " FROM " + role,
			"REVOKE INSERT, UPDATE, DELETE ON " + list(in, readOnly) + " FROM " + role,
			"REVOKE DELETE ON " + list(in, undeleted) + " FROM " + role,
			"REVOKE UPDATE ON " + list(in, passing) + " FROM " + role,
			"GRANT TRUNCATE ON " + list(in, emptied) + " TO " + role,
		}
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%.60s…: %w", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("giving the role of RECALL_DATABASE_URL what it needs: %w", err)
	}
	return nil
}

// list names tables of a schema. Partitions are reached through their tables, whose rights count.
func list(schema string, tables []string) string {
	names := make([]string, len(tables))
	for i, table := range tables {
		names[i] = schema + "." + pgx.Identifier{table}.Sanitize()
	}
	return strings.Join(names, ", ")
}

// RolesHealth is who may do what to what is kept.
type RolesHealth struct {
	Two    bool // the role of all that runs cannot change what is kept
	Role   string
	Owns   bool     // something that we have owns the tables
	Beyond []string // of two roles: tables that the plain one may change though it should not
}

// RolesHealth asks the database.
func (db *DB) RolesHealth(ctx context.Context) (*RolesHealth, error) {
	h := &RolesHealth{Role: db.pool.Config().ConnConfig.User}
	var plainOwns bool
	err := db.pool.QueryRow(ctx, `
		SELECT (SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'events'::regclass),
			coalesce(array_agg(t ORDER BY t) FILTER (WHERE has_table_privilege(t::regclass, 'UPDATE, DELETE, TRUNCATE')), '{}') FROM unnest($1::text[]) t`, addOnly).
		Scan(&plainOwns, &h.Beyond)
	if err != nil {
		return nil, fmt.Errorf("asking what the role may do: %w", err)
	}
	if h.Two = !plainOwns; !h.Two {
		h.Beyond = nil
	}
	h.Owns, err = db.owns(ctx)
	return h, err
}
