package receive

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"

	"recall/seal"
	"recall/store"
)

// A spool file is one line that names the version, and a box (package seal) with the events in it. The box is whole or
// does not open, so it is the checksum, too.
const (
	spoolMagic   = "recall spool "
	spoolHeader  = spoolMagic + "1\n"
	spoolContext = "spool 1"

	lockName   = "lock"
	tempSuffix = ".tmp"
)

var (
	errTorn    = errors.New("not a whole spool file")
	errVersion = errors.New("written by a newer version of this program")
)

// encodeEvents writes events as a spool file. It keeps every field of theirs.
func encodeEvents(events []*store.Event, key seal.Key) ([]byte, error) {
	var plain bytes.Buffer
	if err := gob.NewEncoder(&plain).Encode(events); err != nil {
		return nil, err
	}
	return append([]byte(spoolHeader), key.Seal(plain.Bytes(), spoolContext)...), nil
}

// decodeEvents reads what encodeEvents wrote: at least one event. Its errors are errTorn, errVersion and
// seal.ErrWrongKey.
func decodeEvents(data []byte, key seal.Key) ([]*store.Event, error) {
	box, found := bytes.CutPrefix(data, []byte(spoolHeader))
	if !found {
		if line, _, whole := bytes.Cut(data, []byte("\n")); whole && bytes.HasPrefix(line, []byte(spoolMagic)) {
			return nil, errVersion
		}
		return nil, errTorn
	}
	plain, err := key.Open(box, spoolContext)
	if errors.Is(err, seal.ErrWrongKey) {
		return nil, err
	}
	if err != nil {
		return nil, errTorn
	}
	return decodePlain(plain)
}

func decodePlain(plain []byte) ([]*store.Event, error) {
	var events []*store.Event
	if err := gob.NewDecoder(bytes.NewReader(plain)).Decode(&events); err != nil || len(events) == 0 {
		return nil, errTorn
	}
	return events, nil
}

// readFile reads a file of the folder. One that does not begin like ours is not read any further, however large it is.
func (s *Spool) readFile(name string) (events []*store.Event, size int, err error) {
	f, err := os.Open(filepath.Join(s.o.Dir, name))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data := make([]byte, len(spoolHeader))
	n, err := io.ReadFull(f, data)
	if err == nil && bytes.HasPrefix(data, []byte(spoolMagic)) {
		var rest []byte
		rest, err = io.ReadAll(f)
		data, n = append(data, rest...), n+len(rest)
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, err
	}
	events, err = decodeEvents(data[:n], s.o.Key)
	return events, n, err
}

// spoolFile is one file that waits to be drained. Its name tells all of this but the size, so that a look into the folder
// tells how much waits.
type spoolFile struct {
	id       uuid.UUID // of its first event
	events   int
	rejected bool
	size     int64 // bytes of disk
}

func (f spoolFile) name() string {
	kind := "accepted"
	if f.rejected {
		kind = "rejected"
	}
	return fmt.Sprintf("%s-%d-%s.spool", f.id, f.events, kind)
}

// arrived is when its first event did.
func (f spoolFile) arrived() time.Time { return (&store.Event{ID: f.id}).ReceivedAt() }

var spoolName = regexp.MustCompile(`^([0-9a-f-]{36})-([0-9]{1,9})-(accepted|rejected)\.spool$`)

// parseName reads a name that spoolFile made.
func parseName(name string) (spoolFile, bool) {
	parts := spoolName.FindStringSubmatch(name)
	if parts == nil {
		return spoolFile{}, false
	}
	id, err := uuid.Parse(parts[1])
	if err != nil {
		return spoolFile{}, false
	}
	n, _ := strconv.Atoi(parts[2]) // at most nine digits
	return spoolFile{id: id, events: n, rejected: parts[3] == "rejected"}, true
}

// onDisk is what so many bytes take there, in blocks of 4 KiB.
func onDisk(n int) int64 { return (int64(n) + 4095) &^ 4095 }

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// write makes a file that is there whole or not at all, whatever happens meanwhile. When it returns nil, both the file and
// its name are on disk.
func (s *Spool) write(dir, name string, data []byte) error {
	path := filepath.Join(dir, name)
	temp := path + tempSuffix
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = s.o.sync(f)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	if err := s.syncDir(dir); err != nil {
		os.Remove(path) // should it stay all the same, it is an event more than was promised
		return err
	}
	return nil
}

// syncDir makes the names in a folder outlive a crash.
func (s *Spool) syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.o.sync(f)
}
