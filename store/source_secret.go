package store

import (
	"fmt"
	"slices"
	"time"

	"recall/verify"
)

// DefaultOverlap is how long an old secret stays valid beside a new one, unless told otherwise. It covers what plenigo may
// still send with the old one: its last retry comes 24 or 31 hours after the first attempt (REFERENCE §4).
const DefaultOverlap = 48 * time.Hour

// ValidSecrets returns the secrets that are valid at a time, oldest first.
func (s *Source) ValidSecrets(now time.Time) []verify.Secret {
	var valid []verify.Secret
	for _, secret := range s.Secrets {
		if secret.ValidAt(now) {
			valid = append(valid, secret)
		}
	}
	return valid
}

// Rotate adds a secret that is valid from now on, and ends the others when the overlap is over. What would end sooner
// anyway still does, and what is not valid yet will be.
func (s *Source) Rotate(next verify.Secret, overlap time.Duration, now time.Time) {
	now = now.UTC().Truncate(time.Microsecond) // as the database keeps it
	until := now.Add(overlap)
	s.Secrets = slices.Clone(s.Secrets)
	for i := range s.Secrets {
		secret := &s.Secrets[i]
		if secret.ValidAt(now) && (secret.Until.IsZero() || secret.Until.After(until)) {
			secret.Until = until
		}
	}
	next.From = now
	s.Secrets = append(s.Secrets, next)
}

// FreeSecretName is the day, with a number where a secret has that name already, or had: what verified with which secret
// is counted by name.
func (s *Source) FreeSecretName(now time.Time, uses []SecretUse) string {
	day := now.UTC().Format(time.DateOnly)
	name := day
	for n := 2; s.secretNamed(name) || used(uses, name).Events > 0; n++ {
		name = fmt.Sprintf("%s-%d", day, n)
	}
	return name
}

func (s *Source) secretNamed(name string) bool {
	return slices.ContainsFunc(s.Secrets, func(secret verify.Secret) bool { return secret.Name == name })
}

// used finds the uses of a secret; the zero SecretUse is none.
func used(uses []SecretUse, name string) SecretUse {
	for _, u := range uses {
		if u.Secret == name {
			return u
		}
	}
	return SecretUse{}
}

// Spare is a secret that can be retired: Newer has verified callbacks since it was last needed.
type Spare struct {
	Secret, Newer string        // names
	Since         time.Time     // when it was last needed; zero: never
	Unused        time.Duration // for at least so long
}

// spareAfter is how long a secret must not have been needed: what plenigo repeats after an outage is over by then.
const spareAfter = DefaultOverlap

// SpareSecrets finds the valid secrets without an end that were not needed for two days, while a newer one was.
func (s *Source) SpareSecrets(uses []SecretUse, now time.Time) []Spare {
	var spare []Spare
	for i, old := range s.Secrets {
		if !old.ValidAt(now) || !old.Until.IsZero() {
			continue
		}
		last := used(uses, old.Name).LastUsed
		needed := last
		for _, since := range []time.Time{s.CreatedAt, old.From} { // one that was never needed may just be new
			if last.IsZero() && since.After(needed) {
				needed = since
			}
		}
		for _, newer := range s.Secrets[i+1:] {
			if newer.ValidAt(now) && used(uses, newer.Name).LastUsed.After(needed) && now.Sub(needed) > spareAfter {
				spare = append(spare, Spare{Secret: old.Name, Newer: newer.Name, Since: last, Unused: now.Sub(needed)})
				break
			}
		}
	}
	return spare
}
