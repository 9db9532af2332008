package receive

import (
	"errors"
	"net/http"
	"net/netip"
	"os"
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
