package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"recall/plenigo"
	"recall/seal"
	"recall/store"
)

const (
	lagMost     = time.Minute // that the counts may be behind
	partsLeast  = 14 * 24 * time.Hour
	overdueLook = time.Hour // how old an open delivery may be before somebody should look
)

// again is what to do about a question that went wrong though the database answers.
const again = "try again, and see what PostgreSQL's log says"

// database looks at the database and what is in it. Where it cannot be opened, or holds another schema, the rest is left out.
func (d *doctor) database(ctx context.Context, key seal.Key) {
	if err := d.app.needDatabase(); err != nil {
		d.say("database", fail("", "%v", err)) // it says what to do
		return
	}
	db, err := d.app.openDatabase(ctx, key)
	if err != nil {
		d.say("database", fail(databaseAwayDo(d.app), "%v", err))
		return
	}
	defer db.Close()
	d.examine(ctx, db.DB, key)
}

// databaseAwayDo is what to do about a database that cannot be reached.
func databaseAwayDo(a *app) string {
	if a.cfg.DatabaseURL == "" {
		return "see the newest log in the folder postgres/log of the data folder; callbacks are spooled meanwhile"
	}
	return "let PostgreSQL run, and check RECALL_DATABASE_URL; callbacks are spooled meanwhile"
}

// examine looks at a database that was opened.
func (d *doctor) examine(ctx context.Context, db *store.DB, key seal.Key) {
	server, err := db.ServerHealth(ctx)
	if err != nil {
		d.say("database", fail("let the user of RECALL_DATABASE_URL read the database", "%v", err))
		return
	}
	d.say("database", serverFinding(server))
	d.say("durability", durability(server))
	if _, is := db.Standby(); is {
		d.say("standby", d.standby(ctx, db))
	}
	if err := db.CheckSchema(ctx); err != nil {
		d.say("schema", schemaFinding(err))
		return
	}
	d.say("schema", ok("this program's"))
	d.say("roles", roles(ctx, db))
	d.say("key fits", keyFits(ctx, db, key))
	d.say("audit list", d.audit(ctx, db, key))
	d.say("partitions", d.partitions(ctx, db))
	d.say("counts", d.counts(ctx, db))
	d.say("search", d.search(ctx, db))
	d.say("deliveries", d.deliveries(ctx, db))
	d.say("overdue", d.overdue(ctx, db))
	d.say("sources", d.sources(ctx, db))
	d.say("alerts", alertChannels(ctx, db))
	d.say("retention", d.retention(ctx, db))
	d.say("switch-off", d.switchOff(ctx, db))
}

func serverFinding(h *store.ServerHealth) finding {
	switch {
	case h.VersionNumber < store.LeastVersion:
		return fail("use PostgreSQL 15 or newer", "it answers, and is PostgreSQL %s", h.Version)
	case h.Standby:
		return fail("name the primary in RECALL_DATABASE_URL, or all hosts with target_session_attrs=read-write", "it answers, and is a standby that takes no writes")
	}
	return ok("PostgreSQL %s answers", h.Version)
}

func durability(h *store.ServerHealth) finding {
	if len(h.Unsafe) > 0 {
		return fail("turn them on in postgresql.conf (or with ALTER SYSTEM, ALTER ROLE, ALTER DATABASE) and reload: a crash can lose what was answered 2xx", "%s", strings.Join(h.Unsafe, ", "))
	}
	return ok("fsync, full_page_writes and synchronous_commit are on")
}

// standby looks how far the standby of RECALL_DATABASE_READ_URL is behind: a few times, as once may not tell.
func (d *doctor) standby(ctx context.Context, db *store.DB) finding {
	state, _ := db.Standby()
	for range 5 {
		db.MeasureStandby(ctx)
		if state, _ = db.Standby(); state.Known || !every(ctx, time.Second/2) {
			break
		}
	}
	if state.Away != nil {
		return warn("see whether the server in RECALL_DATABASE_READ_URL runs and follows its primary (pg_stat_wal_receiver there); pages are read from the primary meanwhile", "%v", state.Away)
	}
	return ok("%s behind; pages read from it up to %s", state.Lag.Round(time.Millisecond), store.MostLag)
}

