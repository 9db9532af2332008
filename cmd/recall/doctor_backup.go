package main

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// backup tells the age of the newest backup, where RECALL_BACKUP_FILE says which file the backup touches.
func (d *doctor) backup() {
	if file := d.app.cfg.BackupFile; file != "" {
		d.say("backup", d.backupAge(file))
	}
}

func (d *doctor) backupAge(file string) finding {
	const look = "see why no backup has ended well since (docs/backup.md); it touches the file as its last step"
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("have the backup touch it as its last step, or name another file in RECALL_BACKUP_FILE", "no backup has ever ended well: there is no %s", file)
	case err != nil:
		return fail("let the user of serve look at the file named in RECALL_BACKUP_FILE", "%v", err)
	}
	age := d.app.now().Sub(info.ModTime()).Truncate(time.Minute)
	if age > d.app.cfg.BackupMaxAge {
		return fail(look, "the newest is of %s, %s ago; it should never be older than %s", utc(info.ModTime()), age, d.app.cfg.BackupMaxAge)
	}
	return ok("the newest is of %s, %s ago", utc(info.ModTime()), age)
}
