package verify

import (
	"bytes"
	"crypto/hmac"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is tried for one callback.
const (
	maxWork      = 48 << 20 // bytes read, made or digested in each of the five phases
	workPerTry   = 256      // what a try costs besides its bytes
	maxReencoded = 2 << 20  // bytes of a body that is still re-encoded
)

// assumption is one thing that is taken to be otherwise than it should be. The zero one takes nothing so.
type assumption struct {
	cause  Cause
	clause string // continues "The signature fits when …"
	do     string // one or two sentences
}

// reading is one way to read a callback's signature, all but its body: where it stood, by which key and over what.
type reading struct {
	assumed []assumption
	key     []byte
	prefix  []byte
	s       [][]byte
	cut     bool // s are the beginnings of signatures
}

// fits tells whether the signature covers the body, read this way.
func (s *search) fits(r reading, body []byte) bool {
	s.work += len(body) + workPerTry
	want := s.c.digest(r.key, r.prefix, body)
	if !r.cut {
		return anyEqual(want, r.s)
	}
	return slices.ContainsFunc(r.s, func(got []byte) bool { return hmac.Equal(want[:len(got)], got) })
}

// signature looks for what makes the signature fit: first one thing that is otherwise, then several at once.
func (s *search) signature(r Result) Finding {
	readings := s.readings()
	phases := []struct {
		run  func() (Finding, bool)
		what string
	}{
		{s.otherSchemes, "More secrets under other signing schemes"},
		{func() (Finding, bool) { return s.asItIs(readings[1]) }, "More secrets and ways to read the headers"},
		{func() (Finding, bool) { return s.reencoded(readings[0], 4) }, "More ways to re-encode the body"},
		{func() (Finding, bool) { return s.asItIs(append(readings[2], readings[3]...)) }, "More combinations of secrets and ways to read the headers"},
		{func() (Finding, bool) { return s.reencoded(append(readings[1], readings[2]...), 2) }, "More combinations of secrets, ways to read the headers and to re-encode the body"},
	}
	for _, phase := range phases {
		s.work = 0
		if f, ok := phase.run(); ok {
			return f
		}
		if s.spent() {
			s.left = append(s.left, phase.what+": they are too many for a body of this size.")
		}
	}
	if f, ok := s.cutShort(); ok {
		return f
	}
	return s.unexplained(r)
}

func (s *search) spent() bool { return s.work >= maxWork }

// readings are all ways to read the callback, by the number of things assumed.
func (s *search) readings() (by [4][]reading) {
	keys, framings := s.keys(), s.framings()
	for _, c := range s.carriers() {
		for _, k := range keys {
			for _, f := range framings {
				prefix, ok := f.prefix(c.signature)
				if !ok {
					continue
				}
				r := reading{key: k.key, prefix: prefix, s: c.s, cut: c.cause == CauseHeaderCut}
				for _, a := range []assumption{c.assumption, k.assumption, f.assumption} {
					if a.cause != "" {
						r.assumed = append(r.assumed, a)
					}
				}
				by[len(r.assumed)] = append(by[len(r.assumed)], r)
			}
		}
	}
	return by
}

func (s *search) asItIs(readings []reading) (Finding, bool) {
	for _, r := range readings {
		if s.spent() {
			break
		}
		s.count(r.assumed)
		if s.fits(r, s.body) {
			return fitting(r.assumed), true
		}
	}
	return Finding{}, false
}

// reencoded tries up to depth steps that undo what may have been done to the body, few before many.
func (s *search) reencoded(readings []reading, depth int) (Finding, bool) {
	if len(readings) == 0 || len(s.body) == 0 {
		return Finding{}, false
	}
	if len(s.body) > maxReencoded {
		s.leave(fmt.Sprintf("Ways to re-encode the body: it has more than %d bytes.", maxReencoded))
		return Finding{}, false
	}
	for body, steps := range s.variants(depth) {
		a := reencoding(steps)
		for _, r := range readings {
			if s.spent() {
				return Finding{}, false
			}
			assumed := append(slices.Clip(r.assumed), a)
			s.count(assumed)
			if s.fits(r, body) {
				return fitting(assumed), true
			}
		}
	}
	return Finding{}, false
}

// count notes a try under its cause. What was assumed together is one more variant of the first.
func (s *search) count(assumed []assumption) { s.try(assumed[0].cause) }

func (s *search) leave(what string) {
	if !slices.Contains(s.left, what) {
		s.left = append(s.left, what)
	}
}

// fitting puts what had to be assumed into one sentence, and what to do into the next.
func fitting(assumed []assumption) Finding {
	f := Finding{Cause: assumed[0].cause}
	var clauses, do []string
	for i, a := range assumed {
		if i > 0 {
			f.With = append(f.With, a.cause)
		}
		clauses = append(clauses, a.clause)
		if !slices.Contains(do, a.do) {
			do = append(do, a.do)
		}
	}
	f.Words = "The signature fits when " + strings.Join(clauses, ", and ") + "."
	f.Do = strings.Join(do, " ")
	return f
}

// unexplained says what it means that nothing fits.
func (s *search) unexplained(r Result) Finding {
	if r.Signature == NoSecret {
		return Finding{
			Cause: CauseSecretMissing,
			Words: "The source has no secret that is valid now, so no signature of it can be checked.",
			Do:    fmt.Sprintf("Add the secret that %s shows for this callback, then verify the callback again.", s.sender()),
		}
	}
	f := Finding{Do: fmt.Sprintf("Compare the secret and the URL of this callback at %s with this source's, and ask who else knows the URL. ", s.sender())}
	name := strings.ToLower(s.c.header)
	switch {
	case r.Signature == Missing:
		f.Words = fmt.Sprintf("There is no %s header, and no other header holds the signature: ", name)
		f.Do = "A proxy on the way may remove headers that it does not know; let it pass this one. " + f.Do
	case r.Signature == Malformed:
		f.Words = fmt.Sprintf("The %s header cannot be read, ", name) + s.nothingFits() + ": "
	default:
		f.Words = "The signature was made by no secret known here for this body, " + s.nothingFits() + ": "
		f.Do += "If it is the right secret, something on the way changes the body: compare its size with the one that was sent, and let every proxy pass the bytes as they are."
	}
	switch r.Signature {
	case Missing, Malformed:
		f.Words += "the request is not from " + s.sender() + ", or something on the way changed its headers."
	default:
		f.Words += "the secret is one that Recall does not know, or the body was changed in a way that cannot be guessed, or the callback is forged."
	}
	f.Do = strings.TrimSpace(f.Do + " " + s.clue())
	return f
}

// clue is what the body itself says about changes that cannot be undone.
func (s *search) clue() string {
	if length := s.header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(s.body)) {
		return fmt.Sprintf("Content-Length says %s and the body has %d bytes, so that it was changed after it was sent.", s.veil.show(length, 20), len(s.body))
	}
	if bytes.Contains(s.body, []byte("\ufffd")) {
		return "The body holds U+FFFD, which stands for characters that were lost: something on the way read it in the wrong character set."
	}
	return ""
}

func (s *search) nothingFits() string {
	switch n := len(s.trials); n {
	case 0:
		return "and there was nothing else to try"
	case 1:
		return "and the 1 other explanation tried does not fit"
	default:
		return fmt.Sprintf("and none of the %d other explanations tried fits", n)
	}
}

func (s *search) sender() string {
	if s.c.Scheme == Plenigo {
		return "plenigo"
	}
	return "the sender"
}
