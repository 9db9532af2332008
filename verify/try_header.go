package verify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// carrier is a signature as the headers may have meant it.
type carrier struct {
	assumption
	signature
}

const (
	maxCandidates = 8  // headers, copies or times that are looked at
	minCut        = 8  // bytes of a cut-off signature that still prove something
	maxTime       = 40 // characters of a time that is not in seconds
)

// carriers are the signature as read by the rules, if it can be, and then as it may have been before something on the
// way touched the headers.
func (s *search) carriers() []carrier {
	var all []carrier
	sig, err := s.c.read(s.header)
	if err == nil {
		all = append(all, carrier{signature: sig})
	} else {
		all = append(all, s.copies()...)
		all = append(all, s.loose()...)
	}
	renamed := s.renamed()
	if err != nil && len(renamed) == 0 {
		s.try(CauseHeaderRenamed)
	}
	return append(all, renamed...)
}

// with returns the headers with one value in the place of a name's.
func with(header http.Header, name, value string) http.Header {
	header = maps.Clone(header)
	header[name] = []string{value}
	return header
}

// copies picks one where a header is there more than once, and puts together again what was split.
func (s *search) copies() []carrier {
	var all []carrier
	most := 0
	for _, name := range s.c.names() {
		most = max(most, len(s.header[name]))
	}
	if most < 2 {
		return nil
	}
	for i := range min(most, maxCandidates) {
		header := s.header
		for _, name := range s.c.names() {
			if values := header[name]; len(values) > 0 {
				header = with(header, name, values[min(i, len(values)-1)])
			}
		}
		if sig, err := s.c.read(header); err == nil {
			all = append(all, carrier{assumption{CauseHeaderDoubled,
				fmt.Sprintf("copy %d of the headers that are there more than once is taken", i+1),
				"Something on the way adds a second copy of a header: let every proxy pass each header once."}, sig})
		}
	}
	joined := strings.Join(s.header[s.c.header], s.c.Separator)
	if sig, err := s.c.read(with(s.header, s.c.header, joined)); err == nil {
		all = append(all, carrier{assumption{CauseHeaderSplit,
			fmt.Sprintf("the parts of the header %s are put together again", strings.ToLower(s.c.header)),
			"Something on the way splits the header in several: let every proxy pass it in one piece."}, sig})
	}
	return all
}

// loose reads the header where the rules refuse to: elements in quotation marks, percent-encoded, in upper case, between
// other separators, with a time in another unit or twice, or with a signature that is cut off.
func (s *search) loose() []carrier {
	c := s.c
	text := strings.Join(s.header[c.header], c.Separator)
	if text == "" || len(text) > maxSignatureHeader {
		return nil
	}
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	separators := c.Separator + ";&\"' \t"
	var times []string
	var whole, cut [][]byte
	for element := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		name, v, found := strings.Cut(element, c.Assign)
		switch {
		case !found:
		case strings.EqualFold(name, c.Signature):
			if digest, ok := c.beginning(v); ok && len(digest) == c.size {
				whole = append(whole, digest)
			} else if ok && len(digest) >= minCut {
				cut = append(cut, digest)
			}
		case strings.EqualFold(name, c.TimeElement):
			times = append(times, v)
		}
	}
	if len(whole) > maxSignatures || len(cut) > maxSignatures {
		return nil
	}
	if c.timeHeader != "" {
		times = s.header[c.timeHeader]
	}
	sig := signature{s: whole}
	if ids := s.header[c.idHeader]; len(ids) > 0 {
		sig.id = ids[0]
	}
	if len(times) == 0 && len(whole) > 0 {
		return []carrier{{signature: sig}} // only a signature without the time can fit
	}
	name := strings.ToLower(c.header)
	var all []carrier
	once := slices.Compact(slices.Sorted(slices.Values(times)))
	for _, t := range once[:min(len(once), maxCandidates)] {
		sig.t = t
		_, err := parseUnix("", t)
		switch {
		case len(whole) > 0 && err != nil:
			all = append(all, otherUnits(sig)...)
		case len(whole) > 0 && len(times) > 1:
			all = append(all, carrier{assumption{CauseHeaderDoubled, "the time " + s.veil.show(t, maxTime) + " is taken, one of several in the headers",
				"Something on the way joins two copies of a header: let every proxy pass each header once."}, sig})
		case len(whole) > 0:
			all = append(all, carrier{assumption{CauseHeaderAltered,
				fmt.Sprintf("the header %s is freed of quotation marks, percent signs, other separators or upper case", name),
				"Something on the way rewrites the header: let every proxy pass it as it is."}, sig})
		case len(cut) > 0 && err == nil:
			sig.s = cut
			all = append(all, carrier{assumption{CauseHeaderCut,
				fmt.Sprintf("only the %d bytes of the signature are compared that the header %s still has", len(cut[0]), name), doCut}, sig})
		}
	}
	return all
}

const doCut = "Something on the way cuts the header off: raise the limit there, and let every proxy pass the header whole. What is left of a signature is not enough to accept the callback."

// beginning decodes a signature, or as much of it as there is.
func (c *compiled) beginning(v string) ([]byte, bool) {
	if digest, err := c.decode(v); err == nil {
		return digest, true
	}
	if c.Encoding == "hex" {
		digest, err := hex.DecodeString(v[:len(v)/2*2])
		return digest, err == nil
	}
	v = strings.TrimRight(v, "=")
	digest, err := base64.StdEncoding.DecodeString(v[:len(v)/4*4])
	return digest, err == nil
}

