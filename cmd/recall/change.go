package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"

	"recall/store"
)

// withStore runs what a command does with the database open.
func (a *app) withStore(ctx context.Context, do func(*store.DB) error) error {
	db, closeAll, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	return do(db)
}

// actor is who the audit list names: the system's user.
func actor() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli:" + strconv.Itoa(os.Getuid())
}

// missing says that there is nothing of that name, and what there is instead. Any other error stays what it is.
func missing(err error, noun, name string, names []string) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	text := fmt.Sprintf("there is no %s %.80q", noun, name)
	switch {
	case len(names) == 0:
		return fmt.Errorf("%s, nor any other", text)
	case len(names) > 20:
		return fmt.Errorf("%s; see recall %s list", text, noun)
	}
	return fmt.Errorf("%s; there are %s", text, strings.Join(names, ", "))
}

// callbackURL is what plenigo is told to call.
func (c config) callbackURL(slug string) string {
	base := c.PublicURL
	if base == "" {
		host, port, _ := net.SplitHostPort(c.ReceiverAddr) // checked by newConfig
		if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		base = "http://" + net.JoinHostPort(host, port)
	}
	return base + "/callbacks/" + slug
}
