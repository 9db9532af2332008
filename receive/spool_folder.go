package receive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"recall/seal"
	"recall/store"
)

func (s *Spool) refusedDir() string { return filepath.Join(s.o.Dir, "refused") }
func (s *Spool) damagedDir() string { return filepath.Join(s.o.Dir, "damaged") }

// load examines the folder. What is whole is ours whatever it is called, so an event that was refused once is tried again
// when somebody moves its file back.
func (s *Spool) load() error {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName || !entry.Type().IsRegular() {
			continue
		}
		if err := s.take(entry.Name()); err != nil {
			return err
		}
	}
	slices.SortFunc(s.files, func(a, b spoolFile) int { return compareIDs(a.id, b.id) })
	for dir, count := range map[string]*int{s.refusedDir(): &s.refused, s.damagedDir(): &s.damaged} {
		n, bytes, err := countFiles(dir)
		if err != nil {
			return fmt.Errorf("reading the spool: %w", err)
		}
		*count = n
		s.used += bytes
	}
	return nil
}

// take examines one file of the folder: it waits to be drained from now on, or is set aside.
func (s *Spool) take(name string) error {
	path := filepath.Join(s.o.Dir, name)
	events, size, err := s.readFile(name)
	switch {
	case errors.Is(err, seal.ErrWrongKey):
		return fmt.Errorf("the callbacks in the spool %s are %w: start with the key they were sealed with (RECALL_KEY, RECALL_KEY_FILE), or move them away", s.o.Dir, err)
	case errors.Is(err, errVersion):
		return fmt.Errorf("the spool file %s was %w: start that version, or move the file away", path, err)
	case errors.Is(err, errTorn):
		return s.setAside(name, err)
	case err != nil:
		return fmt.Errorf("reading the spool: %w", err)
	}
	file := fileOf(events, size)
	if name != file.name() {
		if err := os.Rename(path, filepath.Join(s.o.Dir, file.name())); err != nil {
			return fmt.Errorf("taking a file into the spool: %w", err)
		}
		if err := s.syncDir(s.o.Dir); err != nil {
			return fmt.Errorf("taking a file into the spool: %w", err)
		}
	}
	if slices.ContainsFunc(s.files, func(f spoolFile) bool { return f.name() == file.name() }) {
		return nil // the same events, which somebody copied
	}
	s.files = append(s.files, file)
	s.used += file.size
	if file.rejected {
		s.rejected += file.size
	}
	return nil
}

// fileOf is the file that events of one kind make.
func fileOf(events []*store.Event, size int) spoolFile {
	first := slices.MinFunc(events, func(a, b *store.Event) int { return compareIDs(a.ID, b.ID) })
	return spoolFile{id: first.ID, events: len(events), rejected: !first.Verification.Accepted(), size: onDisk(size)}
}

// setAside moves a file that is not whole or not ours out of the way, and says so.
func (s *Spool) setAside(name string, why error) error {
	to := filepath.Join(s.damagedDir(), name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = filepath.Join(s.damagedDir(), fmt.Sprintf("%s.%d", name, n))
	}
	if err := os.Rename(filepath.Join(s.o.Dir, name), to); err != nil {
		return fmt.Errorf("setting a damaged spool file aside: %w", err)
	}
	s.mu.Lock()
	s.damaged++
	s.mu.Unlock()
	s.o.Log.Error("a file in the spool is damaged or not ours: it was set aside", "file", to, "error", why)
	return nil
}

// ReadSpool tells what is in a spool by the names of its files, while another process has it open or not.
func ReadSpool(dir string) (SpoolStats, error) {
	s := Spool{o: SpoolOptions{Dir: dir}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return SpoolStats{}, fmt.Errorf("reading the spool: %w", err)
	}
	for _, entry := range entries { // by name, so the oldest comes first
		file, found := parseName(entry.Name())
		info, err := entry.Info()
		if !found || err != nil { // not a file of events, or drained meanwhile
			continue
		}
		file.size = onDisk(int(info.Size()))
		s.files = append(s.files, file)
		s.used += file.size
	}
	for dir, count := range map[string]*int{s.refusedDir(): &s.refused, s.damagedDir(): &s.damaged} {
		n, bytes, err := countFiles(dir)
		if err != nil {
			return SpoolStats{}, fmt.Errorf("reading the spool: %w", err)
		}
		*count = n
		s.used += bytes
	}
	return s.Stats(), nil
}

// countFiles tells how many files are in a folder, and what they take of the disk.
func countFiles(dir string) (n int, bytes int64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			n, bytes = n+1, bytes+onDisk(int(info.Size()))
		}
	}
	return n, bytes, err
}
