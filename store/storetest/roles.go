package storetest

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"recall/store"
)

// Roles returns the connection strings of a fresh database with two roles, migrated: of the tables' owner, and of the plain role.
func Roles(t testing.TB) (owner, plain string) {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	for _, sql := range []string{
		"CREATE ROLE " + name + "_owner LOGIN", "CREATE ROLE " + name + "_plain LOGIN", "CREATE DATABASE " + name + " OWNER " + name + "_owner",
	} {
		if _, err := s.pool.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	t.Cleanup(func() {
		for _, sql := range []string{"DROP DATABASE " + name + " WITH (FORCE)", "DROP ROLE " + name + "_owner", "DROP ROLE " + name + "_plain"} {
			if _, err := s.pool.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	owner, plain = as(t, s.url(name), name+"_owner"), as(t, s.url(name), name+"_plain")
	db, err := store.Open(t.Context(), plain, Key(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.UseOwner(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return owner, plain
}

// as is a connection string for another role.
func as(t testing.TB, text, role string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Has("user") {
		q.Set("user", role)
		u.RawQuery = q.Encode()
	} else {
		u.User = url.User(role)
	}
	return u.String()
}
