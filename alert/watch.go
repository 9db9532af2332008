package alert

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"recall/seal"
	"recall/store"
)

// Options of a Watcher.
type Options struct {
	Instance string // this one's name
	AdminURL string // how people reach the pages
	Timing   Timing
	Zone     *time.Location // whose weeks a source's rhythm follows; nil: UTC
	Outgoing Outgoing
	Local    func(context.Context) Local                      // nil: nothing is known
	Audit    func(context.Context, *store.DB) (string, error) // looks whether the audit list fits: what does not; nil: nobody looks
	Keep     string                                           // file of the last known channels; "": none
	Key      seal.Key                                         // that it is sealed with
	Log      *slog.Logger
	Now      func() time.Time
}

const (
	lookEvery   = 15 * time.Second
	sharedEvery = 30 * time.Second
	lookTime    = 20 * time.Second // that a look may take; past it the database is as good as away
	auditEvery  = time.Hour
	auditTime   = time.Minute
	lease       = 3 * sendTime
)

// Watcher looks and tells until it is stopped. It begins before the database is there.
type Watcher struct {
	o  Options
	db atomic.Pointer[store.DB]

	mu       sync.Mutex
	own      []*store.Alert        // this instance's, as they were last
	channels []*store.AlertChannel // that are not paused, as they were last
	state    store.AlertState
	pending  []*store.AlertMessage // made while the database was away
	answered time.Time             // when the database last answered; before that, the start
	away     bool
	up       time.Time // since when callbacks were taken without a gap; zero: they are not
	noted    time.Time // until when that is in the database
	looked   time.Time
	auditing time.Time
	opened   chan struct{} // the database was given
	wake     chan struct{} // there may be something to tell
}

// New makes a Watcher. The zero values of timing are those of the settings.
func New(o Options) *Watcher {
	o.Timing.Window, o.Timing.Repeat = cmp.Or(o.Timing.Window, time.Minute), cmp.Or(o.Timing.Repeat, time.Hour)
	o.Timing.Pause, o.Timing.Most = cmp.Or(o.Timing.Pause, 5*time.Minute), max(24*time.Hour, o.Timing.Repeat)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	w := &Watcher{o: o, answered: o.Now(), opened: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	if o.Keep == "" {
		return w
	}
	channels, err := store.ReadAlertChannels(o.Keep, o.Key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Log.Warn("nobody can be told of alerts until the database is there", "error", err)
	}
	w.channels = channels
	return w
}

// Use gives the database, once it is open, and has it looked at.
func (w *Watcher) Use(db *store.DB) {
	w.db.Store(db)
	select {
	case w.opened <- struct{}{}:
	default:
	}
}

// Run looks and tells until ctx ends. Looking never waits for who is told.
func (w *Watcher) Run(ctx context.Context) {
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() {
		for {
			w.Tell(ctx)
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			case <-time.After(lookEvery):
			}
		}
	})
	failing := false
	for {
		err := w.Look(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			w.o.Log.Warn("looking for alerts", "error", err)
		}
		failing = err != nil
		select {
		case w.wake <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-w.opened:
		case <-time.After(lookEvery):
		}
	}
}

// Look looks once, and makes the messages that are due. The error says why the database could not be used; this instance's own
// alerts go on without it.
func (w *Watcher) Look(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var seen Local
	if w.o.Local != nil {
		seen = w.o.Local(ctx)
	}
	now := w.o.Now()
	w.noteUp(seen.Ready, now)
	err := w.lookInDatabase(ctx, seen, now)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if w.answers(ctx) { // it takes no writes, or some other trouble that the spool knows more of
		w.answered = now
	}
	w.away = true
	book := &store.AlertBook{State: w.state, Alerts: w.own, Channels: w.channels}
	s := scope{instance: w.o.Instance, now: now, timing: w.o.Timing}
	s.apply(book, local(seen, w.answered, now))
	s.digest(book, w.words())
	w.state, w.own = book.State, withoutDone(book.Alerts)
	w.pending = append(w.pending, book.Messages...)
	return err
}

func (w *Watcher) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	db := w.db.Load()
	return db != nil && db.Ping(ctx) == nil
}