// otherUnits takes a time that is not in seconds: signed as it stands, or in seconds and only sent so.
func otherUnits(sig signature) []carrier {
	if sig.t == "" || len(sig.t) > maxTime {
		return nil
	}
	unit, digits := "in another form", 0
	switch {
	case strings.Trim(sig.t, "0123456789") != "":
	case len(sig.t) == 13:
		unit, digits = "in milliseconds", 3
	case len(sig.t) == 16:
		unit, digits = "in microseconds", 6
	case len(sig.t) == 19:
		unit, digits = "in nanoseconds", 9
	}
	do := "The time must be in Unix seconds: correct what sends or rewrites this callback."
	all := []carrier{{assumption{CauseTimeUnit, fmt.Sprintf("the time is taken as it is, %s and not in Unix seconds", unit), do}, sig}}
	if digits > 0 {
		sig.t = sig.t[:len(sig.t)-digits]
		all = append(all, carrier{assumption{CauseTimeUnit, fmt.Sprintf("the time, which is %s, is brought back to Unix seconds", unit), do}, sig})
	}
	return all
}

// renamed takes the signature from headers with like names, or with any name and the form of a signature.
func (s *search) renamed() []carrier {
	c := s.c
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(s.header)), func(name string) bool {
		return len(s.header[name]) != 1 || slices.Contains(c.names(), name)
	})
	header := s.header
	var from []string // for the time and the id
	for _, name := range c.names() {
		if name == c.header || len(header[name]) > 0 {
			continue
		}
		if i := slices.IndexFunc(others, func(other string) bool { return alike(other, name) }); i >= 0 {
			header = with(header, name, s.header[others[i]][0])
			from = append(from, others[i])
		}
	}
	var all []carrier
	add := func(header http.Header, from []string) {
		sig, err := c.read(header)
		if err != nil {
			return
		}
		var shown []string
		for _, name := range from {
			shown = append(shown, s.veil.show(name, 80))
		}
		all = append(all, carrier{assumption{CauseHeaderRenamed,
			"it is taken from the header " + strings.Join(shown, " and "),
			fmt.Sprintf("Something on the way renames headers: let every proxy pass %s under its own name.", strings.ToLower(strings.Join(c.names(), ", ")))}, sig})
	}
	if len(from) > 0 {
		add(header, from)
	}
	var like, formed []string
	for _, other := range others {
		switch {
		case alike(other, c.header):
			like = append(like, other)
		case len(formed) < maxCandidates:
			if _, err := c.parse(s.header[other][0]); err == nil {
				formed = append(formed, other)
			}
		}
	}
	for _, other := range append(like[:min(len(like), maxCandidates)], formed...) {
		add(with(header, c.header, s.header[other][0]), append([]string{other}, from...))
	}
	return all
}

// alike tells whether a header's name is the wanted one with something before or after it, or with other punctuation:
// X-Plenigo-Signature, plenigo_signature, HTTP_PLENIGO_SIGNATURE.
func alike(name, want string) bool {
	letters := func(name string) string {
		return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
	}
	return strings.Contains(letters(name), letters(want))
}

// cutShort tells a header that ends where a well-formed one goes on, with too little left of the signature to prove it.
func (s *search) cutShort() (Finding, bool) {
	c := s.c
	if len(s.header[c.header]) != 1 {
		return Finding{}, false
	}
	rest, next := s.header[c.header][0], c.Signature+c.Assign
	if c.TimeElement != "" {
		var found bool
		if rest, found = strings.CutPrefix(rest, c.TimeElement+c.Assign); !found {
			return Finding{}, false
		}
		t := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		if unix, err := parseUnix("", t); err != nil || unix < 1e8 {
			return Finding{}, false
		}
		rest, next = rest[len(t):], c.Separator+next
	}
	digits, whole := strings.CutPrefix(rest, next)
	if whole {
		digest, ok := c.beginning(digits)
		whole = ok && len(digest) < minCut
	}
	if !whole && !strings.HasPrefix(next, rest) {
		return Finding{}, false
	}
	return Finding{Cause: CauseHeaderCut, Do: doCut,
		Words: fmt.Sprintf("The header %s ends before its signature does: it was cut off after %s.", strings.ToLower(c.header), count(len(s.header[c.header][0]), "character"))}, true
}

// framing is what is signed before the body; false where the signature does not say enough.
type framing struct {
	assumption
	prefix func(signature) ([]byte, bool)
}

func (s *search) framings() []framing {
	c := s.c
	do := fmt.Sprintf("Such a signature does not prove all that it should, so it is not accepted: correct what signs this callback. It must sign %s.", lowerFirst(partWords(c.Signed)))
	all := []framing{{prefix: func(sig signature) ([]byte, bool) {
		return c.prefix(sig), sig.t != "" && (c.idHeader == "" || validID(sig.id))
	}}, {
		assumption{CauseSignedParts, "the body alone is signed, without " + lowerFirst(partWords(strings.TrimSuffix(c.Signed, ".body"))), do},
		func(signature) ([]byte, bool) { return nil, true },
	}}
	if c.idHeader != "" {
		all = append(all, framing{
			assumption{CauseSignedParts, "the time and the body are signed, without the id", do},
			func(sig signature) ([]byte, bool) { return []byte(sig.t + "."), sig.t != "" },
		})
	}
	return append(all, framing{
		assumption{CauseSignedParts, "the time and the body are signed without a full stop between them", do},
		func(sig signature) ([]byte, bool) { return []byte(sig.t), sig.t != "" },
	})
}
