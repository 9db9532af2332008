package receive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"recall/store"
)

// Search looks through every file of the spool, those that were set aside because the database refuses them included, and
// returns the events that match. With destroy each file that holds one is written anew without them, or removed where nothing is left;
// the new file is on disk before the old one goes. damaged counts files that cannot be read, so nobody knows what they hold.
// Nothing is drained meanwhile.
func (s *Spool) Search(match func(*store.Event) bool, destroy bool) (found []*store.Event, damaged int, err error) {
	s.draining.Lock()
	defer s.draining.Unlock()
	s.mu.Lock()
	damaged = s.damaged
	s.mu.Unlock()
	for _, dir := range []string{s.o.Dir, s.refusedDir()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return found, damaged, fmt.Errorf("reading the spool: %w", err)
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() || !strings.HasSuffix(entry.Name(), ".spool") {
				continue
			}
			events, err := s.searchFile(dir, entry.Name(), match, destroy)
			switch {
			case errors.Is(err, fs.ErrNotExist): // drained meanwhile
			case errors.Is(err, errTorn):
				damaged++
			case err != nil:
				return found, damaged, fmt.Errorf("searching the spool: %w", err)
			}
			found = append(found, events...)
		}
	}
	return found, damaged, nil
}

// searchFile returns what matches in one file, and takes it out.
func (s *Spool) searchFile(dir, name string, match func(*store.Event) bool, destroy bool) ([]*store.Event, error) {
	relative, err := filepath.Rel(s.o.Dir, filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	events, size, err := s.readFile(relative)
	if err != nil {
		return nil, err
	}
	var found []*store.Event
	for _, e := range events {
		if match(e) {
			found = append(found, e)
		}
	}
	if len(found) == 0 || !destroy {
		return found, nil
	}
	old := fileOf(events, size)
	rest := slices.DeleteFunc(slices.Clone(events), match)
	waits := dir == s.o.Dir
	if len(rest) > 0 {
		data, err := encodeEvents(rest, s.o.Key)
		if err != nil {
			return nil, err
		}
		file := fileOf(rest, len(data)) // another name: it has fewer events
		if err := s.write(dir, file.name(), data); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.used += file.size
		if waits {
			s.insert(file)
			if file.rejected {
				s.rejected += file.size
			}
		}
		s.mu.Unlock()
	}
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		return nil, err
	}
	if err := s.syncDir(dir); err != nil {
		return nil, err
	}
	if waits {
		s.forget(old)
		return found, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= old.size
	if len(rest) == 0 {
		s.refused--
	}
	return found, nil
}