func (w *Watcher) words() words { return words{w.o.AdminURL, w.o.Instance} }

// noteUp keeps since when callbacks are taken.
func (w *Watcher) noteUp(ready bool, now time.Time) {
	if !ready || now.Sub(w.looked) > store.AlertQuarter {
		w.up, w.noted = time.Time{}, time.Time{}
	}
	if ready && w.up.IsZero() {
		w.up = now
	}
	w.looked = now
}

func (w *Watcher) lookInDatabase(ctx context.Context, seen Local, now time.Time) error {
	db := w.db.Load()
	if db == nil {
		return errors.New("the database has not been reached since the start")
	}
	if w.o.Audit != nil && now.Sub(w.auditing) >= auditEvery {
		w.lookAtAudit(ctx, db, now)
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	mine, err := db.TakeAlertLook(ctx, sharedEvery)
	if err != nil {
		return err
	}
	if !w.up.IsZero() && (w.noted.IsZero() || !now.Truncate(store.AlertQuarter).Equal(w.noted.Truncate(store.AlertQuarter))) {
		if err := db.NoteUptime(ctx, latest(w.up, w.noted), now); err != nil {
			return err
		}
		w.noted = now
	}
	var found []Finding
	if mine {
		if found, err = w.shared(ctx, db); err != nil {
			w.o.Log.Warn("what all instances see could not be looked at: its alerts stay as they are", "error", err)
			mine, found = false, nil
		}
	}
	err = db.ChangeAlerts(ctx, func(book *store.AlertBook) error {
		if w.away {
			w.adopt(book)
		}
		// It answers by now, whatever was so a moment ago.
		found := append(found, local(seen, now, now)...)
		if mine {
			found = append(found, audit(book.State)...)
		}
		s := scope{shared: mine, instance: w.o.Instance, now: now, timing: w.o.Timing}
		s.apply(book, found)
		s.digest(book, w.words())
		w.remember(book)
		return nil
	})
	if err == nil {
		w.away, w.pending, w.answered = false, nil, now
	}
	return err
}

// lookAtAudit has the audit list checked, once an hour over all instances, and its result kept.
func (w *Watcher) lookAtAudit(ctx context.Context, db *store.DB, now time.Time) {
	mine := false
	err := db.ChangeAlerts(ctx, func(book *store.AlertBook) error {
		if mine = now.Sub(book.State.AuditCheckedAt) >= auditEvery; mine {
			book.State.AuditCheckedAt = now
		}
		return nil
	})
	w.auditing = now
	if err != nil || !mine {
		return
	}
	checking, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	fault, err := w.o.Audit(checking, db)
	if err != nil {
		w.o.Log.Warn("the audit list could not be checked", "error", err)
		return
	}
	err = db.ChangeAlerts(ctx, func(book *store.AlertBook) error {
		book.State.AuditFault = clean(fault, nil)
		return nil
	})
	if err != nil {
		w.o.Log.Warn("what the check of the audit list found could not be kept", "error", err)
	}
}

// adopt takes into the book what happened while the database was away.
func (w *Watcher) adopt(book *store.AlertBook) {
	for _, a := range w.own {
		f := Finding{Kind: Kind(a.Kind), Subject: a.Subject}
		was := openAlert(book, f, a.Instance)
		switch {
		case was != nil:
			was.TellAt, was.ToldAt, was.Told, was.Level, was.Words = a.TellAt, a.ToldAt, a.Told, a.Level, a.Words
		case a.Open() || a.Told > 0:
			a.ID = 0
			book.Alerts = append(book.Alerts, a)
		}
	}
	book.Messages = append(book.Messages, w.pending...)
	if w.state.ToldAt.After(book.State.ToldAt) {
		book.State.ToldAt = w.state.ToldAt
	}
}

// remember keeps what is needed while the database is away.
func (w *Watcher) remember(book *store.AlertBook) {
	w.own = nil
	for _, a := range book.Alerts {
		if a.Instance == w.o.Instance && a.Open() {
			one := *a
			w.own = append(w.own, &one)
		}
	}
	w.state = book.State
	changed := len(w.channels) != len(book.Channels)
	for i := range book.Channels {
		changed = changed || w.channels[i].ID != book.Channels[i].ID || w.channels[i].Revision != book.Channels[i].Revision
	}
	w.channels = book.Channels
	if changed && w.o.Keep != "" {
		if err := store.KeepAlertChannels(w.o.Keep, w.o.Key, book.Channels); err != nil {
			w.o.Log.Warn("alerts cannot be told after a start while the database is away", "error", err)
		}
	}
}

// withoutDone leaves out what is over and told.
func withoutDone(alerts []*store.Alert) (rest []*store.Alert) {
	for _, a := range alerts {
		if a.Open() || !a.TellAt.IsZero() {
			rest = append(rest, a)
		}
	}
	return rest
}

// Tell sends the messages that are due, those to different channels beside each other.
func (w *Watcher) Tell(ctx context.Context) {
	w.mu.Lock()
	away := w.away
	var due []*store.AlertMessage
	for _, m := range w.pending {
		if !m.NextAt.IsZero() && !m.NextAt.After(w.o.Now()) {
			due = append(due, m)
		}
	}
	channels := w.channels
	w.mu.Unlock()
	if len(due) > 0 {
		w.tellAway(ctx, channels, due)
		return
	}
	db := w.db.Load()
	if db == nil || away {
		return
	}
	messages, err := db.ClaimAlertMessages(ctx, lease)
	if err == nil && len(messages) > 0 {
		channels, err = db.ListAlertChannels(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			w.o.Log.Debug("alert messages cannot be read", "error", err)
		}
		return
	}
	w.sendAll(ctx, channels, messages, func(m *store.AlertMessage) { w.noteEnd(ctx, db, m) })
}

func (w *Watcher) noteEnd(ctx context.Context, db *store.DB, m *store.AlertMessage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := db.EndAlertMessage(ctx, m); err != nil {
		w.o.Log.Warn("what became of an alert message could not be written down: it is sent again", "channel", m.Channel, "error", err)
	}
}

// tellAway sends what was made while the database was away. What came of it is written down with the message when it is back.
func (w *Watcher) tellAway(ctx context.Context, channels []*store.AlertChannel, due []*store.AlertMessage) {
	w.mu.Lock()
	copies := map[*store.AlertMessage]*store.AlertMessage{}
	var list []*store.AlertMessage
	for _, m := range due {
		one := *m
		one.Tries++
		m.NextAt = w.o.Now().Add(lease)
		copies[&one] = m
		list = append(list, &one)
	}
	w.mu.Unlock()
	w.sendAll(ctx, channels, list, func(done *store.AlertMessage) {
		w.mu.Lock()
		m := copies[done]
		done.ID = m.ID // not 0: it has come into the database meanwhile
		*m = *done
		w.mu.Unlock()
		if db := w.db.Load(); done.ID != 0 && db != nil {
			w.noteEnd(ctx, db, done)
		}
	})
}

func (w *Watcher) sendAll(ctx context.Context, channels []*store.AlertChannel, messages []*store.AlertMessage, ended func(*store.AlertMessage)) {
	by := map[int64][]*store.AlertMessage{}
	for _, m := range messages {
		by[m.ChannelID] = append(by[m.ChannelID], m)
	}
	var sending sync.WaitGroup
	for _, c := range channels {
		sending.Go(func() {
			var err error
			for _, m := range by[c.ID] { // one after the other; after one that failed the rest waits, too
				if err == nil {
					if err = w.o.Outgoing.send(ctx, c, m); err != nil {
						w.o.Log.Warn("an alert could not be told", "channel", c.Name, "error", err)
					} else {
						w.o.Log.Info("alert told", "channel", c.Name)
					}
				}
				end(m, err, w.o.Now())
				ended(m)
			}
		})
	}
	sending.Wait()
}

// Test sends a test by a channel, whether it is paused or not, and says why it did not arrive.
func (w *Watcher) Test(ctx context.Context, c *store.AlertChannel) error {
	return w.o.Outgoing.send(ctx, c, w.words().test(c.Name, w.o.Now()))
}
