package receive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"recall/seal"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// openSpool opens a spool in a folder, "" for a new one.
func openSpool(t testing.TB, o SpoolOptions) *Spool {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "spool")
	}
	if o.Recorder == nil {
		o.Recorder = &memory{}
	}
	if o.Now == nil {
		o.Now = func() time.Time { return signedNow }
	}
	o.Key = storetest.Key()
	s, err := OpenSpool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// put spools events and fails the test if one is not kept.
func put(t testing.TB, s *Spool, events ...*store.Event) {
	t.Helper()
	for _, err := range s.Put(events) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// at is an accepted event of a time.
func at(when time.Time, body string) *store.Event {
	e := an(body)
	e.ID = new(ids).next(when)
	return e
}

func forged(e *store.Event) *store.Event {
	e.Verification = verify.Result{Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch}
	return e
}

// names lists a folder's regular files, less the lock.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != lockName {
			all = append(all, e.Name())
		}
	}
	return all
}

func bodies(events []*store.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Body))
	}
	return strings.Join(all, " ")
}

func TestASpoolIsFoundAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "spool")
	s := openSpool(t, SpoolOptions{Dir: dir})
	put(t, s, at(signedNow.Add(time.Second), "third"), at(signedNow.Add(2*time.Second), "fourth"), forged(at(signedNow, "first")))
	put(t, s, at(signedNow.Add(time.Millisecond), "private"))
	want := s.Stats()
	if want.Events != 4 || want.Bytes != 3*4096 || !want.Oldest.Equal(signedNow) || want.MaxBytes != 1<<30 || !want.AwaySince.IsZero() {
		t.Errorf("%+v", want)
	}
	for _, name := range names(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || strings.Contains(string(data), "private") {
			t.Errorf("%s has the mode %v and holds %q", name, info.Mode(), data)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
	}
	read, err := ReadSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	if read.MaxBytes = want.MaxBytes; read != want {
		t.Errorf("read by another process: %+v, want %+v", read, want)
	}
	s.Close()
	m := &memory{}
	s = openSpool(t, SpoolOptions{Dir: dir, Recorder: m})
	if got := s.Stats(); got != want {
		t.Errorf("after a restart: %+v, want %+v", got, want)
	}
	s.Drain(t.Context())
	if got := bodies(m.kept()); got != "first private third fourth" {
		t.Errorf("drained %s", got)
	}
	if got := s.Stats(); got.Events != 0 || got.Bytes != 0 || !got.Oldest.IsZero() || len(names(t, dir)) != 0 {
		t.Errorf("after draining: %+v and %v", got, names(t, dir))
	}
	if _, err := ReadSpool(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// What a crash leaves behind is taken in where it is whole, and set aside where it is not.
func TestWhatACrashLeavesIsExamined(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	openSpool(t, SpoolOptions{Dir: dir}).Close()
	whole, err := encodeEvents([]*store.Event{at(signedNow, "whole")}, storetest.Key())
	if err != nil {
		t.Fatal(err)
	}
	other, err := encodeEvents([]*store.Event{at(signedNow, "other"), at(signedNow.Add(1e6), "another")}, storetest.Key())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"0192b336-5780-7abc-8def-0123456789ab-1-accepted.spool.tmp": whole,
		"moved back by hand": other, "and copied": other, "notes.txt": []byte("mine"), "damaged/notes.txt": []byte("seen before"), "refused/x": []byte("x"),
	}
	for n := range whole {
		files[fmt.Sprintf("torn-%d.spool", n)] = whole[:n]
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	s := openSpool(t, SpoolOptions{Dir: dir, Recorder: m})
	if got := s.Stats(); got.Events != 3 || got.Damaged != len(whole)+2 || got.Refused != 1 {
		t.Errorf("%+v, want 3 events and %d damaged files", got, len(whole)+2)
	}
	aside := names(t, filepath.Join(dir, "damaged"))
	if len(aside) != len(whole)+2 || !slices.Contains(aside, "notes.txt.2") {
		t.Errorf("set aside: %v", aside)
	}
	s.Drain(t.Context())
	if got := bodies(m.kept()); len(m.kept()) != 3 || !strings.Contains(got, "whole") || !strings.Contains(got, "other another") || len(names(t, dir)) != 0 {
		t.Errorf("drained %s, left %v", got, names(t, dir))
	}
}

func TestOpenSpoolSaysWhatIsWrong(t *testing.T) {
	key, m := storetest.Key(), &memory{}
	other, err := seal.ParseKey(strings.Repeat("cd", 32))
	if err != nil {
		t.Fatal(err)
	}
	used := openSpool(t, SpoolOptions{})
	sealed := openSpool(t, SpoolOptions{})
	put(t, sealed, at(signedNow, "x"))
	sealed.Close()
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "x.spool"), []byte("recall spool 2\nwhatever"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken disk")
	for name, c := range map[string]struct {
		o    SpoolOptions
		want []string
	}{
		"no folder":          {SpoolOptions{Key: key, Recorder: m}, []string{"folder"}},
		"no recorder":        {SpoolOptions{Key: key, Dir: t.TempDir()}, []string{"recorder"}},
		"no key":             {SpoolOptions{Recorder: m, Dir: t.TempDir()}, []string{"RECALL_KEY"}},
		"bytes below 0":      {SpoolOptions{Key: key, Recorder: m, Dir: t.TempDir(), MaxBytes: -1}, []string{"RECALL_SPOOL_MAX"}},
		"an age below 0":     {SpoolOptions{Key: key, Recorder: m, Dir: t.TempDir(), MaxAge: -1}, []string{"RECALL_SPOOL_MAX_AGE"}},
		"in use":             {SpoolOptions{Key: key, Recorder: m, Dir: used.o.Dir}, []string{"in use by another recall", used.o.Dir, "RECALL_DATA_DIR"}},
		"another key":        {SpoolOptions{Key: other, Recorder: m, Dir: sealed.o.Dir}, []string{key.ID(), other.ID(), "RECALL_KEY", sealed.o.Dir}},
		"a newer version":    {SpoolOptions{Key: key, Recorder: m, Dir: newer}, []string{"x.spool", "newer version"}},
		"no folder but file": {SpoolOptions{Key: key, Recorder: m, Dir: file}, []string{file}},
		"a broken disk":      {SpoolOptions{Key: key, Recorder: m, Dir: t.TempDir(), sync: func(*os.File) error { return broken }}, []string{"broken disk"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenSpool(c.o)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error %v does not name %s", err, want)
				}
			}
		})
	}
	if got := names(t, sealed.o.Dir); len(got) != 1 {
		t.Errorf("a file with another key was touched: %v", got)
	}
	// None of them holds the lock on.
	openSpool(t, SpoolOptions{Dir: sealed.o.Dir})
}

