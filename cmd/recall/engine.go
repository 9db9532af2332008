package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"recall/api"
	"recall/dispatch"
	"recall/erasure"
	"recall/metrics"
	"recall/replay"
	"recall/reverify"
	"recall/seal"
	"recall/store"
	"recall/web"
)

const (
	maintainEvery = 10 * time.Minute
	rollupEvery   = 2 * time.Second // how far the counts are behind
	indexEvery    = 2 * time.Second // searches scan what came since
	sealEvery     = 2 * time.Second // how long an entry of the audit list waits for its place in the chain
	reopenEvery   = 2 * time.Second // how often a database is tried that was away at the start
)

// engine is everything that needs the database: it opens whole or not at all.
type engine struct {
	db         *database
	demo       *demo // nil: no demo
	live       *store.Live
	dispatcher *dispatch.Dispatcher
	admin      http.Handler
	api        http.Handler

	endWork    context.CancelFunc
	background sync.WaitGroup
}

// openEngine opens the database, brings it up to date, and begins the work on it. Workers and loops outlive ctx: they end
// with close.
func (c *serveCmd) openEngine(ctx context.Context, a *app, g *greeting, key seal.Key, front *front, watch *metrics.Metrics, details *details, receiver ownReceiver) (*engine, error) {
	db, err := a.openDatabase(ctx, key)
	if err != nil {
		return nil, err
	}
	h := &engine{db: db}
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	h.endWork = endWork
	if err := c.furnish(ctx, work, h, a, g, key, front, watch, details, receiver); err != nil {
		h.close(stopper(a.log, a.cfg.ShutdownGrace))
		return nil, err
	}
	return h, nil
}

func (c *serveCmd) furnish(ctx, work context.Context, h *engine, a *app, g *greeting, key seal.Key, front *front, watch *metrics.Metrics, details *details, receiver ownReceiver) error {
	db := h.db
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	if err := db.CheckKey(ctx); err != nil {
		return err
	}
	h.background.Go(func() { db.keepRunning(work) })
	h.background.Go(func() { db.WatchStandby(work) })
	h.background.Go(func() { repeat(work, a.log, "maintaining the database", maintainEvery, db.Maintain) })

	var err error
	var demoAddrs []netip.AddrPort
	if c.Demo {
		if h.demo, err = openDemo(ctx, a, db.DB); err != nil {
			return err
		}
		demoAddrs = h.demo.addrs()
	}
	db.KeepSettings = a.lastKnownFile()
	if h.live, err = db.Live(work); err != nil {
		return err
	}
	o := a.outgoing()
	o.Live, o.AllowAddr, o.Workers, o.Meter, o.Log = h.live, demoAddrs, a.cfg.Workers, watch, c.attemptLog(a)
	o.Tracer = front.tracing.sending()
	dispatcher, err := dispatch.New(db.DB, o)
	if err != nil {
		return err
	}
	db.OnRecord(dispatcher.EnqueueTx)
	if err := dispatcher.Start(work); err != nil {
		return err
	}
	h.dispatcher = dispatcher
	replayer := replay.New(db.DB, dispatcher, a.log)
	h.background.Go(func() { replayer.Run(work) })
	reverifier := reverify.New(db.DB, h.live, a.log)
	h.background.Go(func() { reverifier.Run(work) })
	eraser := erasure.New(db.DB, front.spool, a.instance(), a.log)
	h.background.Go(func() { eraser.Run(work) })
	h.background.Go(func() {
		repeat(work, a.log, "counting events", rollupEvery, func(ctx context.Context) error { return db.Rollup(ctx, reverifier.LikelyCause) })
	})
	db.KeepAudit = a.auditHeadFile()
	h.background.Go(func() { repeat(work, a.log, "sealing the audit list", sealEvery, db.SealAudit) })
	h.background.Go(func() { watch.Watch(work, db.DB, a.log) })
	front.alerts.Use(db.DB)
	h.background.Go(func() { repeat(work, a.log, "indexing events", indexEvery, db.IndexEvents) })
	secure := g.secure()
	test := &testSender{receiver: receiver, live: h.live, now: a.now}
	provider, err := a.newProvider()
	if err != nil {
		return err
	}
	rolesFrom := ""
	if provider != nil && provider.ManagesRoles() {
		rolesFrom = provider.Issuer
	}
	h.api, err = api.NewHandler(api.Options{
		DB: db.DB, Redispatch: dispatcher, Trial: dispatcher, Reverify: reverifier, Report: eraser, Test: test, Alerts: front.alerts, Details: details, PublicURL: g.receiver,
		Rate: a.cfg.APIRate, Version: or(release(), "devel"), Secure: secure, RolesFrom: rolesFrom, Log: a.log, Now: a.now,
	})
	if err != nil {
		return err
	}
	h.admin, err = web.NewHandler(web.Options{
		DB: db.DB, Redispatch: dispatcher, Trial: dispatcher, Reverify: reverifier, Report: eraser, Key: key, PublicURL: g.receiver, MaxBody: a.cfg.MaxBody,
		Secure: secure, Demo: c.Demo, Sessions: a.cfg.Sessions, Provider: provider, Passwords: a.cfg.PasswordLogin, LogOut: a.cfg.ProviderLogOut, RevealFor: a.cfg.RevealFor, Metrics: watch, Details: details, Health: details.page, Spool: front.spoolState, Log: a.log,
		Stopping: front.pagesEnd,
		Test:     test,
		Alerts:   front.alerts,
	})
	if err != nil {
		return err
	}
	return g.firstUser(ctx, db.DB)
}

// close ends the work, and then the database.
func (h *engine) close(stop func(string, func(context.Context) error)) {
	if h.dispatcher != nil {
		stop("attempts", h.dispatcher.Stop)
	}
	h.endWork()
	h.background.Wait()
	if h.demo != nil {
		h.demo.Close()
	}
	h.db.Close()
}

// instance names this program, by its machine and the folder of its spool.
func (a *app) instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	dir, err := filepath.Abs(a.spoolDir())
	if err != nil {
		dir = a.spoolDir()
	}
	return host + ":" + dir
}

// lastKnownFile is where the settings are kept for a start while the database is away.
func (a *app) lastKnownFile() string { return filepath.Join(a.cfg.DataDir, "settings.sealed") }

// auditHeadFile is where the end of the audit list is kept, outside of the database, so that it shows when it was cut.
func (a *app) auditHeadFile() string { return filepath.Join(a.cfg.DataDir, "audit.head") }

// isPermanent tells a reason not to start at all from a database that may come back.
func isPermanent(err error) bool {
	var usage usageError
	return errors.Is(err, store.ErrSchemaNewer) || errors.Is(err, seal.ErrWrongKey) || errors.As(err, &usage) || errors.Is(err, context.Canceled)
}

// readLastKnown returns the settings to begin with while the database is away, or the reason of its absence where there
// are none.
func (a *app) readLastKnown(key seal.Key, away error) (*store.Live, error) {
	if isPermanent(away) {
		return nil, away
	}
	known, err := store.ReadLastKnown(a.lastKnownFile(), key, a.log)
	if err != nil {
		return nil, fmt.Errorf("%w (and there are no settings of an earlier start to go on with)", away)
	}
	a.log.Error("the database cannot be used; callbacks are taken by the last known settings and spooled until it is back", "error", away)
	return known, nil
}
