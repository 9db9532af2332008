package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"recall/receive"
	"recall/seal"
	"recall/store"
)

type keyCmd struct {
	Status keyStatusCmd `cmd:"" help:"Show what is sealed with which key, in the database and in this data folder."`
	New    keyNewCmd    `cmd:"" help:"Make a new key in the data folder, and keep the one of before beside it."`
	Rotate keyRotateCmd `cmd:"" help:"Seal everything with the new key, once every instance has both."`
	GiveUp keyGiveUpCmd `cmd:"" name:"give-up" help:"Remove what a lost key sealed, and go on with the key that is there."`
}

// withKeys opens the database whatever key its secrets are sealed with.
func (a *app) withKeys(ctx context.Context, do func(*store.DB, seal.Key) error) error {
	if err := a.needDatabase(); err != nil {
		return err
	}
	key, err := a.findKey()
	if err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, key)
	if err != nil {
		return err
	}
	defer db.Close()
	check := db.CheckSchema
	if db.cluster != nil {
		check = db.Migrate
	}
	if err := check(ctx); err != nil {
		return err
	}
	return do(db.DB, key)
}

type keyStatusCmd struct{}

func (c *keyStatusCmd) Run(ctx context.Context, a *app) error {
	return a.withKeys(ctx, func(db *store.DB, key seal.Key) error {
		counts, current, err := db.SealedCounts(ctx)
		if err != nil {
			return err
		}
		files, err := receive.SpoolKeys(a.spoolDir())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(files)) {
			counts = append(counts, store.SealedCount{What: "spooled callbacks here (files)", KeyID: id, Rows: int64(files[id])})
		}
		if box, err := os.ReadFile(a.lastKnownFile()); err == nil && seal.KeyOf(box) != "" {
			counts = append(counts, store.SealedCount{What: "last known settings here (files)", KeyID: seal.KeyOf(box), Rows: 1})
		}
		fmt.Fprintf(a.out, "This program's key: %s\n", key.ID())
		previous := ""
		if p := key.Previous(); p != (seal.Key{}) {
			previous = p.ID()
			fmt.Fprintf(a.out, "Its previous key:   %s\n", previous)
		}
		fmt.Fprintf(a.out, "The database's key: %s\n", or(current, "none yet"))
		rows := [][]string{{"SEALED", "KEY", "COUNT"}}
		left, lost := int64(0), map[string]bool{}
		for _, n := range counts {
			rows = append(rows, []string{n.What, n.KeyID, strconv.FormatInt(n.Rows, 10)})
			switch n.KeyID {
			case key.ID():
			case previous:
				left += n.Rows
			default:
				lost[n.KeyID] = true
			}
		}
		if current != "" && current != key.ID() && current != previous {
			lost[current] = true
		}
		if len(rows) > 1 {
			fmt.Fprintln(a.out)
			if err := writeTable(a.out, rows); err != nil {
				return err
			}
		}
		fmt.Fprintln(a.out)
		switch {
		case len(lost) > 0:
			fmt.Fprintf(a.out, "This program has not: %s. Give it back, or, where it is lost: recall key give-up ID --reason …\n", strings.Join(slices.Sorted(maps.Keys(lost)), ", "))
		case previous != "" && current != key.ID():
			fmt.Fprintln(a.out, "Start every instance with both keys, and then: recall key rotate --restarted")
		case left > 0:
			fmt.Fprintln(a.out, "The previous key is still needed: let the spool be drained, start recall serve once, and see the status of every other data folder.")
		case previous != "":
			fmt.Fprintln(a.out, "The previous key is no longer needed here. Who logged in before the rotation has to log in again once it is taken away.")
		default:
			fmt.Fprintln(a.out, "Everything is sealed with this program's key.")
		}
		return nil
	})
}

type keyNewCmd struct{}

func (keyNewCmd) Help() string {
	return `It is for a key in the data folder; where RECALL_KEY gives it, make a new one (openssl rand -hex 32), and give the old one in
RECALL_KEY_PREVIOUS. Nothing is sealed with the new key before recall key rotate.`
}

func (c *keyNewCmd) Run(ctx context.Context, a *app) error {
	if a.cfg.Key != (seal.Key{}) {
		return usagef("the key is given by RECALL_KEY or RECALL_KEY_FILE: make a new one with openssl rand -hex 32, and give the old one in RECALL_KEY_PREVIOUS")
	}
	if err := seal.Replace(a.keyFile(), a.previousKeyFile()); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "There is a new key in %s; the one of before is in %s.\n", a.keyFile(), a.previousKeyFile())
	fmt.Fprintln(a.out, "Keep a copy of it apart from the database. Start recall serve anew, so that it has both, and then: recall key rotate --restarted")
	return nil
}

type keyRotateCmd struct {
	Restarted bool   `help:"Every recall serve on this database was started with both keys."`
	Reason    string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (keyRotateCmd) Help() string {
	return `The order matters: a recall serve that has only the old key rejects every callback of a source whose secrets are sealed with the new
one. So first start all of them with both keys (recall key new, or RECALL_KEY_PREVIOUS), one after the other, then rotate. It may be
broken off and given again. Log-ins survive while the previous key is given.`
}

func (c *keyRotateCmd) Run(ctx context.Context, a *app) error {
	if !c.Restarted {
		return usagef("start every recall serve on this database with both keys first, and say so by --restarted: one that has only the old key would reject callbacks")
	}
	return a.withKeys(ctx, func(db *store.DB, key seal.Key) error {
		n, err := db.RotateKey(ctx, store.AuditEntry{Actor: actor(), Reason: c.Reason})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "Key %s is the database's now; %s sealed anew. See recall key status for when the previous one can go.\n", key.ID(), counted(int(n), "place was", "places were"))
		return err
	})
}

type keyGiveUpCmd struct {
	Key    string `arg:"" help:"Name of the lost key, 8 hex digits; recall key status shows it."`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the audit list."`
}

func (keyGiveUpCmd) Help() string {
	return `Only for a key that nobody has any more. Events, deliveries, users and the audit list stay. Sources that lose a secret are disabled, and
destinations paused, until their secrets are entered anew; users with an authenticator app log in by the password alone, and are
logged out. Callbacks in the spool that the key sealed cannot be opened by anybody.`
}

func (c *keyGiveUpCmd) Run(ctx context.Context, a *app) error {
	if strings.TrimSpace(c.Reason) == "" {
		return usagef("--reason must say why")
	}
	return a.withKeys(ctx, func(db *store.DB, key seal.Key) error {
		removed, err := db.GiveUpKey(ctx, strings.ToLower(c.Key), store.AuditEntry{Actor: actor(), Reason: c.Reason})
		if err != nil {
			return err
		}
		for _, n := range removed {
			fmt.Fprintf(a.out, "Given up: %d %s\n", n.Rows, n.What)
		}
		_, err = fmt.Fprintf(a.out, "The database's key is %s. Enter anew what was given up, and enable the sources and destinations.\n", key.ID())
		return err
	})
}