func schemaFinding(err error) finding {
	switch {
	case errors.Is(err, store.ErrSchemaOlder):
		return fail("run `recall migrate up`; a start of `recall serve` does it, too", "it is older than this program")
	case errors.Is(err, store.ErrSchemaNewer):
		return fail("", "%v", err)
	}
	return fail("let the user of RECALL_DATABASE_URL own the tables", "%v", err)
}

func roles(ctx context.Context, db *store.DB) finding {
	h, err := db.RolesHealth(ctx)
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case len(h.Beyond) > 0:
		return fail("run `recall migrate up` with RECALL_DATABASE_OWNER_URL, which takes these rights away", "%s may change what it should only add to: %s", h.Role, strings.Join(h.Beyond, ", "))
	case h.Two && !h.Owns:
		return ok("%s can only add to the audit list and to events; partitions and retention are the work of an instance that has RECALL_DATABASE_OWNER_URL", h.Role)
	case h.Two:
		return ok("%s can only add to the audit list and to events", h.Role)
	}
	return ok("one role, %s, does all; a second one (RECALL_DATABASE_OWNER_URL) would keep it from changing what is kept", h.Role)
}

func keyFits(ctx context.Context, db *store.DB, key seal.Key) finding {
	id, err := db.KeyID(ctx)
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case id == "":
		return ok("nothing is sealed yet")
	case key == (seal.Key{}):
		return fail("give back the key of name "+id+" (RECALL_KEY, RECALL_KEY_FILE, or the file key in RECALL_DATA_DIR)", "there is no key to open the secrets with")
	case id != key.ID():
		return fail("give it the key it had before (RECALL_KEY, RECALL_KEY_FILE, or the file key in RECALL_DATA_DIR); without it the secrets of the sources have to be entered anew",
			"the secrets in the database are sealed with key %s, and this is key %s", id, key.ID())
	}
	return ok("it is the one that the secrets are sealed with")
}

func (d *doctor) partitions(ctx context.Context, db *store.DB) finding {
	until, err := db.PartitionsUntil(ctx)
	const do = "start `recall serve`, which makes them every 10 minutes, and see its log for what hinders it"
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case !until.After(d.app.now()):
		return fail(do, "there are none for this week")
	case until.Sub(d.app.now()) < partsLeast:
		return warn(do, "they last until %s", until.Format(time.DateOnly))
	}
	return ok("made until %s", until.Format(time.DateOnly))
}

func (d *doctor) search(ctx context.Context, db *store.DB) finding {
	p, err := db.SearchProgress(ctx)
	const do = "start `recall serve`, which indexes what arrives, and see its log for what hinders it; until then searches look through events one by one"
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case p.Building:
		return warn("wait: a running `recall serve` makes it; searches over long times are slower until then", "%s", searchWords(p))
	case p.IndexedAt.IsZero() || d.app.now().Sub(p.IndexedAt) > lagMost:
		return warn(do, "%s", searchWords(p))
	}
	return ok("%s, %d events in %d segments", searchWords(p), p.Events, p.Segments)
}

func (d *doctor) counts(ctx context.Context, db *store.DB) finding {
	at, err := db.CountedAt(ctx)
	const do = "start `recall serve`, which counts every 2 seconds, and see its log for what hinders it; until then failures and counts on the pages are behind"
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case at.IsZero():
		return warn(do, "nothing was counted yet")
	case d.app.now().Sub(at) > lagMost:
		return warn(do, "they are as of %s", utc(at))
	}
	return ok("as of %s", utc(at))
}

func (d *doctor) deliveries(ctx context.Context, db *store.DB) finding {
	oldest, err := db.OldestOpenDelivery(ctx)
	if errors.Is(err, store.ErrTooSlow) {
		return warn("try again while less is going on", "the oldest one that waits was not found in time")
	}
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case oldest == nil:
		return ok("none waits")
	}
	text := fmt.Sprintf("the oldest that waits was made %s, for the destination %s", utc(oldest.CreatedAt), oldest.Destination)
	switch {
	case d.app.now().Sub(oldest.CreatedAt) < overdueLook:
		return ok("%s", text)
	case oldest.State != store.DestinationActive:
		return warn("`recall destination resume "+oldest.Destination+"` once it may be sent to again", "%s, which is %s", text, oldest.State)
	}
	return warn("see its attempts on the destination's page, and whether `recall serve` runs with RECALL_WORKERS above 0", "%s", text)
}

