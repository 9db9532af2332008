package verify

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read from headers. plenigo's signature headers are about 80 bytes (REFERENCE §2).
const (
	maxSignatureHeader = 4096
	maxSignatures      = 16
	maxID              = 256
)

// signature is what the headers of a scheme say.
type signature struct {
	t    string // exactly as sent: it is part of what was signed
	unix int64
	id   string
	s    [][]byte // each as long as a digest
}

var errNoSignature = errors.New("there is no signature header")

// read takes the signature out of the headers. A header that is there more than once is ambiguous, and refused
// (REFERENCE §3). The error says what is wrong and quotes nothing that was sent.
func (c *compiled) read(header http.Header) (signature, error) {
	switch values := header[c.header]; {
	case len(values) == 0:
		return signature{}, errNoSignature
	case len(values) > 1:
		return signature{}, errors.New("the header is there more than once")
	}
	sig, err := c.parse(header[c.header][0])
	if err != nil {
		return sig, err
	}
	if c.timeHeader != "" {
		if sig.t, err = single(header, c.timeHeader); err != nil {
			return sig, err
		}
		if sig.unix, err = parseUnix(c.TimeHeader, sig.t); err != nil {
			return sig, err
		}
	}
	if c.idHeader != "" {
		if sig.id, err = single(header, c.idHeader); err != nil {
			return sig, err
		}
		if !validID(sig.id) {
			return sig, fmt.Errorf("%s is empty, too long, or holds a full stop or what cannot be printed", c.IDHeader)
		}
	}
	return sig, nil
}

func single(header http.Header, name string) (string, error) {
	if values := header[name]; len(values) != 1 {
		return "", fmt.Errorf("there must be one %s header, and there are %d", strings.ToLower(name), len(values))
	}
	return header[name][0], nil
}

// parse reads the value of the signature header: elements in any order, blanks around them ignored, unknown ones
// skipped, signatures repeated while secrets change, the time exactly once where it is one of the elements.
func (c *compiled) parse(value string) (signature, error) {
	var sig signature
	if len(value) > maxSignatureHeader {
		return sig, errors.New("the header is longer than a signature can be")
	}
	for element := range strings.SplitSeq(value, c.Separator) {
		name, v, found := strings.Cut(strings.Trim(element, " \t"), c.Assign)
		if !found {
			continue
		}
		switch strings.TrimRight(name, " \t") {
		case "": // and not a time element that the scheme does not have
		case c.TimeElement:
			if sig.t != "" {
				return sig, fmt.Errorf("there is more than one %s", c.TimeElement)
			}
			unix, err := parseUnix(c.TimeElement, v)
			if err != nil {
				return sig, err
			}
			sig.t, sig.unix = v, unix
		case c.Signature:
			digest, err := c.decode(v)
			if err != nil || len(digest) != c.size {
				return sig, fmt.Errorf("%s is not %d bytes in %s", c.Signature, c.size, c.Encoding)
			}
			if len(sig.s) == maxSignatures {
				return sig, errors.New("there are too many signatures")
			}
			sig.s = append(sig.s, digest)
		}
	}
	if c.TimeElement != "" && sig.t == "" {
		return sig, fmt.Errorf("there is no %s", c.TimeElement)
	}
	if len(sig.s) == 0 {
		return sig, fmt.Errorf("there is no %s", c.Signature)
	}
	return sig, nil
}

// parseUnix takes digits only, at most 12: signs, blanks and milliseconds are not Unix seconds.
func parseUnix(name, v string) (int64, error) {
	if v == "" || len(v) > 12 || strings.Trim(v, "0123456789") != "" {
		return 0, fmt.Errorf("%s is not a Unix time in seconds", name)
	}
	unix, _ := strconv.ParseInt(v, 10, 64) // at most 12 digits
	return unix, nil
}

// validID leaves no doubt where the id ends: the parts of what is signed are joined by full stops.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return r == '.' || r < ' ' || r > '~' })
}

// prefix is all that is signed before the body, each part followed by a full stop.
func (c *compiled) prefix(sig signature) []byte {
	prefix := make([]byte, 0, len(sig.t)+len(sig.id)+2)
	for _, part := range c.parts {
		switch part {
		case "time":
			prefix = append(append(prefix, sig.t...), '.')
		case "id":
			prefix = append(append(prefix, sig.id...), '.')
		}
	}
	return prefix
}

func (c *compiled) digest(key, prefix, body []byte) []byte {
	mac := hmac.New(c.hash, key)
	mac.Write(prefix)
	mac.Write(body)
	return mac.Sum(make([]byte, 0, c.size))
}

// anyEqual compares the digest with each signature, whatever the first ones gave. All have the same length.
func anyEqual(want []byte, s [][]byte) bool {
	equal := false
	for _, got := range s {
		equal = hmac.Equal(want, got) || equal
	}
	return equal
}

// Sign returns the value of a plenigo-signature header for a body sent at t.
func Sign(secret string, t time.Time, body []byte) string {
	unix := strconv.FormatInt(t.Unix(), 10)
	return "t=" + unix + ",s=" + hex.EncodeToString(plenigo.digest([]byte(secret), plenigo.prefix(signature{t: unix}), body))
}

var plenigo = func() *compiled {
	c, err := Plenigo.compile()
	if err != nil {
		panic(err) // shipped
	}
	return c
}()

// Sign returns the headers to set on a callback sent at t, in the scheme's own order of elements. The id is used only
// where the scheme signs one. The error names what is wrong and never the secret.
func (s Scheme) Sign(secret, id string, t time.Time, body []byte) (http.Header, error) {
	c, err := s.compile()
	if err != nil {
		return nil, err
	}
	key, err := c.key(secret)
	if err != nil {
		return nil, fmt.Errorf("the secret %w", err)
	}
	if c.idHeader != "" && !validID(id) {
		return nil, fmt.Errorf("the signing scheme %s needs an id of printable characters without a full stop", c.Name)
	}
	sig := signature{t: strconv.FormatInt(t.Unix(), 10), id: id}
	if _, err := parseUnix("the time", sig.t); err != nil {
		return nil, err
	}
	element := c.Signature + c.Assign + c.encode(c.digest(key, c.prefix(sig), body))
	header := http.Header{}
	if c.TimeElement != "" {
		element = c.TimeElement + c.Assign + sig.t + c.Separator + element
	} else {
		header.Set(c.timeHeader, sig.t)
	}
	if c.idHeader != "" {
		header.Set(c.idHeader, id)
	}
	header.Set(c.header, element)
	return header, nil
}

// names are the headers the scheme reads, in canonical form.
func (c *compiled) names() []string {
	return slices.DeleteFunc([]string{c.header, c.timeHeader, c.idHeader}, func(name string) bool { return name == "" })
}
