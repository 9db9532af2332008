package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// settings are ours, and written anew at every start; an operator's own stand in postgresql.conf below the include, and
// win. Durability (fsync, synchronous_commit, full_page_writes) is left as PostgreSQL has it: on.
//
// Nothing of a callback may reach the log. An error's text can quote a value, its detail a row and its statement the
// parameters; so errors, which their caller gets anyway, are not logged at all: only LOG, FATAL and PANIC are.
// That also bounds the log; a file for each day of the week is overwritten a week later.
const settings = `# Written by recall at every start. Put settings of your own into postgresql.conf, below the include.
listen_addresses = ''
port = 5432
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 128MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_file_mode = 0600
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
`

const (
	settingsFile = "recall.conf"
	include      = "\n# Recall's settings. Settings of your own go below this line.\ninclude_if_exists = '" + settingsFile + "'\n"
)

// initialise makes the cluster beside its place and moves it there when it is complete and on disk, so that a half-made
// one is never used. The name beside it is new each time: the initdb of a killed recall may still be writing to the last.
func (c *Cluster) initialise(ctx context.Context) error {
	c.log.Info("making the database, once", "folder", c.dir)
	halfMade, err := filepath.Glob(globQuote(c.dir) + ".new-*")
	if err != nil {
		return fmt.Errorf("looking for half-made databases: %w", err)
	}
	for _, dir := range halfMade {
		os.RemoveAll(dir) // one that resists only takes room
	}
	making, err := os.MkdirTemp(filepath.Dir(c.dir), filepath.Base(c.dir)+".new-")
	if err != nil {
		return advise(fmt.Errorf("making the database's folder: %w", err), c.dir)
	}
	defer os.RemoveAll(making) // gone already when all went well
	if err := c.owner.give(making); err != nil {
		return err
	}
	if err := c.program(ctx, "initdb", "-D", making, "-U", role, "--auth-local=trust", "--auth-host=reject",
		"--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"); err != nil {
		return advise(fmt.Errorf("making the database: %w", err), c.dir)
	}
	if err := appendFile(filepath.Join(making, "postgresql.conf"), include); err != nil {
		return advise(fmt.Errorf("writing the database's settings: %w", err), c.dir)
	}
	if err := os.Rename(making, c.dir); err != nil {
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ENOTDIR) {
			return fmt.Errorf("%s is there and is no PostgreSQL database: move it away, or choose another RECALL_DATA_DIR", c.dir)
		}
		return fmt.Errorf("putting the database in its place: %w", err)
	}
	return syncFolder(filepath.Dir(c.dir))
}

// writeSettings replaces our settings as a whole.
func (c *Cluster) writeSettings() error {
	path := filepath.Join(c.dir, settingsFile)
	f, err := os.CreateTemp(c.dir, settingsFile+"-")
	if err != nil {
		return advise(fmt.Errorf("writing the database's settings: %w", err), c.dir)
	}
	_, err = f.WriteString(settings)
	err = errors.Join(err, f.Sync(), f.Close(), c.owner.give(f.Name()))
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return advise(fmt.Errorf("writing the database's settings: %w", err), c.dir)
	}
	return nil
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder makes a rename in the folder outlive a power cut.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// globQuote keeps a path's own signs from being read as a pattern.
func globQuote(path string) string {
	var quoted []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, path[i])
	}
	return string(quoted)
}
