package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// MinMajor is the oldest PostgreSQL that Recall works on.
const MinMajor = 15

// ErrNoBinaries says that PostgreSQL's server is not on this machine.
var ErrNoBinaries = fmt.Errorf("PostgreSQL's server programs (%d or newer) were not found: run `make run` or `scripts/install-postgres` in Recall's source, or `apt-get install postgresql` as root, or name their folder in RECALL_POSTGRES_BIN, or a database in RECALL_DATABASE_URL", MinMajor)

// binaries is a folder with PostgreSQL's programs of one version.
type binaries struct {
	dir   string
	major int
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// findBinaries takes the folder given; without one it looks in PATH, then in the places of Debian (newest first), then in
// what scripts/install-postgres put beside the working folder. major asks for one version, as an existing cluster does; 0
// takes any that Recall works on.
func findBinaries(given string, major int) (binaries, error) {
	if given != "" {
		b, err := probe(given)
		switch {
		case err != nil:
			return b, fmt.Errorf("RECALL_POSTGRES_BIN=%s: %w", given, err)
		case major != 0 && b.major != major:
			return b, fmt.Errorf("RECALL_POSTGRES_BIN=%s holds PostgreSQL %d, and the data folder a database of PostgreSQL %d: name a folder with the programs of %d", given, b.major, major, major)
		case b.major < MinMajor:
			return b, fmt.Errorf("RECALL_POSTGRES_BIN=%s holds PostgreSQL %d: Recall needs %d or newer", given, b.major, MinMajor)
		}
		return b, nil
	}
	var known []binaries
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if b, err := probe(filepath.Dir(path)); err == nil {
				known = append(known, b)
			}
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", ".tools/postgres/bin"} {
		dirs, _ := filepath.Glob(pattern) // the patterns are ours
		var found []binaries
		for _, dir := range dirs {
			if b, err := probe(dir); err == nil {
				found = append(found, b)
			}
		}
		slices.SortFunc(found, func(a, b binaries) int { return b.major - a.major })
		known = append(known, found...)
	}
	for _, b := range known {
		if b.major == major || major == 0 && b.major >= MinMajor {
			return b, nil
		}
	}
	if major != 0 {
		return binaries{}, fmt.Errorf("the data folder holds a database of PostgreSQL %d, and the server programs of that version were not found: `apt-get install postgresql-%d` as root, or name their folder in RECALL_POSTGRES_BIN", major, major)
	}
	return binaries{}, ErrNoBinaries
}

func probe(dir string) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return binaries{}, fmt.Errorf("%s is not in it", name)
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("asking postgres for its version: %w", err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return binaries{}, fmt.Errorf("cannot read the version in %q", out)
	}
	major, err := strconv.Atoi(string(match[1]))
	return binaries{dir, major}, err
}
