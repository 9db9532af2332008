// Package migrations holds the schema as goose migrations: one file, one reason.
package migrations

import "embed"

// FS is every migration.
//
//go:embed *.sql
var FS embed.FS
