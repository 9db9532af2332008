// Package seal encrypts secrets at rest with the program's key, and derives other keys from it.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"unique"
)

var (
	// ErrWrongKey: the box was sealed with another key.
	ErrWrongKey = errors.New("sealed with another key")
	// ErrDamaged: the box was sealed with this key, but was changed, cut, or moved here from another place.
	ErrDamaged = errors.New("sealed value is damaged or not from here")
)

// Key is the program's key: 32 bytes. The zero Key seals nothing: Seal and Derive panic, Open fails. Keys compare with
// ==. However a Key is printed, it shows its ID at most. Package fmt does not ask an unexported field of another struct
// how to print it, but follows one pointer where a verb does not fit: two of them keep the bytes out of sight there too.
//
// A Key may have a previous one beside it (WithPrevious), which opens what was sealed before a rotation.
type Key struct{ secret, previous unique.Handle[handle] }

type handle = unique.Handle[[keySize]byte]

const keySize = 32

// A box is a version, the key's id, and what GCM makes: nonce, ciphertext and tag. Version and id are authenticated.
const (
	version    = 1
	idSize     = 4
	headerSize = 1 + idSize
	overhead   = 12 + 16 // nonce and tag
)

// ID names the key without telling anything about it: 8 hex digits. The zero Key's are zeros.
func (k Key) ID() string { return hex.EncodeToString(k.id()) }

func (k Key) id() []byte {
	if k == (Key{}) {
		return make([]byte, idSize)
	}
	return k.derive("recall: id of the key", idSize)
}

// WithPrevious is the key with another one that opens what it sealed; the zero Key takes it away. Nothing is sealed or derived
// with it.
func (k Key) WithPrevious(other Key) Key {
	k.previous = other.secret
	return k
}

// Previous returns the key beside this one; zero: there is none.
func (k Key) Previous() Key { return Key{secret: k.previous} }

// KeyOf names the key that sealed a box, by the box alone; "": it is no box.
func KeyOf(box []byte) string {
	if len(box) < headerSize+overhead || box[0] != version {
		return ""
	}
	return hex.EncodeToString(box[1:headerSize])
}

// Seal encrypts plain (AES-256-GCM, fresh nonce). The same context must be given to Open: a box moved to another
// place does not open.
func (k Key) Seal(plain []byte, context string) []byte {
	if k == (Key{}) {
		panic("seal: the zero Key seals nothing")
	}
	header := append([]byte{version}, k.id()...)
	return append(header, k.gcm().Seal(nil, nil, plain, additional(header, context))...)
}

// Open decrypts what Seal made. The error tells a wrong key (ErrWrongKey, with both IDs) from a damaged box (ErrDamaged).
func (k Key) Open(box []byte, context string) ([]byte, error) {
	if k == (Key{}) {
		return nil, errors.New("no key to open a sealed value with")
	}
	if len(box) < headerSize+overhead || box[0] != version {
		return nil, ErrDamaged
	}
	header := box[:headerSize]
	if id := hex.EncodeToString(header[1:]); id != k.ID() {
		if previous := k.Previous(); previous != (Key{}) && id == previous.ID() {
			return previous.Open(box, context)
		}
		return nil, fmt.Errorf("%w: %s, not %s", ErrWrongKey, id, k.ID())
	}
	plain, err := k.gcm().Open(nil, nil, box[headerSize:], additional(header, context))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// additional is what is authenticated besides the plain bytes. The header is of fixed length, so no two pairs are alike.
func additional(header []byte, context string) []byte {
	return append(append([]byte(nil), header...), context...)
}

func (k Key) gcm() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("recall: sealing", keySize))
	if err != nil {
		panic(err) // the key's size is right
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES fits
	}
	return gcm
}

// Derive makes a key of n bytes for another purpose (HKDF-SHA256), such as signing cookies.
func (k Key) Derive(purpose string, n int) []byte {
	if k == (Key{}) {
		panic("seal: nothing can be derived from the zero Key")
	}
	return k.derive("derived: "+purpose, n) // set apart from the purposes in this file
}

func (k Key) derive(info string, n int) []byte {
	secret := k.secret.Value().Value()
	key, err := hkdf.Key(sha256.New, secret[:], nil, info, n)
	if err != nil {
		panic(err) // n is past 255 hashes
	}
	return key
}

// String names the key by its ID.
func (k Key) String() string { return "key " + k.ID() }

// GoString is String, so that %#v tells no more.
func (k Key) GoString() string { return k.String() }

// Format is String, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue is String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
