package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the user the server runs as: oneself, or for root, as whom PostgreSQL refuses to run, another one.
type owner struct {
	uid, gid   uint32
	credential *syscall.Credential // nil: ourselves
}

// newOwner: a cluster that is there already keeps its user, so that root can use an ordinary user's.
func newOwner(dir string) (*owner, error) {
	me := uint32(os.Geteuid())
	info, err := os.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the database's folder: %w: start recall as the user it belongs to, or choose another RECALL_DATA_DIR", err)
	}
	if err == nil {
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || !info.IsDir() {
			return nil, fmt.Errorf("%s is no folder: move it away, or choose another RECALL_DATA_DIR", dir)
		}
		if me != 0 && st.Uid != me {
			return nil, fmt.Errorf("the database in %s belongs to %s, and recall runs as %s: start it as that user or as root, or choose another RECALL_DATA_DIR",
				dir, userName(st.Uid), userName(me))
		}
		if me == 0 && st.Uid != 0 {
			return another(st.Uid, st.Gid), nil
		}
	}
	if me != 0 {
		return &owner{uid: me, gid: uint32(os.Getegid())}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return another(uint32(uid), uint32(gid)), nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody to run it as: start recall as an ordinary user")
}

func another(uid, gid uint32) *owner {
	return &owner{uid, gid, &syscall.Credential{Uid: uid, Gid: gid}}
}

func (o *owner) String() string { return userName(o.uid) }

// give hands a file or folder to the owner.
func (o *owner) give(path string) error {
	if o.credential == nil {
		return nil
	}
	if err := os.Chown(path, int(o.uid), int(o.gid)); err != nil {
		return fmt.Errorf("giving %s to %s, as whom PostgreSQL runs: %w", path, o, err)
	}
	return nil
}

// enters tells whether the owner may pass through every folder down to dir. It is tried, as modes do not tell it all.
func (o *owner) enters(ctx context.Context, dir string) (bool, error) {
	cmd := exec.CommandContext(ctx, "test", "-x", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("running a program as %s: %w", o, err)
	}
	return true, nil
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return "user " + u.Username
	}
	return "user " + id
}
