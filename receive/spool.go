package receive

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"recall/seal"
	"recall/store"
)

// SpoolOptions of a Spool.
type SpoolOptions struct {
	Dir      string        // made when there is none; one process at a time
	Key      seal.Key      // seals every file: they hold personal data
	Recorder Recorder      // takes the events when the database is back
	MaxBytes int64         // of disk; 0: 1 GiB. Rejected callbacks get a quarter of it at most
	MaxAge   time.Duration // with something older in it nothing more is taken; 0: 72 h
	Tracer   Tracer        // is told what became of each event; nil: nobody is
	Log      *slog.Logger
	Now      func() time.Time

	sync func(*os.File) error // tests make it fail; nil: fsync
}

// Spool keeps callbacks on this machine's disk while the database does not take them: whole batches, one sealed file
// each, in the order of arrival. What Put has taken survives a crash; Run hands it to the Recorder as soon as that takes
// events again, and removes a file only when every event of it is committed or set aside.
//
// Two folders in it are for people: refused holds events which the database refuses for what they are, damaged holds
// files that are not whole or not ours. Nothing is ever deleted from them here.
type Spool struct {
	o    SpoolOptions
	lock *os.File

	mu        sync.Mutex
	files     []spoolFile // waiting, by id
	used      int64       // bytes of disk that all files have, or will have when they are written
	rejected  int64       // of it, files of rejected events that wait
	refused   int
	damaged   int
	awaySince time.Time // since when the database takes nothing; zero: it does, as far as is known
	taken     uint64    // grows when the database has taken an event
	lastErr   error     // why the last batch could not be kept; nil: it could
	closed    bool

	draining sync.Mutex
	failures map[uuid.UUID]failure // of files that could not be drained, by id
}

var (
	errSpoolFull   = errors.New("the spool is full (RECALL_SPOOL_MAX)")
	errSpoolOld    = errors.New("the spool has not been drained for too long (RECALL_SPOOL_MAX_AGE)")
	errSpoolClosed = errors.New("the spool is closed")
)

// OpenSpool opens the folder, examines every file in it, and holds it until Close. A file of a write that a crash broke
// off is taken in where it is whole, and set aside where it is not.
func OpenSpool(o SpoolOptions) (*Spool, error) {
	if o.Dir == "" || o.Recorder == nil {
		return nil, errors.New("a spool needs a folder and a recorder")
	}
	if o.Key == (seal.Key{}) {
		return nil, errors.New("a spool needs the program's key (RECALL_KEY)")
	}
	if o.MaxBytes < 0 || o.MaxAge < 0 {
		return nil, fmt.Errorf("the spool's bounds (RECALL_SPOOL_MAX, RECALL_SPOOL_MAX_AGE) must be more than 0, not %d bytes and %s", o.MaxBytes, o.MaxAge)
	}
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<30)
	o.MaxAge = cmp.Or(o.MaxAge, 72*time.Hour)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.sync == nil {
		o.sync = (*os.File).Sync
	}
	s := &Spool{o: o, failures: map[uuid.UUID]failure{}}
	if err := s.hold(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		s.lock.Close()
		return nil, err
	}
	return s, nil
}

// hold makes the folders and locks them.
func (s *Spool) hold() error {
	for _, dir := range []string{s.o.Dir, s.refusedDir(), s.damagedDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the spool: %w", err)
		}
	}
	for _, dir := range []string{filepath.Dir(s.o.Dir), s.o.Dir} { // the folders themselves must outlive a crash, too
		if err := s.syncDir(dir); err != nil {
			return fmt.Errorf("making the spool: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(s.o.Dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the spool: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("the spool %s is in use by another recall: stop it, or give each a data folder of its own (RECALL_DATA_DIR)", s.o.Dir)
		}
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	s.lock = lock
	return nil
}

// Close lets go of the folder. Call it when nothing is put and Run has ended.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.lock.Close()
}

// Put keeps events and returns one error per event, nil where it is safely on disk. Accepted and rejected ones get files
// of their own, so that forgeries leave room for what is genuine.
func (s *Spool) Put(events []*store.Event) []error {
	errs := make([]error, len(events))
	for _, rejected := range []bool{false, true} {
		var part []*store.Event
		for _, e := range events {
			if e.Verification.Accepted() != rejected {
				part = append(part, e)
			}
		}
		if len(part) == 0 {
			continue
		}
		err := s.put(part, rejected)
		for i, e := range events {
			if e.Verification.Accepted() != rejected {
				errs[i] = err
			}
		}
	}
	return errs
}

