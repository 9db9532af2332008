package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"recall/seal"
)

const hexKey = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"

func parse(t testing.TB, text string) seal.Key {
	t.Helper()
	key, err := seal.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSealAndOpen(t *testing.T) {
	key := parse(t, hexKey)
	for name, plain := range map[string][]byte{
		"nothing": {},
		"secret":  []byte("s3cret"),
		"binary":  {0, 0xff, 0, 1},
		"large":   bytes.Repeat([]byte("x"), 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			box := key.Seal(plain, "source 12 secret first")
			got, err := key.Open(box, "source 12 secret first")
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("opened %d bytes, %v; want the %d bytes sealed", len(got), err, len(plain))
			}
			if len(plain) > 1 && bytes.Contains(box, plain) {
				t.Error("the box holds the plain bytes")
			}
			if bytes.Equal(box, key.Seal(plain, "source 12 secret first")) {
				t.Error("sealing twice gives the same box")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	key, other := parse(t, hexKey), parse(t, strings.Repeat("ab", 32))
	box := key.Seal([]byte("s3cret"), "source 12 secret first")
	flipped := func(i int) []byte {
		b := bytes.Clone(box)
		b[i] ^= 1
		return b
	}
	for name, test := range map[string]struct {
		key     seal.Key
		box     []byte
		context string
		want    error
	}{
		"other key":         {other, box, "source 12 secret first", seal.ErrWrongKey},
		"other context":     {key, box, "source 13 secret first", seal.ErrDamaged},
		"no context":        {key, box, "", seal.ErrDamaged},
		"nothing":           {key, nil, "source 12 secret first", seal.ErrDamaged},
		"cut":               {key, box[:len(box)-1], "source 12 secret first", seal.ErrDamaged},
		"cut to the header": {key, box[:5], "source 12 secret first", seal.ErrDamaged},
		"longer":            {key, append(bytes.Clone(box), 0), "source 12 secret first", seal.ErrDamaged},
		"other version":     {key, flipped(0), "source 12 secret first", seal.ErrDamaged},
		"other key id":      {key, flipped(1), "source 12 secret first", seal.ErrWrongKey},
		"nonce changed":     {key, flipped(6), "source 12 secret first", seal.ErrDamaged},
		"last byte changed": {key, flipped(len(box) - 1), "source 12 secret first", seal.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			plain, err := test.key.Open(test.box, test.context)
			if !errors.Is(err, test.want) || plain != nil {
				t.Errorf("got %q, %v; want %v", plain, err, test.want)
			}
		})
	}

	_, err := other.Open(box, "source 12 secret first")
	if !strings.Contains(err.Error(), key.ID()) || !strings.Contains(err.Error(), other.ID()) {
		t.Errorf("%q names not both keys, %s and %s", err, key.ID(), other.ID())
	}
}

func TestZeroKeySealsNothing(t *testing.T) {
	var zero seal.Key
	if _, err := zero.Open(parse(t, hexKey).Seal(nil, ""), ""); err == nil {
		t.Error("the zero key opens a box")
	}
	for name, use := range map[string]func(){
		"seal":   func() { zero.Seal([]byte("s3cret"), "") },
		"derive": func() { zero.Derive("cookies", 32) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			use()
		})
	}
}

func TestDerive(t *testing.T) {
	key := parse(t, hexKey)
	cookies := key.Derive("cookies", 32)
	if len(cookies) != 32 || len(key.Derive("cookies", 64)) != 64 {
		t.Error("the length is not the one asked for")
	}
	if !bytes.Equal(cookies, parse(t, hexKey).Derive("cookies", 32)) {
		t.Error("the same key and purpose give another derived key")
	}
	if bytes.Equal(cookies, key.Derive("spool", 32)) || bytes.Equal(cookies, parse(t, strings.Repeat("ab", 32)).Derive("cookies", 32)) {
		t.Error("another purpose or key gives the same derived key")
	}
}

// A key shows its id at most, however it is printed and wherever it stands.
func TestKeyIsNeverShown(t *testing.T) {
	type holder struct {
		Exported seal.Key
		hidden   seal.Key
	}
	key := parse(t, strings.Repeat("Z", 42)+"U=") // 32 bytes, mostly of three values
	if len(key.ID()) != 8 {
		t.Fatalf("id %q, want 8 hex digits", key.ID())
	}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%T"} {
		for _, value := range []any{key, &key, holder{key, key}, &holder{key, key}, []seal.Key{key}, map[string]seal.Key{"key": key}} {
			fmt.Fprintf(&shown, verb+"\n", value)
		}
	}
	text := slog.New(slog.NewTextHandler(&shown, nil))
	text.Info("started", "key", key, "holder", holder{key, key})
	lines := slog.New(slog.NewJSONHandler(&shown, nil))
	lines.Info("started", "key", key, "holder", holder{key, key})
	asJSON, err := json.Marshal(holder{key, key})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(asJSON)

	secret := []byte("e\x96Ye\x96Ye\x96Ye\x96Ye\x96Ye\x96Ye\x96Ye\x96Ye\x96Ye\x96Ye\x95")
	for _, part := range []string{
		"ZZZZ", fmt.Sprint(secret[:4])[1:10], fmt.Sprintf("%x", secret[:4]), fmt.Sprintf("%X", secret[:4]),
		"0x65, 0x96", string(secret[:4]), fmt.Sprintf("%o", secret[:2])[1:8], fmt.Sprintf("%b", secret[:2])[1:15],
	} {
		if strings.Contains(shown.String(), part) {
			t.Errorf("%q of the key is shown", part)
		}
	}
	if !strings.Contains(shown.String(), key.ID()) {
		t.Error("the id is shown nowhere")
	}
}

// sealedBefore is "s3cret" as hexKey sealed it for "source 12 secret first".
var sealedBefore, _ = hex.DecodeString("01445abee1f7681d31e329af1c52040d2836cd7ebf8f484365997a13bf4ae5dd87e12b4bbe60ef")

// What an older program sealed or derived must stay as it is.
func TestOlderBoxesOpen(t *testing.T) {
	key := parse(t, hexKey)
	if plain, err := key.Open(sealedBefore, "source 12 secret first"); err != nil || string(plain) != "s3cret" {
		t.Errorf("opened %q, %v", plain, err)
	}
	if got, want := key.ID(), "445abee1"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(key.Derive("cookies", 16)), "ea71567efd54f4954018e8ab3bd17c52"; got != want {
		t.Errorf("derived %s, want %s", got, want)
	}
}

func FuzzOpen(f *testing.F) {
	key, box := parse(f, hexKey), sealedBefore
	f.Add(box, "source 12 secret first")
	f.Add(box[:20], "source 12 secret first")
	f.Add([]byte{}, "")
	f.Add([]byte{1}, "x")
	f.Fuzz(func(t *testing.T, b []byte, context string) {
		plain, err := key.Open(b, context)
		if (err == nil) != (bytes.Equal(b, box) && context == "source 12 secret first") {
			t.Errorf("opened a box that was never sealed here: %q", plain)
		}
		if err != nil && !errors.Is(err, seal.ErrDamaged) && !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("an error without a kind: %v", err)
		}
	})
}
