package migrations_test

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"recall/migrations"
)

// breaking is what a program of the release before may stumble over.
var breaking = map[string]*regexp.Regexp{
	"drops what it may use":          regexp.MustCompile(`(?i)\bDROP\s+(TABLE|COLUMN|TYPE|FUNCTION|VIEW|TRIGGER|SCHEMA|SEQUENCE|DEFAULT)\b`),
	"renames what it may use":        regexp.MustCompile(`(?i)\bRENAME\b`),
	"asks for what it may not give":  regexp.MustCompile(`(?i)\bSET\s+NOT\s+NULL\b|\bADD\s+CONSTRAINT\b|\bADD\s+CHECK\b`),
	"changes a type":                 regexp.MustCompile(`(?i)\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b`),
	"adds a column it does not fill": regexp.MustCompile(`(?i)\bADD\s+(COLUMN\s+)?\w+\s[^,;]*\bNOT\s+NULL\b[^,;]*`),
}

var (
	comment = regexp.MustCompile(`--[^\n]*`)
	filled  = regexp.MustCompile(`(?i)\bDEFAULT\b|\bGENERATED\b`)
)

// faults of the part of a migration that goes up.
func faults(sql string) []string {
	up, _, _ := strings.Cut(sql, "-- +goose Down")
	if regexp.MustCompile(`(?m)^-- contract: \S`).MatchString(up) {
		return nil
	}
	var found []string
	plain := comment.ReplaceAllString(up, "")
	for what, pattern := range breaking {
		for _, match := range pattern.FindAllString(plain, -1) {
			if !strings.HasPrefix(what, "adds a column") || !filled.MatchString(match) {
				found = append(found, what+": "+match)
			}
		}
	}
	return found
}

// Programs of the release before run on this schema while instances are replaced one by one.
func TestNewMigrationsLeaveTheReleaseBeforeAlone(t *testing.T) {
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		number, err := strconv.Atoi(name[:5])
		if err != nil {
			t.Errorf("%s has no number", name)
		}
		if number <= migrations.Previous {
			continue
		}
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults(string(text)) {
			t.Errorf("%s %s: the release before may use it; do it a release later, or say in a line \"-- contract: REASON\" why it does not matter", name, fault)
		}
	}
}

func TestFaultsOfMigrations(t *testing.T) {
	for name, test := range map[string]struct {
		sql  string
		want int
	}{
		"a new table":              {"CREATE TABLE a (b int NOT NULL);", 0},
		"a new column":             {"ALTER TABLE a ADD COLUMN b int;", 0},
		"one with a default":       {"ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 1;", 0},
		"one without":              {"ALTER TABLE a ADD b int NOT NULL;", 1},
		"a dropped table":          {"DROP TABLE a;", 1},
		"a dropped column":         {"ALTER TABLE a DROP COLUMN b;", 1},
		"a dropped index":          {"DROP INDEX a;", 0},
		"a renamed column":         {"ALTER TABLE a RENAME b TO c;", 1},
		"not null":                 {"ALTER TABLE a ALTER b SET NOT NULL;", 1},
		"another type":             {"ALTER TABLE a ALTER COLUMN b TYPE bigint;", 1},
		"in a comment":             {"-- no DROP TABLE a\nSELECT 1;", 0},
		"on the way down":          {"SELECT 1;\n-- +goose Down\nDROP TABLE a;", 0},
		"marked":                   {"-- contract: nothing has used it since 1.2\nDROP TABLE a;", 0},
		"marked without a reason":  {"-- contract:\nDROP TABLE a;", 1},
		"two things in one":        {"ALTER TABLE a DROP COLUMN b;\nALTER TABLE c RENAME TO d;", 2},
		"across lines, small case": {"alter table a\n  drop\n  column b;", 1},
	} {
		if got := faults(test.sql); len(got) != test.want {
			t.Errorf("%s: %q, want %d", name, got, test.want)
		}
	}
}
