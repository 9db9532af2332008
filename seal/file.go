package seal

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unique"
)

// ParseKey reads a key written as 64 hex digits or as base64 of 32 bytes; surrounding blanks do not matter. The error
// says how a key is written and how to make one, and repeats nothing of the text.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Key{}, errors.New("the key is empty; " + howToMake)
	}
	secret, ok := decode(text)
	if !ok {
		return Key{}, errors.New("the key must be 32 bytes, written as 64 hex digits or as base64; " + howToMake)
	}
	if secret == ([keySize]byte{}) {
		return Key{}, errors.New("a key of zeros protects nothing; " + howToMake)
	}
	return Key{secret: unique.Make(unique.Make(secret))}, nil
}

const howToMake = "make one with: openssl rand -hex 32"

func decode(text string) (secret [keySize]byte, ok bool) {
	var plain []byte
	var err error
	if len(text) == hex.EncodedLen(keySize) {
		plain, err = hex.DecodeString(text)
	} else {
		text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		plain, err = base64.RawStdEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(plain) != keySize {
		return secret, false
	}
	return [keySize]byte(plain), true
}

// LoadOrCreate reads the key from a file, or makes a new one there (mode 0600) when there is none. Programs that start
// at once agree on one key, and a crash leaves a whole key or none. A file that others may read is refused.
func LoadOrCreate(path string) (key Key, created bool, err error) {
	key, err = load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	err = create(path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, false, fmt.Errorf("making the key file %s: %w", path, err)
	}
	created = err == nil
	key, err = load(path)
	return key, created, err
}

// Load reads the key from a file; fs.ErrNotExist when there is none.
func Load(path string) (Key, error) { return load(path) }

// Replace makes a new key in the file, and keeps the one that was there in previous, which must not be there yet. A crash between
// the two leaves the old key in both, and Replace can be called again.
func Replace(path, previous string) error {
	old, err := load(path)
	if err != nil {
		return err
	}
	switch kept, err := load(previous); {
	case err == nil && kept != old:
		return fmt.Errorf("the file %s is there already: the rotation before is not over", previous)
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Link(path, previous); err != nil {
			return fmt.Errorf("keeping the key: %w", err)
		}
	case err != nil:
		return err
	}
	fresh := path + ".fresh"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making a new key: %w", err)
	}
	if err := create(fresh); err != nil {
		return fmt.Errorf("making a new key: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("making a new key: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// load reads the key from a file; fs.ErrNotExist when there is none.
func load(path string) (Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("the key file %s is no file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Key{}, fmt.Errorf("the key file %s is open to other users of this machine (mode %04o); close it with: chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, 1<<10))
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("the key file %s: %w", path, err)
	}
	return key, nil
}

// create puts a new key into a file that is not there yet; fs.ErrExist when it is. The key is on disk before it has its
// name, and a link, unlike a rename, takes no name away from another program that was faster.
func create(path string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(folder, filepath.Base(path)+".new-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	secret := make([]byte, keySize)
	rand.Read(secret) // never fails
	_, err = temporary.WriteString(hex.EncodeToString(secret) + "\n")
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
