package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"recall/seal"
)

func TestParseKey(t *testing.T) {
	secret, _ := hex.DecodeString(hexKey)
	want := parse(t, hexKey)
	for name, text := range map[string]string{
		"hex in capitals":      strings.ToUpper(hexKey),
		"blanks around":        " \t" + hexKey + "\r\n",
		"base64":               base64.StdEncoding.EncodeToString(secret),
		"base64, no padding":   base64.RawStdEncoding.EncodeToString(secret),
		"base64 for URLs":      base64.URLEncoding.EncodeToString(secret),
		"URLs, and no padding": base64.RawURLEncoding.EncodeToString(secret),
	} {
		t.Run(name, func(t *testing.T) {
			if got := parse(t, text); got != want || got.ID() != want.ID() {
				t.Errorf("another key than the one written as hex: %s, want %s", got, want)
			}
		})
	}
	for name, text := range map[string]string{
		"nothing":        " ",
		"too short":      hexKey[:62],
		"too long":       hexKey + "00",
		"no hex":         "g" + hexKey[1:],
		"31 bytes":       base64.StdEncoding.EncodeToString(secret[:31]),
		"33 bytes":       base64.StdEncoding.EncodeToString(append(secret, 1)),
		"a password":     "correct horse battery staple",
		"zeros":          strings.Repeat("0", 64),
		"zeros, base64":  strings.Repeat("A", 43) + "=",
		"two keys":       hexKey + "\n" + hexKey,
		"loose last bit": strings.Repeat("A", 42) + "B=",
	} {
		t.Run(name, func(t *testing.T) {
			key, err := seal.ParseKey(text)
			if err == nil || key != (seal.Key{}) {
				t.Fatalf("got %s, %v; want an error", key, err)
			}
			if !strings.Contains(err.Error(), "openssl rand -hex 32") {
				t.Errorf("%q does not say how to make a key", err)
			}
			if text := strings.TrimSpace(text); text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("%q repeats the text", err)
			}
		})
	}
}

func TestLoadOrCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "key")
	key, created, err := seal.LoadOrCreate(path)
	if err != nil || !created {
		t.Fatalf("first start: created %v, %v", created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("key file: mode %v, %v; want 0600", info.Mode(), err)
	}
	again, created, err := seal.LoadOrCreate(path)
	if err != nil || created || again != key {
		t.Errorf("second start: %s, created %v, %v; want %s", again, created, err, key)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files beside each other, want the key alone", len(files))
	}
	text, err := os.ReadFile(path)
	if err != nil || parse(t, string(text)) != key {
		t.Errorf("the file does not hold the key as ParseKey reads it (%v)", err)
	}
	other, _, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "key"))
	if err != nil || other == key {
		t.Errorf("two files made the same key (%v)", err)
	}
}

func TestStartsAtOnceAgreeOnOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	keys, made, errs := make([]seal.Key, 16), make([]bool, 16), make([]error, 16)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() { keys[i], made[i], errs[i] = seal.LoadOrCreate(path) })
	}
	group.Wait()
	makers := 0
	for i := range keys {
		if errs[i] != nil || keys[i] != keys[0] {
			t.Errorf("start %d: %s, %v; want %s", i, keys[i], errs[i], keys[0])
		}
		if made[i] {
			makers++
		}
	}
	if makers != 1 {
		t.Errorf("%d starts say they made the key, want 1", makers)
	}
}

func TestLoadOrCreateRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(path string) error
		want    string
	}{
		"readable by others":  {write(hexKey, 0o644), "chmod 600 "},
		"readable by a group": {write(hexKey, 0o640), "chmod 600 "},
		"writable by others":  {write(hexKey, 0o602), "chmod 600 "},
		"empty":               {write("", 0o600), "the key is empty"},
		"no key":              {write("s3cret", 0o600), "32 bytes"},
		"too large":           {write(strings.Repeat(hexKey, 1000), 0o600), "32 bytes"},
		"a folder":            {func(path string) error { return os.Mkdir(path, 0o700) }, "is no file"},
		"a link to nowhere":   {func(path string) error { return os.Symlink(path+".gone", path) }, "no such file"},
		"under a file":        {func(path string) error { return os.WriteFile(filepath.Dir(path), nil, 0o600) }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "key")
			if test.want != "not a directory" {
				if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := test.prepare(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			key, created, err := seal.LoadOrCreate(path)
			if err == nil || created || key != (seal.Key{}) {
				t.Fatalf("got %s, created %v, %v; want an error", key, created, err)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), filepath.Dir(path)) {
				t.Errorf("%q does not say %q and where", err, test.want)
			}
			for _, secret := range []string{hexKey, "s3cret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q shows what is in the file", err)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func write(text string, mode os.FileMode) func(path string) error {
	return func(path string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, text := range []string{hexKey, hexKey[:63], "", "=", strings.Repeat("A", 43) + "=", strings.Repeat("-", 43), strings.Repeat("0", 64)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := seal.ParseKey(text)
		if (err != nil) != (key == seal.Key{}) {
			t.Fatalf("key %s and error %v", key, err)
		}
		if err != nil {
			return
		}
		if plain, err := key.Open(key.Seal([]byte("s3cret"), "here"), "here"); err != nil || string(plain) != "s3cret" {
			t.Errorf("the key does not open what it sealed: %v", err)
		}
	})
}
