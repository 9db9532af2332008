package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"recall/alert"
	"recall/metrics"
	"recall/receive"
)

type serveCmd struct {
	serveSettings `embed:""`
	Demo          bool `help:"Make a demo source and two demo destinations, and send every sample callback once."`
}

// Help is shown below the summary.
func (c *serveCmd) Help() string {
	return "Each setting is a flag and a variable of the same name. Ctrl-C or SIGTERM stops it in order; a second one at once. Nothing that was answered 2xx is lost either way."
}

// Run opens everything from the listeners up, and ends it in the opposite order.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	signal.Ignore(syscall.SIGPIPE) // whoever reads the log may go away, and callbacks come on
	boundMemory(a.cfg.MaxBody)
	if err := hideMemory(); err != nil {
		a.log.Warn("a core dump of this process would hold the key", "error", err)
	}
	systemd := newNotifier()
	receiverCert, adminCert, certs, err := a.openCertificates()
	if err != nil {
		return err
	}
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
		receiver: or(a.cfg.PublicURL, addressURL(receiverCert.scheme(), receiverListener)),
		admin:    or(a.cfg.AdminURL, addressURL(adminCert.scheme(), adminListener)),
	}
	g.starting()
	if a.cfg.AdminURL == "" && adminCert == nil && !isLoopback(adminListener) {
		a.log.Warn("the admin UI can be reached from other machines without TLS: give it a certificate in RECALL_TLS_CERT_FILE, or put a proxy with TLS before it and name its address in RECALL_ADMIN_URL")
	}

	key, err := a.makeKey()
	if err != nil {
		return err
	}
	// What is under way outlives the signal. It is ended step by step: first the steps at the bottom of this function.
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	stop := stopper(a.log, a.cfg.ShutdownGrace)

	tracing, err := a.openTraces(ctx)
	if err != nil {
		return err
	}
	defer stop("traces", tracing.close)

	front := &front{pagesEnd: make(chan struct{}), secure: g.secure(), metricsToken: a.cfg.MetricsToken, log: a.log, tracing: tracing}
	spool, err := receive.OpenSpool(receive.SpoolOptions{
		Dir: a.spoolDir(), Key: key, Recorder: front, MaxBytes: a.cfg.SpoolMax, MaxAge: a.cfg.SpoolMaxAge, Tracer: tracing.receiving(), Log: a.log,
	})
	if err != nil {
		return err
	}
	defer spool.Close()
	watch := metrics.New(metrics.Options{Version: version(), Spool: spool.Stats, Ready: front.ready, Alerts: alert.KindNames(), Now: a.now})
	details := &details{front: front, app: a, certs: certs, key: key}
	front.alerts = a.watcher(front, key, certs, g.admin)
	front.spool, front.spoolDir = spool, a.spoolDir()
	tally := receive.NewTally(front, nil)
	front.receiver, err = receive.NewHandler(receive.Options{
		Recorder: front, Sources: front, Spool: spool, Tally: tally, Meter: watch, Tracer: tracing.receiving(), Ping: front.ping, MaxBody: a.cfg.MaxBody,
		RatePerSource: a.cfg.RatePerSource, RatePerAddress: a.cfg.RatePerAddress, RejectedPerHour: a.cfg.RejectedPerHour,
		TrustedProxies: a.cfg.TrustedProxies, Log: a.log,
	})
	if err != nil {
		return err
	}

	own := ownReceiver{addressURL(receiverCert.scheme(), receiverListener), receiverCert.ownTransport()}
	open := func() error {
		h, err := c.openEngine(ctx, a, &g, key, front, watch, details, own)
		if err == nil {
			front.engine.Store(h)
		}
		return err
	}
	defer func() {
		if h := front.engine.Load(); h != nil {
			h.close(stop)
		}
	}()
	away := open()
	if away != nil {
		if front.lastKnown, err = a.readLastKnown(key, away); err != nil {
			return err
		}
	}

	var background sync.WaitGroup
	defer background.Wait()
	defer endWork()
	for _, cert := range certs {
		background.Go(func() { cert.watch(work) })
	}
	background.Go(func() { tally.Run(work) }) // its last counts go out before the engine stops
	background.Go(func() { front.alerts.Run(work) })
	defer stop("callbacks", front.receiver.Close)
	failed := make(chan error, 2)
	adminServer := receive.NewServer(a.cfg.AdminAddr, front.receiver.WithSender(front.handler(watch, details)), a.log)
	adminServer.RegisterOnShutdown(func() { close(front.pagesEnd) })
	go func() {
		failed <- serveHTTP("RECALL_ADMIN_ADDR", adminServer, adminCert.over(front.receiver.AdminListener(adminListener), "h2", "http/1.1"))
	}()
	defer stop("pages", shutdown(adminServer))
	receiverServer := receive.NewServer(a.cfg.ReceiverAddr, http.HandlerFunc(front.callback), a.log)
	go func() {
		failed <- serveHTTP("RECALL_RECEIVER_ADDR", receiverServer, receiverCert.over(front.receiver.Listener(receiverListener), "http/1.1"))
	}()
	defer stop("requests", shutdown(receiverServer))

	stopping := func() error {
		front.stopping.Store(true)
		systemd.tell("STOPPING=1", a.log)
		a.log.Info("stopping")
		g.stopping()
		return drain(a.cfg.ShutdownDelay, failed)
	}
	if away != nil {
		g.waiting()
		systemd.tell("READY=1", a.log)
	}
	for away != nil {
		select {
		case <-ctx.Done():
			return stopping()
		case err := <-failed:
			return err
		case <-time.After(reopenEvery):
		}
		if away = open(); isPermanent(away) && ctx.Err() == nil {
			return away
		}
	}
	h := front.engine.Load()
	background.Go(func() { spool.Run(work) })
	if h.demo != nil {
		if err := h.demo.sendSamples(ctx, own); err != nil {
			return err
		}
	}
	if err := g.print(ctx, h.db, h.demo); err != nil {
		return err
	}
	systemd.tell("READY=1", a.log)
	a.log.Info("serving", "receiver", receiverListener.Addr().String(), "admin", adminListener.Addr().String(), "version", version())

	select {
	case <-ctx.Done():
		return stopping()
	case err := <-failed:
		return err
	}
}

// drain goes on taking callbacks for a while after /health/ready has begun to say no, so that whoever shares them out sends
// the next ones elsewhere before the listener is closed.
func drain(delay time.Duration, failed <-chan error) error {
	select {
	case <-time.After(delay):
		return nil
	case err := <-failed:
		return err
	}
}

// boundMemory has garbage collected sooner once a flood fills the room for callbacks, unless GOMEMLIMIT says otherwise. What
// is held at once is bounded by the receiver; this keeps what it has let go of from doubling it. Below that bound garbage is
// collected later than Go does by itself, unless GOGC says otherwise: what is held at once is so little (8 MB under full
// load) that collecting it at every doubling took a third of the time.
func boundMemory(maxBody int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(250)
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(96<<20 + max(64<<20, 4*maxBody))
	}
}

// spoolDir is where callbacks are kept while the database is away.
func (a *app) spoolDir() string { return filepath.Join(a.cfg.DataDir, "spool") }

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
func addressURL(scheme string, l net.Listener) string {
	return scheme + "://" + localAddr(l.Addr().String())
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
