// Package storetest gives each test a fresh, migrated database on a real PostgreSQL.
package storetest

import (
	"testing"

	"recall/store"
)

// New returns a store on a database of its own, dropped when the test ends.
func New(t testing.TB) *store.DB { panic("contract") }

// URL returns the connection string of a fresh, migrated database, for tests that need several connections or programs.
func URL(t testing.TB) string { panic("contract") }
