package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
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

// fill gives every field of a value something that is not zero, so that a field which is added later is tested, too.
func fill(t *testing.T, v reflect.Value, path string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("2001:db8::1")))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), path)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), path)
		}
	case reflect.Map: // the header
		v.Set(reflect.ValueOf(http.Header{"X-Bytes": {"\xff\x00\xfe", "", "ä"}, "X-Script": {"<script>"}}))
	case reflect.String:
		v.SetString("text\xff\x00 of " + path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(0xff)
	case reflect.Int, reflect.Int64:
		v.SetInt(-1 << 40)
	default:
		t.Fatalf("%s is a %s: what is written into the spool must be decided", path, v.Kind())
	}
}

func TestASpoolFileKeepsEveryField(t *testing.T) {
	full := &store.Event{}
	fill(t, reflect.ValueOf(full).Elem(), "Event")
	for name, e := range map[string]*store.Event{
		"full": full, "empty": {}, "nobody": {Sender: netip.Addr{}, Header: http.Header{"X-Empty": {""}}, Body: []byte{0}},
	} {
		data, err := encodeEvents([]*store.Event{e, full}, storetest.Key())
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEvents(data, storetest.Key())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[0], e) || !reflect.DeepEqual(got[1], full) {
			t.Errorf("%s: read as %+v, want %+v", name, got[0], e)
		}
	}
}

// goldenEvent is what testdata/version1.spool holds.
func goldenEvent() *store.Event {
	body := []byte("{\"entityType\":\"CUSTOMER\"}\xff\x00")
	return &store.Event{
		ID: uuid.MustParse("0192b336-5780-7abc-8def-0123456789ab"), SourceID: 7,
		Verification: verify.Result{
			Verdict: verify.Late, Reason: verify.ReasonSignatureExpired, Signature: verify.Expired, Basic: verify.Valid, Header: verify.Valid,
			Headers: []verify.HeaderCheck{{Name: "X-Token", Status: verify.Valid}}, SignedAt: 1729583536, SkewSeconds: 3600, Secret: "current",
		},
		Answered: 200, Window: 32 * time.Hour, Sender: netip.MustParseAddr("203.0.113.7"),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Many": {"\xff", ""}},
		Body:   body, BodySHA256: [32]byte{1, 0xff}, Size: int64(len(body)), APIVersion: "20240827",
		Envelope: plenigo.Envelope{
			IsJSON: true, EntityType: "CUSTOMER", CallbackType: "CHANGE", EntityID: "48377",
			ChangedAt: time.Date(2024, 8, 27, 11, 49, 41, 389622000, time.UTC),
			Customers: []plenigo.CustomerLink{{CustomerID: "48377", Path: "entityId"}},
		},
	}
}

// A file that an older version of the program wrote is read as long as there may be one somewhere. If this fails because a
// field was renamed, give the spool a version of its own for the new name, and keep reading the old one.
func TestAnOldSpoolFileIsRead(t *testing.T) {
	data, err := os.ReadFile("testdata/version1.spool")
	if err != nil {
		t.Fatal(err)
	}
	events, err := decodeEvents(data, storetest.Key())
	if err != nil {
		t.Fatal(err)
	}
	want := goldenEvent()
	if len(events) != 1 || !reflect.DeepEqual(events[0], want) {
		t.Errorf("read as %+v, want %+v", events[0], want)
	}
}

// Whatever is cut off or changed is told from what is whole.
func TestATornFileIsKnown(t *testing.T) {
	key := storetest.Key()
	data, err := encodeEvents([]*store.Event{goldenEvent()}, key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := decodeEvents(data[:n], key); !errors.Is(err, errTorn) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(data), err)
		}
		changed := slices.Clone(data)
		changed[n] ^= 0x20
		if _, err := decodeEvents(changed, key); err == nil {
			t.Fatalf("changed at byte %d of %d: no error", n, len(data))
		}
	}
	if _, err := decodeEvents(append(data, 0), key); !errors.Is(err, errTorn) {
		t.Errorf("a byte more: %v", err)
	}
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

func FuzzDecodeEvents(f *testing.F) {
	key := storetest.Key()
	data, err := encodeEvents([]*store.Event{goldenEvent()}, key)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := key.Open(data[len(spoolHeader):], spoolContext)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, plain)
	f.Add([]byte("recall spool 2\n"), []byte{})
	f.Add(data[:40], plain[:40])
	f.Fuzz(func(t *testing.T, data, plain []byte) {
		if _, err := decodeEvents(data, key); err != nil && !errors.Is(err, errTorn) && !errors.Is(err, errVersion) && !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("an error without a kind: %v", err)
		}
		if events, err := decodePlain(plain); (err == nil) != (len(events) > 0) || err != nil && !errors.Is(err, errTorn) {
			t.Errorf("%d events and %v", len(events), err)
		}
	})
}

func TestSpoolNames(t *testing.T) {
	f := spoolFile{id: goldenEvent().ID, events: 12, rejected: true}
	if got, found := parseName(f.name()); !found || got != f {
		t.Errorf("%s read as %+v", f.name(), got)
	}
	for _, name := range []string{"", "x.spool", f.name() + ".tmp", strings.Replace(f.name(), "12", "-12", 1), strings.Repeat("-", 36) + "-1-accepted.spool"} {
		if _, found := parseName(name); found {
			t.Errorf("%q is a name", name)
		}
	}
}

// failing is a Recorder's hook that answers every event with an error.
func failing(err error) func(context.Context, []*store.Event) []error {
	return func(_ context.Context, events []*store.Event) []error { return failAll(events, err) }
}