func TestASpoolIsBounded(t *testing.T) {
	now := signedNow
	s := openSpool(t, SpoolOptions{MaxBytes: 10 * 4096, MaxAge: time.Hour, Now: func() time.Time { return now }})
	first := at(now, "first")
	put(t, s, first)
	put(t, s, forged(at(now, "forged")), forged(at(now, "in the same file")))
	put(t, s, forged(at(now, "forged")))
	if errs := s.Put([]*store.Event{forged(at(now, "one too many")), at(now, "genuine")}); !errors.Is(errs[0], errSpoolFull) || errs[1] != nil {
		t.Errorf("past a quarter for rejected ones: %v", errs)
	}
	for range 6 {
		if err := s.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		put(t, s, at(now, "more"))
	}
	if errs := s.Put([]*store.Event{at(now, "one too many")}); !errors.Is(errs[0], errSpoolFull) || !errors.Is(s.Ready(), errSpoolFull) {
		t.Errorf("full: %v, ready: %v", errs, s.Ready())
	}
	if got := s.Stats(); got.Bytes != got.MaxBytes || got.Err != nil {
		t.Errorf("%+v", got)
	}
	s.remove(s.files[0])
	put(t, s, at(now, "there is room again"))
	for len(s.files) > 0 {
		s.remove(s.files[0])
	}
	put(t, s, at(now, "old"))
	now = now.Add(time.Hour)
	put(t, s, at(now, "within the age"))
	now = now.Add(time.Second)
	if errs := s.Put([]*store.Event{at(now, "x")}); !errors.Is(errs[0], errSpoolOld) || !errors.Is(s.Ready(), errSpoolOld) {
		t.Errorf("past the age: %v, ready: %v", errs, s.Ready())
	}
	s.Close()
	if errs := s.Put([]*store.Event{at(now, "x")}); !errors.Is(errs[0], errSpoolClosed) {
		t.Errorf("closed: %v", errs)
	}
}

