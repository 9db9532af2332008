package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// elsewhere is where root's databases are kept whose data folder is closed to the user PostgreSQL runs as.
	elsewhere = "/var/lib/recall"

	// maxSocketFolder keeps the socket's path within the 107 bytes that Linux allows (unix(7)).
	maxSocketFolder = 107 - len("/.s.PGSQL.5432")
)

// place decides where the cluster's files and its socket are, and who owns them: DataDir/postgres, and where the server's
// user cannot get there (root's clone in /root), a folder below /var/lib/recall, with a link in the data folder. The link
// is made last, so one that leads nowhere means that the database is lost, and none is ever begun anew in silence.
func (c *Cluster) place(ctx context.Context, data string) (err error) {
	c.dir = filepath.Join(data, "postgres")
	if target, err := os.Readlink(c.dir); err == nil {
		if _, err := os.Stat(filepath.Join(target, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s leads to %s, and there is no database: restore it, or remove the link to begin with an empty one", c.dir, target)
		}
		c.dir = target
	}
	if c.owner, err = newOwner(c.dir); err != nil {
		return err
	}
	if c.owner.credential != nil {
		if err := c.letIn(ctx, data); err != nil {
			return err
		}
	}
	c.socket = c.socketPath()
	if pid, socket := c.pidFile(); socket != "" && c.whose(pid) == ours {
		c.socket = socket // one that runs may have been started with another TMPDIR
	}
	return nil
}

// letIn makes sure that the server's user reaches the cluster, or chooses another place for one that is still to be made.
func (c *Cluster) letIn(ctx context.Context, data string) error {
	info, err := os.Stat(data)
	if err != nil {
		return unusable(data, err)
	}
	if info.Mode()&0o001 == 0 {
		if err := os.Chmod(data, info.Mode().Perm()|0o001); err != nil { // to pass through, not to list
			return unusable(data, err)
		}
	}
	entered, err := c.owner.enters(ctx, filepath.Dir(c.dir))
	if err != nil || entered {
		return err
	}
	if _, err := os.Stat(c.dir); err == nil {
		return fmt.Errorf("%s, as whom PostgreSQL runs, cannot enter %s: allow it with `chmod o+x` on each folder above, or choose another RECALL_DATA_DIR", c.owner, filepath.Dir(c.dir))
	}
	// What stands at that name is of an earlier data folder which somebody removed; it is not this one's.
	home := filepath.Join(elsewhere, short(data))
	for n := 2; exists(home); n++ {
		if link, _ := os.Readlink(filepath.Join(data, "postgres.making")); link == filepath.Join(home, "postgres") {
			break // begun by a recall that was killed
		}
		c.log.Warn("an earlier data folder of the same name was removed, but not its database; remove it too if nobody needs it", "folder", home)
		home = filepath.Join(elsewhere, fmt.Sprintf("%s-%d", short(data), n))
	}
	c.link, c.dir = c.dir, filepath.Join(home, "postgres")
	c.log.Info("PostgreSQL cannot enter the data folder as an unprivileged user, so the database is kept elsewhere", "folder", c.dir, "link", c.link)
	if err := os.MkdirAll(home, 0o711); err != nil {
		return advise(fmt.Errorf("making a folder for the database: %w", err), home)
	}
	making := c.link + ".making"
	os.Remove(making)
	if err := os.Symlink(c.dir, making); err != nil {
		return unusable(data, err)
	}
	return nil
}

// linkPlace puts the link into the data folder, now that the cluster it leads to is complete.
func (c *Cluster) linkPlace() error {
	if c.link == "" {
		return nil
	}
	if err := os.Rename(c.link+".making", c.link); err != nil {
		return fmt.Errorf("linking the database's folder: %w", err)
	}
	return syncFolder(filepath.Dir(c.link))
}

// socketPath is a folder beside the cluster, or a short one among the temporary files where that path would be too long
// or has signs that a connection string cannot hold (a comma parts hosts).
func (c *Cluster) socketPath() string {
	dir := c.dir + ".socket"
	if len(dir) > maxSocketFolder || strings.ContainsAny(dir, ",\"'\\\n") {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("recall-%d-%s", c.owner.uid, short(c.dir)))
	}
	return dir
}

// socketFolder makes the socket's folder, which is the lock on the door: behind it everyone is trusted. It must belong to
// the server's user and be closed to all others; in the temporary folder anybody could have put one there before us.
func (c *Cluster) socketFolder() error {
	c.socket = c.socketPath()
	if len(c.socket) > maxSocketFolder {
		return fmt.Errorf("%s is too long a path for a unix socket: set TMPDIR to a shorter folder", c.socket)
	}
	if err := os.Mkdir(c.socket, 0o700); err == nil {
		if err := c.owner.give(c.socket); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return advise(fmt.Errorf("making the folder of the database's socket: %w", err), c.socket)
	}
	info, err := os.Lstat(c.socket)
	if err != nil {
		return fmt.Errorf("the folder of the database's socket: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && info.IsDir() && info.Mode().Perm() == 0o700 && st.Uid == 0 && c.owner.credential != nil {
		return c.owner.give(c.socket) // root was killed before it gave the folder away
	}
	if !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || st.Uid != c.owner.uid {
		return fmt.Errorf("%s must be a folder that belongs to %s alone (mode 0700), for the database's socket: remove what is there", c.socket, c.owner)
	}
	return nil
}

// short names a path in a few signs.
func short(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:6])
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unusable says what is wrong with the data folder, and how to mend it.
func unusable(data string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("RECALL_DATA_DIR: %s must be a folder that %s can write to: %w", data, userName(uint32(os.Geteuid())), err)
	}
	return advise(fmt.Errorf("RECALL_DATA_DIR: %s cannot be used: %w", data, err), data)
}

// advise adds what to do about the commonest troubles of a disk. PostgreSQL's programs tell them only in their output.
func advise(err error, dir string) error {
	text := strings.ToLower(err.Error())
	switch {
	case errors.Is(err, syscall.ENOSPC), strings.Contains(text, "no space left on device"):
		return fmt.Errorf("the disk that holds %s is full, make room on it: %w", dir, err)
	case strings.Contains(text, "read-only file system"):
		return fmt.Errorf("the disk that holds %s is read-only, choose another RECALL_DATA_DIR: %w", dir, err)
	case strings.Contains(text, "permission denied"), strings.Contains(text, "has wrong ownership"):
		return fmt.Errorf("something in %s belongs to another user, hand it back with chown: %w", dir, err)
	}
	return err
}
