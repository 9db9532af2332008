package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"recall/receive"
	"recall/seal"
	"recall/trace"
)

type doctorCmd struct {
	JSON bool `name:"json" help:"Print JSON lines: check, state (ok, warn, fail), detail, do."`
}

// Help is shown below the summary.
func (doctorCmd) Help() string {
	return "It looks, and changes nothing. Give it the settings that serve has. The exit status is 1 if a check failed; a warning is for somebody to look at by day."
}

// finding is what one check found, and what to do about it.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warn, fail
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"`
}

func ok(detail string, args ...any) finding {
	return finding{State: "ok", Detail: fmt.Sprintf(detail, args...)}
}

func warn(do, detail string, args ...any) finding {
	return finding{State: "warn", Detail: fmt.Sprintf(detail, args...), Do: do}
}

func fail(do, detail string, args ...any) finding {
	return finding{State: "fail", Detail: fmt.Sprintf(detail, args...), Do: do}
}

// doctor looks at one installation.
type doctor struct {
	app      *app
	certs    []*certificate // in use, where it looks from within serve
	traces   *trace.Tracer  // likewise; nil: none
	failures int
	report   func(finding) error
	err      error // of the report
}

// say reports a finding at once: a later check may take its time.
func (d *doctor) say(check string, f finding) {
	f.Check, f.Detail, f.Do = check, harmless(f.Detail), harmless(f.Do)
	if f.State == "fail" {
		d.failures++
	}
	d.err = cmp.Or(d.err, d.report(f))
}

// Run works whether or not serve runs, and where the database is away says what can be said without it.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	d := &doctor{app: a, report: func(f finding) error {
		_, err := fmt.Fprintf(a.out, "%-4s  %-12s  %s\n", f.State, f.Check, f.Detail)
		if err == nil && f.Do != "" {
			_, err = fmt.Fprintf(a.out, "%22s%s\n", "→ ", f.Do)
		}
		return err
	}}
	if c.JSON {
		d.report = func(f finding) error { return jsonLine(a.out, f) }
	}
	d.say("settings", ok("all can be read")) // else no command gets this far
	d.say("data folder", d.dataFolder())
	key, found := d.key()
	d.say("key", found)
	d.say("serve", d.serve(ctx))
	d.certificates(ctx)
	d.provider(ctx)
	d.say("spool", d.spool())
	d.backup()
	d.tracing()
	d.database(ctx, key)
	switch {
	case d.err != nil:
		return d.err
	case d.failures > 0:
		return errSaid
	}
	return nil
}

// leastFree is how much of the disk should be free besides what the spool may take.
const leastFree = 256 << 20

func (d *doctor) dataFolder() finding {
	dir := d.app.cfg.DataDir
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fail("name the folder that serve uses in RECALL_DATA_DIR, or start `recall serve`, which makes it", "there is no folder %s", dir)
	}
	if err != nil || !info.IsDir() {
		return fail("name a folder that this user can read in RECALL_DATA_DIR", "%s cannot be looked at", dir)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return fail("look at the disk that it is on", "%s: %v", dir, err)
	}
	free := int64(disk.Bavail) * int64(disk.Bsize)
	text := fmt.Sprintf("%s has %s free", dir, mebibytes(free))
	spooled, _ := receive.ReadSpool(d.app.spoolDir())
	switch wanted := d.app.cfg.SpoolMax - spooled.Bytes; {
	case free < leastFree/4:
		return fail("make room on the disk: soon neither the spool nor a private database can write", "%s", text)
	case free < wanted+leastFree:
		return warn("make room on the disk, or lower RECALL_SPOOL_MAX: an outage of the database could fill it", "%s, and the spool may still take %s of it", text, mebibytes(wanted))
	}
	return ok("%s", text)
}

func (d *doctor) key() (seal.Key, finding) {
	key, err := d.app.findKey()
	switch {
	case err != nil:
		return key, fail("", "%v", err) // it says what to do
	case d.app.cfg.Key != (seal.Key{}):
		return key, ok("%s, from the settings", key)
	}
	return key, ok("%s, in %s, which nobody else can read; keep a copy apart from the database", key, d.app.keyFile())
}

// serve asks the admin listener. Not running is no fault of an installation's: somebody may have stopped it.
func (d *doctor) serve(ctx context.Context) finding {
	addr, scheme := localAddr(d.app.cfg.AdminAddr), "http"
	if d.app.cfg.AdminTLS.on() {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+addr+"/health/ready", nil)
	if err != nil {
		return fail("", "RECALL_ADMIN_ADDR: %v", err)
	}
	client := &http.Client{Transport: localTransport()}
	w, err := client.Do(r)
	if err != nil {
		return warn("start `recall serve`; if it runs elsewhere, or on another RECALL_ADMIN_ADDR, this is nothing", "nothing answers on %s", addr)
	}
	w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return fail("callbacks cannot be taken: see the other checks, and the log of serve", "it answers on %s that it is not ready", addr)
	}
	return ok("it answers on %s, and takes callbacks", addr)
}

func (d *doctor) spool() finding {
	dir := d.app.spoolDir()
	s, err := receive.ReadSpool(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ok("there is none yet in %s", dir)
	}
	if err != nil {
		return fail("let this user read the folder, and look at the disk that it is on", "%v", err)
	}
	var text, do []string
	state := "ok"
	if s.Events > 0 {
		state = "warn"
		age := d.app.now().Sub(s.Oldest)
		text = append(text, fmt.Sprintf("%s for the database, the oldest since %s, with %s of %s used",
			counted(s.Events, "callback waits", "callbacks wait"), utc(s.Oldest), mebibytes(s.Bytes), mebibytes(d.app.cfg.SpoolMax)))
		if age > d.app.cfg.SpoolMaxAge || s.Bytes >= d.app.cfg.SpoolMax {
			state = "fail"
			do = append(do, "no more are taken: raise RECALL_SPOOL_MAX_AGE or RECALL_SPOOL_MAX, and start anew")
		}
		do = append(do, "let the database take events again: see the checks of the database; `recall serve` then drains it by itself")
	}
	if s.Refused > 0 {
		state = worse(state, "warn")
		text = append(text, counted(s.Refused, "callback that the database refuses is", "callbacks that the database refuses are")+" set aside")
		do = append(do, "the log says why it was refused; once that is mended, move the files from "+filepath.Join(dir, "refused")+" back into "+dir+" and start anew")
	}
	if s.Damaged > 0 {
		state = worse(state, "warn")
		text = append(text, counted(s.Damaged, "file that is not whole is", "files that are not whole are")+" set aside")
		do = append(do, "look at "+filepath.Join(dir, "damaged")+" and its disk, and move the files away")
	}
	if len(text) == 0 {
		return ok("empty")
	}
	return finding{State: state, Detail: strings.Join(text, "; "), Do: strings.Join(do, "; ")}
}

// worse is the worse of two states.
func worse(a, b string) string {
	if a == "fail" || b == "ok" {
		return a
	}
	return b
}

func mebibytes(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