// overdueAfter is how long a delivery may be due to a destination that takes it.
const overdueAfter = time.Minute

// overdue looks for what should have gone out and did not: nobody works, or cannot keep up.
func (d *doctor) overdue(ctx context.Context, db *store.DB) finding {
	list, err := db.ListOverdue(ctx, overdueAfter)
	switch {
	case errors.Is(err, store.ErrTooSlow):
		return warn("try again while less is going on", "overdue deliveries were not found in time")
	case err != nil:
		return fail(again, "%v", err)
	case len(list) == 0:
		return ok("no delivery has been due for more than a minute")
	}
	var texts []string
	for _, o := range list {
		count := counted(o.Deliveries, "delivery", "deliveries")
		if o.Deliveries >= store.MostOverdue {
			count += " or more"
		}
		texts = append(texts, fmt.Sprintf("%s to %s, the latest due for %s", count, o.Destination, o.Late.Round(time.Second)))
	}
	return warn("start `recall serve` with RECALL_WORKERS above 0, raise it, or start another instance", "overdue: %s", strings.Join(texts, "; "))
}

// guardDays is how far back it is looked for a switch-off; the pages look as far.
const guardDays = 45

// switchOff looks how near plenigo is to switching callbacks off.
func (d *doctor) switchOff(ctx context.Context, db *store.DB) finding {
	sources, err := db.ListSources(ctx)
	if err != nil {
		return fail(again, "%v", err)
	}
	answered, err := db.ListAnswered(ctx, guardDays, plenigo.FailuresADay)
	if err != nil {
		return fail(again, "%v", err)
	}
	var off, near []string
	for _, s := range sources {
		a := answered[s.ID]
		if a == nil {
			continue
		}
		switch judged, isOff := a.Judge(d.app.now()); {
		case isOff:
			off = append(off, s.Slug+" since "+judged.Off.Format(time.DateOnly))
		case judged.DaysInRow > 0 && !judged.Over():
			near = append(near, fmt.Sprintf("%s on %s", s.Slug, judged.On.Format(time.DateOnly)))
		}
	}
	switch {
	case len(off) > 0:
		return fail("mend what fails, see the failures page, then tick Enabled again at plenigo (Settings > Development > Callbacks)",
			"plenigo must be assumed to have switched off: %s", strings.Join(off, ", "))
	case len(near) > 0:
		return warn("mend what fails, see the failures page; to win time let the source observe: `recall source set SLUG --observe`",
			"if failures go on, plenigo switches off: %s", strings.Join(near, ", "))
	}
	return ok("plenigo is near to it at no source")
}

// sources looks for those that reject everything because of how they are set.
func (d *doctor) sources(ctx context.Context, db *store.DB) finding {
	sources, err := db.ListSources(ctx)
	if err != nil {
		return fail(again, "%v", err)
	}
	var without, unreadable []string
	enabled := 0
	for _, s := range sources {
		if !s.Enabled {
			continue
		}
		enabled++
		valid := false
		for _, secret := range s.Secrets {
			valid = valid || secret.ValidAt(d.app.now())
		}
		switch {
		case s.Unreadable:
			unreadable = append(unreadable, s.Slug)
		case !valid:
			without = append(without, s.Slug)
		}
	}
	switch {
	case enabled == 0:
		return warn("add one with `recall source add`", "none is enabled")
	case len(unreadable) > 0:
		return fail("give the program the key they were sealed with, or enter their secrets anew with `recall source set`", "settings that cannot be read, so that all is rejected: %s", strings.Join(unreadable, ", "))
	case len(without) > 0:
		return warn("enter plenigo's secret with `recall source set SLUG --secret -`, or disable the source", "without a secret that is valid now, so that all is rejected: %s", strings.Join(without, ", "))
	}
	return ok("%s a secret that is valid now", counted(enabled, "is enabled, and has", "are enabled, and each has"))
}
