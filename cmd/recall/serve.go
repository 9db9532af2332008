package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"recall/dispatch"
	"recall/receive"
	"recall/reverify"
	"recall/web"
)

type serveCmd struct {
	serveSettings `embed:"" group:"Settings"`
	Demo          bool `help:"Make a demo source and two demo destinations, and send every sample callback once."`
}

// Help is shown below the summary.
func (c *serveCmd) Help() string {
	return "Each setting is a flag and a variable of the same name. Ctrl-C or SIGTERM stops it in order; a second one at once. Nothing that was answered 2xx is lost either way."
}

const (
	maintainEvery = 10 * time.Minute
	rollupEvery   = 2 * time.Second // how far the counts are behind
)

// Run opens everything from the listeners up, and ends it in the opposite order.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	receiverListener, err := openListener("RECALL_RECEIVER_ADDR", a.cfg.ReceiverAddr)
	if err != nil {
		return err
	}
	defer receiverListener.Close()
	adminListener, err := openListener("RECALL_ADMIN_ADDR", a.cfg.AdminAddr)
	if err != nil {
		return err
	}
	defer adminListener.Close()
	g := greeting{
		app:      a,
		receiver: or(a.cfg.PublicURL, addressURL(receiverListener)),
		admin:    or(a.cfg.AdminURL, addressURL(adminListener)),
	}
	g.starting()
	if a.cfg.AdminURL == "" && !isLoopback(adminListener) {
		a.log.Warn("the admin UI can be reached from other machines without TLS: put a proxy with TLS before it, and name its address in RECALL_ADMIN_URL")
	}

	key, err := a.makeKey()
	if err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, key)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	if err := db.CheckKey(ctx); err != nil {
		return err
	}

	// What is under way outlives the signal. It is ended step by step: first the steps at the bottom of this function.
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	defer background.Wait()
	defer endWork()
	stop := stopper(a.log, a.cfg.ShutdownGrace)
	background.Go(func() { db.keepRunning(work) })
	background.Go(func() { repeat(work, a.log, "maintaining the database", maintainEvery, db.Maintain) })

	var demo *demo
	var demoAddrs []netip.AddrPort
	if c.Demo {
		if demo, err = openDemo(ctx, a, db.DB); err != nil {
			return err
		}
		defer demo.Close()
		demoAddrs = demo.addrs()
	}

	live, err := db.Live(work)
	if err != nil {
		return err
	}
	dispatcher, err := dispatch.New(db.DB, dispatch.Options{
		Live: live, EgressAllow: a.cfg.EgressAllow, AllowAddr: demoAddrs, Workers: a.cfg.Workers, Log: c.attemptLog(a),
	})
	if err != nil {
		return err
	}
	db.OnRecord(dispatcher.EnqueueTx)
	if err := dispatcher.Start(work); err != nil {
		return err
	}
	defer stop("attempts", dispatcher.Stop)
	reverifier := reverify.New(db.DB, live, a.log)
	background.Go(func() { reverifier.Run(work) })
	background.Go(func() {
		repeat(work, a.log, "counting events", rollupEvery, func(ctx context.Context) error { return db.Rollup(ctx, reverifier.LikelyCause) })
	})
	tally := receive.NewTally(db, nil)
	background.Go(func() { tally.Run(work) })

	receiver, err := receive.NewHandler(receive.Options{
		Recorder: db, Sources: live, MaxBody: a.cfg.MaxBody, TrustedProxies: a.cfg.TrustedProxies, Tally: tally, Log: a.log,
	})
	if err != nil {
		return err
	}
	defer stop("callbacks", receiver.Close)

	admin, err := web.NewHandler(web.Options{
		DB: db.DB, Redispatch: dispatcher, Reverify: reverifier, Key: key, PublicURL: g.receiver, Secure: strings.HasPrefix(a.cfg.AdminURL, "https://"),
		Demo: c.Demo, Log: a.log, Test: &testSender{receiver: addressURL(receiverListener), live: live, now: a.now},
	})
	if err != nil {
		return err
	}

	failed := make(chan error, 2)
	adminServer := receive.NewServer(a.cfg.AdminAddr, admin, a.log)
	go func() { failed <- serveHTTP("RECALL_ADMIN_ADDR", adminServer, adminListener) }()
	defer stop("pages", shutdown(adminServer))
	receiverServer := receive.NewServer(a.cfg.ReceiverAddr, receiver, a.log)
	go func() { failed <- serveHTTP("RECALL_RECEIVER_ADDR", receiverServer, receiverListener) }()
	defer stop("requests", shutdown(receiverServer))

	if err := g.firstUser(ctx, db.DB); err != nil {
		return err
	}
	if demo != nil {
		if err := demo.sendSamples(ctx, addressURL(receiverListener)); err != nil {
			return err
		}
	}
	if err := g.print(ctx, db, demo); err != nil {
		return err
	}
	a.log.Info("serving", "receiver", receiverListener.Addr().String(), "admin", adminListener.Addr().String(), "version", version())

	select {
	case <-ctx.Done():
		a.log.Info("stopping")
		g.stopping()
		return nil
	case err := <-failed:
		return err
	}
}

// attemptLog leaves the attempts out that fail in a demo as they are meant to: they would drive the greeting off the screen.
func (c *serveCmd) attemptLog(a *app) *slog.Logger {
	cfg := a.cfg
	if c.Demo && !cfg.LogLevelSet {
		cfg.LogLevel = slog.LevelError
	}
	return newLog(cfg, a.errw)
}

// openListener opens an address, or names the setting that asks for it.
func openListener(name, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		var cause *net.OpError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, fmt.Errorf("%s: cannot listen on %s: %w: stop what uses it, or choose another address", name, addr, err)
	}
	return l, nil
}

// addressURL is how this machine reaches a listener.
func addressURL(l net.Listener) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", addr.Port)
	}
	return "http://" + l.Addr().String()
}

func isLoopback(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// serveHTTP serves until the server is shut down, which is no error.
func serveHTTP(name string, s *http.Server, l net.Listener) error {
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: serving %s: %w", name, l.Addr(), err)
}

// shutdown waits for the requests under way, and breaks off those that take too long.
func shutdown(s *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		err := s.Shutdown(ctx)
		if err != nil {
			s.Close()
		}
		return err
	}
}

// stopper returns how a step is ended. All steps share one time, which begins to run with the first of them.
func stopper(log *slog.Logger, grace time.Duration) func(what string, end func(context.Context) error) {
	shared := sync.OnceValue(func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		context.AfterFunc(ctx, cancel)
		return ctx
	})
	return func(what string, end func(context.Context) error) {
		if err := end(shared()); err != nil {
			log.Warn("not everything came to its end before the stop", "what", what, "error", err)
		}
	}
}

// repeat does periodic work at once and then again and again; it is the work of whichever instance comes first. An error
// is told once, until the work succeeds again.
func repeat(ctx context.Context, log *slog.Logger, what string, pause time.Duration, work func(context.Context) error) {
	failing := false
	for {
		err := work(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			log.Error(what, "error", err)
		}
		failing = err != nil
		if !every(ctx, pause) {
			return
		}
	}
}
