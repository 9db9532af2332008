package store

import (
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Bounds of a new password.
const (
	MinPassword = 10   // characters: a passphrase of three words is longer
	MaxPassword = 1000 // bytes
)

// How new passwords are hashed: argon2id with the least that OWASP recommends (m=19 MiB, t=2, p=1), because several may
// log in at once on a small machine. Older hashes are checked with the numbers they carry.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonHash    = 32 // bytes
)

// commonPasswords are those of at least MinPassword characters among the 47,000 most used ones that zxcvbn lists (MIT licence),
// in lower case.
//
//go:embed common_passwords.txt
var commonPasswords string

// ValidatePassword checks a new password of a user. The error says in one sentence what is wrong with it.
func ValidatePassword(user, password string) error {
	lower := strings.ToLower(password)
	distinct := map[rune]bool{}
	for _, r := range lower {
		distinct[r] = true
	}
	switch {
	case utf8.RuneCountInString(password) < MinPassword:
		return fmt.Errorf("the password needs at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("the password may have at most %d bytes", MaxPassword)
	case strings.Contains("\n"+commonPasswords, "\n"+lower+"\n"):
		return errors.New("the password is one of the most used ones, which are tried first; take three or four words that have nothing to do with each other")
	case len(distinct) < 5:
		return errors.New("the password needs at least 5 different characters")
	case len(user) >= 3 && strings.Contains(lower, strings.ToLower(user)) && utf8.RuneCountInString(password)-utf8.RuneCountInString(user) < MinPassword:
		return fmt.Errorf("the password holds the user's name, and needs at least %d characters besides it", MinPassword)
	}
	return nil
}

// hashPassword returns an argon2id hash in PHC form.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails
	hash := derive(password, salt, argonTime, argonMemory, argonThreads, argonHash)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(hash))
}

// derive has the memory it took collected at once. Left to its time, it would count as in use when the heap's next size is
// chosen, and let it grow to a multiple.
func derive(password string, salt []byte, time, memory uint32, threads uint8, length uint32) []byte {
	defer runtime.GC()
	return argon2.IDKey([]byte(password), salt, time, memory, threads, length)
}

// nobody is a hash that no password fulfils in practice; checking it takes as long as checking a user's.
var nobody = sync.OnceValue(func() string { return hashPassword(rand.Text()) })

var errPasswordHash = errors.New("a stored password hash cannot be read; set the user's password anew")

// matchPassword tells whether a password fulfils a hash, by the hash's own numbers.
func matchPassword(password, phc string) (bool, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false, errPasswordHash
	}
	var memory, time uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &threads); err != nil {
		return false, errPasswordHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errPasswordHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 1024 || time < 1 || time > 100 || threads < 1 || memory > 1<<21 {
		return false, errPasswordHash
	}
	got := derive(password, salt, time, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
