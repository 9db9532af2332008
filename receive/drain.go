package receive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

const (
	lookAfter    = time.Second      // how long after one look at the spool the next one follows
	drainTimeout = 10 * time.Second // for a batch; no client waits for it
	maxTries     = 3                // of an event that the database does not take while it takes others
)

// failure is what is remembered of a file that could not be drained.
type failure struct {
	tries int    // while the database took other events
	taken uint64 // Spool.taken at the last one
}

// Run drains the spool whenever something is in it, until ctx ends.
func (s *Spool) Run(ctx context.Context) {
	for {
		s.Drain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookAfter):
		}
	}
}

// Drain hands what is spooled to the Recorder, oldest first and many files at once, until nothing is left or the database
// takes nothing. Trying is also how the spool finds out that the database is back. A file that is not taken while others
// are is passed by, and tried again by the next call.
func (s *Spool) Drain(ctx context.Context) {
	s.draining.Lock()
	defer s.draining.Unlock()
	after, most, misses := uuid.Nil, maxBatchEvents, 0
	for misses < 2 && ctx.Err() == nil {
		files := s.next(after, most)
		if len(files) == 0 {
			break
		}
		switch whole := s.drain(ctx, files); {
		case whole:
			after, most, misses = files[len(files)-1].id, min(2*most, maxBatchEvents), 0
		case len(files) > 1: // which of them is it, or is it the database?
			most = 1
		default:
			after, misses = files[0].id, misses+1
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 && s.o.Now().Sub(s.awaySince) > lookAfter {
		s.awaySince = time.Time{} // nothing came into the spool to find out with: the next callback does
	}
}

// next returns files after an id, in order, up to the bounds of a batch but at least one.
func (s *Spool) next(after uuid.UUID, most int) []spoolFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	var files []spoolFile
	events, bytes := 0, int64(0)
	for _, f := range s.files {
		if compareIDs(f.id, after) <= 0 {
			continue
		}
		events, bytes = events+f.events, bytes+f.size
		if len(files) > 0 && (events > most || bytes > maxBatchBytes) {
			break
		}
		files = append(files, f)
	}
	return files
}

// drain records the events of some files in one batch, and removes each file of which nothing is left to do. It returns
// false when the database took nothing at all.
func (s *Spool) drain(ctx context.Context, files []spoolFile) bool {
	var batch []*store.Event
	contents := make([][]*store.Event, len(files))
	for i, f := range files {
		contents[i] = s.read(f)
		batch = append(batch, contents[i]...)
	}
	if len(batch) == 0 {
		return true
	}
	begun := time.Now()
	errs := record(ctx, s.o.Recorder, drainTimeout, batch)
	if s.o.Tracer != nil {
		s.o.Tracer.Stored(batch, errs, false, begun, time.Since(begun))
	}
	took := slices.Contains(errs, nil)
	if took || ctx.Err() == nil && !s.suspects(files) { // neither the end of the program nor a bad event is news of the database
		s.heard(errs)
	}
	some := false
	for i, f := range files {
		n := len(contents[i])
		if n > 0 && s.settle(ctx, f, contents[i], errs[:n]) {
			some = true
		}
		errs = errs[n:]
	}
	return some
}

// read returns the events of a file. One that cannot be read any more is set aside, and has none.
func (s *Spool) read(f spoolFile) []*store.Event {
	events, _, err := s.readFile(f.name())
	switch {
	case err == nil:
		return events
	case errors.Is(err, fs.ErrNotExist):
		s.o.Log.Error("a spool file was removed by somebody else", "file", f.name(), "events", f.events)
		s.forget(f)
		return nil
	case !errors.Is(err, errTorn):
		s.o.Log.Error("a spool file cannot be read: it is tried again", "file", f.name(), "error", err)
		return nil
	}
	if err := s.setAside(f.name(), err); err != nil {
		s.o.Log.Error("a spool file is damaged and stays where it is", "error", err)
		return nil
	}
	s.forget(f)
	return nil
}

// suspects tells whether all these files were not taken before, while others were.
func (s *Spool) suspects(files []spoolFile) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(files, func(f spoolFile) bool { return s.failures[f.id].tries == 0 })
}

// settle does what follows from the results of a file's events: when all are committed or set aside, the file is removed.
// It returns false when the database took none of them.
func (s *Spool) settle(ctx context.Context, f spoolFile, events []*store.Event, errs []error) bool {
	some, unclear := false, false
	for _, err := range errs {
		about := err == nil || aboutContent(err)
		some, unclear = some || about, unclear || !about
	}
	blame := unclear && s.failed(f) >= maxTries // it is the events, and not the database
	done := true
	for i, err := range errs {
		if err != nil && (blame || aboutContent(err)) {
			// Alone it is in nobody's way, nor anybody in its.
			err = record(ctx, s.o.Recorder, drainTimeout, events[i:i+1])[0]
			if err != nil && (blame || aboutContent(err)) && ctx.Err() == nil {
				err = s.refuse(events[i], err)
			}
		}
		done = done && err == nil
	}
	if done {
		s.remove(f)
	}
	return some
}

// failed counts a try of a file, if the database took other events since the last one, and returns how many there were.
func (s *Spool) failed(f spoolFile) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, again := s.failures[f.id]
	if again && s.taken > last.taken {
		last.tries++
	}
	last.taken = s.taken
	s.failures[f.id] = last
	return last.tries
}

// refuse sets an event aside that the database does not take, in a file of its own, and says so.
func (s *Spool) refuse(e *store.Event, why error) error {
	data, err := encodeEvents([]*store.Event{e}, s.o.Key)
	if err != nil {
		return fmt.Errorf("setting an event aside: %w", err)
	}
	file := fileOf([]*store.Event{e}, len(data))
	_, err = os.Lstat(filepath.Join(s.refusedDir(), file.name()))
	again := err == nil
	if err := s.write(s.refusedDir(), file.name(), data); err != nil {
		s.o.Log.Error("an event that the database refuses cannot be set aside: it is tried again", "event_id", e.ID, "error", err)
		return fmt.Errorf("setting an event aside: %w", err)
	}
	if !again {
		s.mu.Lock()
		s.refused++
		s.used += file.size
		s.mu.Unlock()
	}
	s.o.Log.Error("the database refuses an event: it was set aside; to try it again, move the file back and start anew",
		"event_id", e.ID, "file", filepath.Join(s.refusedDir(), file.name()), "error", why)
	return nil
}

// remove deletes a file that is done. Should it come back after a crash, its events are recorded by their ids once more,
// which changes nothing.
func (s *Spool) remove(f spoolFile) {
	if err := os.Remove(filepath.Join(s.o.Dir, f.name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Error("a spool file that was drained cannot be removed", "error", err)
		return
	}
	s.forget(f)
}
