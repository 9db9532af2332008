// Package seal encrypts secrets at rest with the program's key, and derives other keys from it.
package seal

// Key is the program's key: 32 bytes. The zero Key seals nothing.
type Key struct{ secret [32]byte }

// ParseKey reads a key written as 64 hex digits or as base64 of 32 bytes; surrounding blanks do not matter.
func ParseKey(text string) (Key, error) { panic("contract") }

// LoadOrCreate reads the key from a file, or makes a new one there (mode 0600) when there is none.
func LoadOrCreate(path string) (key Key, created bool, err error) { panic("contract") }

// ID names the key without telling anything about it: 8 hex digits.
func (k Key) ID() string { panic("contract") }

// Seal encrypts plain (AES-256-GCM, fresh nonce). The same context must be given to Open: a box moved to another
// place does not open.
func (k Key) Seal(plain []byte, context string) []byte { panic("contract") }

// Open decrypts what Seal made. The error tells a wrong key (by its ID) from a damaged box.
func (k Key) Open(box []byte, context string) ([]byte, error) { panic("contract") }

// Derive makes a key of n bytes for another purpose (HKDF-SHA256), such as signing cookies.
func (k Key) Derive(purpose string, n int) []byte { panic("contract") }