// put keeps events of one kind in one file.
func (s *Spool) put(events []*store.Event, rejected bool) error {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b *store.Event) int { return compareIDs(a.ID, b.ID) })
	data, err := encodeEvents(events, s.o.Key)
	if err != nil {
		return fmt.Errorf("spooling events: %w", err)
	}
	file := spoolFile{id: events[0].ID, events: len(events), rejected: rejected, size: onDisk(len(data))}
	if err := s.reserve(file); err != nil {
		return err
	}
	err = s.write(s.o.Dir, file.name(), data)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr = err; err != nil {
		s.release(file)
		return fmt.Errorf("spooling events: %w", err)
	}
	s.insert(file)
	return nil
}

// reserve takes room for a file, or says why there is none.
func (s *Spool) reserve(file spoolFile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(file); err != nil {
		return err
	}
	s.used += file.size
	if file.rejected {
		s.rejected += file.size
	}
	return nil
}

func (s *Spool) room(file spoolFile) error {
	switch {
	case s.closed:
		return errSpoolClosed
	case len(s.files) > 0 && s.o.Now().Sub(s.files[0].arrived()) > s.o.MaxAge:
		return errSpoolOld
	case s.used+file.size > s.o.MaxBytes, file.rejected && s.rejected+file.size > s.o.MaxBytes/4:
		return errSpoolFull
	}
	return nil
}

// release gives the room of a file back.
func (s *Spool) release(file spoolFile) {
	s.used -= file.size
	if file.rejected {
		s.rejected -= file.size
	}
}

// insert puts a file in its place; the usual one is the last.
func (s *Spool) insert(file spoolFile) {
	at, _ := slices.BinarySearchFunc(s.files, file.id, func(f spoolFile, id uuid.UUID) int { return compareIDs(f.id, id) })
	s.files = slices.Insert(s.files, at, file)
}

// forget takes a file out that is gone from the folder.
func (s *Spool) forget(file spoolFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.failures, file.id)
	switch at := slices.Index(s.files, file); {
	case at < 0:
		return
	case at == 0: // as a rule, and there may be very many
		s.files = s.files[1:]
	default:
		s.files = slices.Delete(s.files, at, at+1)
	}
	s.release(file)
}

// Ready tells whether the spool takes callbacks: nil, or why not.
func (s *Spool) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(spoolFile{size: onDisk(1)}); err != nil {
		return err
	}
	return s.lastErr
}

// SpoolStats is what is in a spool.
type SpoolStats struct {
	Events    int       // waiting for the database
	Bytes     int64     // of disk, what was set aside included
	MaxBytes  int64     // what Bytes may become
	Oldest    time.Time // when the oldest one waiting arrived; zero: none waits
	Refused   int       // events set aside because the database refuses them for what they are
	Damaged   int       // files set aside because they are not whole or not ours
	AwaySince time.Time // since when the database has taken nothing; zero: it takes events, as far as is known
	Err       error     // why the last callback could not be kept; nil: it could
}

// Stats tells what is in the spool now.
func (s *Spool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := SpoolStats{
		Bytes: s.used, MaxBytes: s.o.MaxBytes, Refused: s.refused, Damaged: s.damaged, AwaySince: s.awaySince, Err: s.lastErr,
	}
	for _, f := range s.files {
		stats.Events += f.events
	}
	if len(s.files) > 0 {
		stats.Oldest = s.files[0].arrived()
	}
	return stats
}

// away tells whether the database has taken nothing of late, so that it is not worth a callback's time to ask it first.
func (s *Spool) away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.awaySince.IsZero()
}

// heard learns from what the Recorder has answered whether the database is there.
func (s *Spool) heard(errs []error) {
	var last error
	there, took := false, false
	for _, err := range errs {
		switch {
		case err == nil:
			there, took = true, true
		case aboutContent(err):
			there = true
		default:
			last = err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if took {
		s.taken++
	}
	switch {
	case there && !s.awaySince.IsZero():
		s.o.Log.Info("the database takes events again", "away", s.o.Now().Sub(s.awaySince))
		s.awaySince = time.Time{}
	case !there && s.awaySince.IsZero():
		s.o.Log.Error("the database takes no events: callbacks go to the spool", "error", last)
		s.awaySince = s.o.Now()
	}
}

// aboutContent tells an error that is about what an event holds (SQLSTATE classes 22, data, and 54, limits) from one that
// may go by.
func aboutContent(err error) bool {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) {
		return false
	}
	class := state.SQLState()[:min(2, len(state.SQLState()))]
	return class == "22" || class == "54"
}
