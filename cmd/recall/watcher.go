package main

import (
	"context"
	"path/filepath"
	"syscall"
	"time"

	"recall/alert"
	"recall/dispatch"
	"recall/seal"
	"recall/store"
)

// watcher finds what somebody should look at, and tells people. It begins before the database is there.
func (a *app) watcher(front *front, key seal.Key, certs []*certificate, adminURL string) *alert.Watcher {
	o := a.alerts(adminURL)
	o.Keep, o.Key = filepath.Join(a.cfg.DataDir, "alerts.sealed"), key
	o.Local = func(ctx context.Context) alert.Local { return a.local(ctx, front, certs) }
	o.Audit = func(ctx context.Context, db *store.DB) (string, error) {
		r, err := a.checkAudit(ctx, db, time.Now().Add(auditCheckMost))
		if err != nil || r.Fault == nil {
			return "", err
		}
		return r.Fault.Error(), nil
	}
	return alert.New(o)
}

// alerts are the options of what tells of alerts, as far as they are settings.
func (a *app) alerts(adminURL string) alert.Options {
	out := dispatch.NewOutgoing(a.outgoing())
	return alert.Options{
		Instance: a.instance(), AdminURL: adminURL, Timing: alert.Timing{Window: a.cfg.AlertWindow, Repeat: a.cfg.AlertRepeat}, Zone: a.cfg.AlertZone,
		Outgoing: alert.Outgoing{HTTP: out.HTTP, Dial: out.Dial, Words: out.Words}, Log: a.log, Now: a.now,
	}
}

// local is what this instance sees of itself.
func (a *app) local(ctx context.Context, front *front, certs []*certificate) alert.Local {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s := front.spool.Stats()
	l := alert.Local{
		Ready: front.receiver.Ready(ctx) == nil,
		Spool: alert.Spool{
			Events: s.Events, Bytes: s.Bytes, MaxBytes: s.MaxBytes, Oldest: s.Oldest, AwaySince: s.AwaySince, Refused: s.Refused, Damaged: s.Damaged,
			Full: front.spool.Ready() != nil,
		},
	}
	for _, c := range certs {
		l.Certificates = append(l.Certificates, alert.Certificate{Setting: c.files.setting, Until: c.held.Load().Leaf.NotAfter})
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(a.cfg.DataDir, &disk); err == nil {
		l.Disk = alert.Disk{Known: true, Free: int64(disk.Bavail) * int64(disk.Bsize), Wanted: a.cfg.SpoolMax - s.Bytes + leastFree}
	}
	return l
}
