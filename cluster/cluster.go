// Package cluster runs a private PostgreSQL inside the data folder: no port, only a unix socket that nobody but its owner
// and root can reach.
//
// Several processes may use one cluster at the same time, the server and the command line. Two lock files keep order:
//
//   - postgres.lock is held shared by everyone who uses the cluster, from Open to Close;
//   - postgres.start.lock is held exclusively while one of them makes, starts or stops it.
//
// The last one out stops PostgreSQL. A process that was killed leaves it running, and the next one adopts it.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options of a cluster.
type Options struct {
	DataDir string // the program's data folder; the cluster is DataDir/postgres
	BinDir  string // PostgreSQL's server programs; "": looked up
	Log     *slog.Logger
}

// Cluster is a running private PostgreSQL, held by this process until Close.
type Cluster struct {
	bin    binaries
	dir    string   // the cluster's files
	link   string   // where a link to dir has to stand; "": dir is in the data folder itself
	socket string   // folder of the unix socket
	owner  *owner   // the user the server runs as
	hold   *os.File // postgres.lock
	start  *os.File // postgres.start.lock
	log    *slog.Logger

	close    sync.Once
	closeErr error
}

// role is both the role and the database.
const role = "recall"

// Open makes the cluster where there is none, starts it where it does not run, waits until it answers, and holds it.
// The wait is as long as ctx allows: after a crash PostgreSQL first replays its log. The error says what to do.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	data, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", o.DataDir, err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, unusable(data, err)
	}
	c := &Cluster{log: o.Log}
	if c.start, err = openLock(data, "postgres.start.lock"); err != nil {
		return nil, err
	}
	if c.hold, err = openLock(data, "postgres.lock"); err != nil {
		c.start.Close()
		return nil, err
	}
	if err := lockFile(ctx, c.start, syscall.LOCK_EX); err != nil {
		c.start.Close()
		c.hold.Close()
		return nil, err
	}
	// Nobody holds postgres.lock exclusively without the start lock, so this one is free.
	err = lockFile(ctx, c.hold, syscall.LOCK_SH)
	if err == nil {
		err = c.open(ctx, data, o.BinDir)
	}
	if err != nil {
		// What was half started is stopped again, unless others use it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return nil, errors.Join(err, c.letGo(ctx))
	}
	if err := syscall.Flock(int(c.start.Fd()), syscall.LOCK_UN); err != nil {
		return nil, fmt.Errorf("unlocking %s: %w", c.start.Name(), err)
	}
	return c, nil
}

// open does the work of Open, under both locks.
func (c *Cluster) open(ctx context.Context, data, binDir string) error {
	if err := c.place(ctx, data); err != nil {
		return err
	}
	major, err := c.major()
	if err != nil {
		return err
	}
	if c.bin, err = findBinaries(binDir, major); err != nil {
		return err
	}
	if major == 0 {
		if err := c.initialise(ctx); err != nil {
			return err
		}
	}
	if err := c.linkPlace(); err != nil {
		return err
	}
	return c.run(ctx)
}

// URL is a connection string for pgx, psql and PostgreSQL's other programs.
func (c *Cluster) URL() string { return c.databaseURL(role) }

func (c *Cluster) databaseURL(database string) string {
	host := strings.ReplaceAll(url.QueryEscape(c.socket), "+", "%20") // psql reads a plus as a plus
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%d", role, database, host, port)
}

// BinDir is the folder of PostgreSQL's programs in use.
func (c *Cluster) BinDir() string { return c.bin.dir }

// Close lets go of the cluster, and stops PostgreSQL if nobody else holds it. It waits for the stop as long as ctx
// allows. Closing again does nothing and returns the first answer.
func (c *Cluster) Close(ctx context.Context) error {
	c.close.Do(func() {
		if err := lockFile(ctx, c.start, syscall.LOCK_EX); err != nil {
			c.hold.Close()
			c.start.Close()
			c.closeErr = err
			return
		}
		c.closeErr = c.letGo(ctx)
	})
	return c.closeErr
}

// letGo gives up the hold, and stops the server after the last one. The caller has the start lock, which ends here.
func (c *Cluster) letGo(ctx context.Context) error {
	defer c.start.Close()
	defer c.hold.Close()
	err := syscall.Flock(int(c.hold.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", c.hold.Name(), err)
	}
	return c.stop(ctx)
}

// major is the version of the cluster on disk, 0 where there is none.
func (c *Cluster) major() (int, error) {
	path := filepath.Join(c.dir, "PG_VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the database's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s holds %.20q and no version: restore the folder %s from a backup", path, text, c.dir)
	}
	return major, nil
}

func openLock(data, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(data, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(data, err)
	}
	return f, nil
}

// lockFile waits for a lock, until ctx ends.
func lockFile(ctx context.Context, f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another recall that starts or stops the database (%s is locked): %w", f.Name(), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
