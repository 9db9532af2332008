// Package migrations holds the schema as goose migrations: one file, one reason.
package migrations

import "embed"

// FS is every migration.
//
//go:embed *.sql
var FS embed.FS

// Previous is the newest migration of the release before this one, whose programs may run on this schema while instances are
// replaced one by one. What they use is neither dropped nor renamed by the migrations after it, unless a comment
// "-- contract: REASON" in the file says why they do without. It is raised with each release.
const Previous = 22
