package verify

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	shownBytes   = 24  // of each end of what was signed
	shownHeader  = 120 // of a header's value
	shownDigests = 20
)

// walk tells the checks step by step: what Result.Explain says, and before its word on the signature how that came about.
func (s *search) walk(r Result) ([]Step, *Signed) {
	steps := r.Explain()
	at := slices.IndexFunc(steps, func(step Step) bool { return step.Name == "Signature" })
	seen := s.headersSeen()
	sig, err := s.c.read(s.header)
	if err != nil {
		if err != errNoSignature {
			seen = append(seen, Step{"Reading", Malformed, "The signature cannot be read: " + err.Error() + "."})
		}
		return slices.Insert(steps, at, seen...), nil
	}
	signed := &Signed{Size: len(s.c.prefix(sig)) + len(s.body)}
	signed.First, signed.Last = s.veil.ends(shownBytes, s.c.prefix(sig), s.body)
	seen = append(seen,
		Step{"Reading", "", fmt.Sprintf("The time is %s, which is %s, %s; %s.", s.veil.show(sig.t, maxTime), clockWords(time.Unix(sig.unix, 0)), skewWords(r.skew()), count(len(sig.s), "signature"))},
		Step{"Signed text", "", fmt.Sprintf("%s, joined by full stops: %d bytes, %d of them the body.", partWords(s.c.Signed), signed.Size, len(s.body))},
	)
	seen = append(seen, s.digests(sig)...)
	return slices.Insert(steps, at, seen...), signed
}

// headersSeen shows the headers of the scheme as they came.
func (s *search) headersSeen() []Step {
	var steps []Step
	for _, name := range s.c.names() {
		values := s.header[name]
		if len(values) == 0 {
			steps = append(steps, Step{"Received", Missing, fmt.Sprintf("There is no header %s.", strings.ToLower(name))})
		}
		for i, value := range values {
			if i == 4 {
				steps = append(steps, Step{"Received", Malformed, fmt.Sprintf("There are %d more headers %s.", len(values)-i, strings.ToLower(name))})
				break
			}
			steps = append(steps, Step{"Received", "", fmt.Sprintf("%s: %s", strings.ToLower(name), s.veil.show(value, shownHeader))})
		}
	}
	return steps
}

// digests compares what each secret that is valid now gives with what came. Four bytes from each end tell two digests
// apart and sign nothing.
func (s *search) digests(sig signature) []Step {
	var received []string
	for _, got := range sig.s {
		received = append(received, short(got))
	}
	var steps []Step
	for i, secret := range s.p.settings.Secrets {
		if !secret.ValidAt(s.now) {
			continue
		}
		if len(steps) == shownDigests {
			break
		}
		want := s.c.digest(s.p.keys[i], s.c.prefix(sig), s.body)
		status := Mismatch
		if anyEqual(want, sig.s) {
			status = Valid
		}
		steps = append(steps, Step{"Digest", status, fmt.Sprintf("With the secret %q it is %s; received: %s.", secret.Name, short(want), strings.Join(received, ", "))})
	}
	return steps
}

// short shows the first and last four bytes of a digest.
func short(digest []byte) string {
	return hex.EncodeToString(digest[:4]) + "…" + hex.EncodeToString(digest[len(digest)-4:])
}

func skewWords(skew time.Duration) string {
	switch {
	case skew == 0:
		return "the second it arrived in"
	case skew < 0:
		return fmt.Sprintf("%s after it arrived", -skew)
	}
	return fmt.Sprintf("%s before it arrived", skew)
}

// partWords says "id.time.body" in words.
func partWords(signed string) string {
	words := strings.NewReplacer("id", "the id", "time", "the time", "body", "the body", ".", ", ").Replace(signed)
	if i := strings.LastIndex(words, ", "); i >= 0 {
		words = words[:i] + " and " + words[i+2:]
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

func lowerFirst(words string) string { return strings.ToLower(words[:1]) + words[1:] }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