// Nothing counts as kept before both the file and its name are on disk; what could not be brought there leaves nothing.
func TestKeptMeansOnDisk(t *testing.T) {
	broken := errors.New("input/output error")
	var synced []string
	failAt := 0
	o := SpoolOptions{Dir: filepath.Join(t.TempDir(), "spool")}
	o.sync = func(f *os.File) error {
		synced = append(synced, filepath.Base(f.Name()))
		if len(synced) == failAt {
			return broken
		}
		return f.Sync()
	}
	s := openSpool(t, o)
	e := at(signedNow, "x")
	name := spoolFile{id: e.ID, events: 1}.name()
	for n, want := range [][]string{{name + tempSuffix, "spool"}, {name + tempSuffix}, {name + tempSuffix, "spool"}} {
		synced, failAt = nil, n // 0: none fails
		errs := s.Put([]*store.Event{e})
		if failed := errors.Is(errs[0], broken); failed != (n > 0) || !slices.Equal(synced, want) {
			t.Errorf("failing at %d: %v, synced %v", n, errs, synced)
		}
		if n == 0 {
			s.remove(s.files[0])
			continue
		}
		if left := names(t, o.Dir); len(left) != 0 {
			t.Errorf("failing at %d leaves %v", n, left)
		}
		if stats := s.Stats(); stats.Bytes != 0 || stats.Events != 0 || !errors.Is(stats.Err, broken) || !errors.Is(s.Ready(), broken) {
			t.Errorf("failing at %d: %+v, ready: %v", n, stats, s.Ready())
		}
	}
	put(t, s, e)
	if err := s.Ready(); err != nil {
		t.Errorf("not ready after a success: %v", err)
	}
}

// A disk may be taken away at any step: whatever is in the folder then, everything that was answered is in it.
func TestACrashAtAnyStepLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	var kept []*store.Event
	steps := 0
	check := func() {
		steps++
		copied := filepath.Join(t.TempDir(), "spool")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		m := &memory{}
		s := openSpool(t, SpoolOptions{Dir: copied, Recorder: m})
		s.Drain(t.Context())
		s.Close()
		got := m.kept()
		for _, e := range kept {
			if !slices.ContainsFunc(got, func(g *store.Event) bool { return g.ID == e.ID && string(g.Body) == string(e.Body) }) {
				t.Errorf("step %d: %s is lost", steps, e.Body)
			}
		}
		if len(got) > len(kept)+2 {
			t.Errorf("step %d: %d events came of %d", steps, len(got), len(kept))
		}
	}
	s := openSpool(t, SpoolOptions{Dir: dir, sync: func(f *os.File) error {
		if f.Name() != filepath.Dir(dir) {
			check() // before it
		}
		err := f.Sync()
		return err
	}})
	for i := range 5 {
		batch := []*store.Event{at(signedNow, fmt.Sprint("one of ", i)), at(signedNow, fmt.Sprint("two of ", i))}
		put(t, s, batch...)
		kept = append(kept, batch...)
		check()
	}
	if steps < 15 {
		t.Errorf("only %d steps", steps)
	}
}

// failing is a Recorder's hook that answers every event with an error.
func failing(err error) func(context.Context, []*store.Event) []error {
	return func(_ context.Context, events []*store.Event) []error { return failAll(events, err) }
}
