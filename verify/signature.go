package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Bounds of a signature header. plenigo's are about 80 bytes (REFERENCE §2).
const (
	maxSignatureHeader = 4096
	maxSignatures      = 16
)

// signature is a parsed plenigo-signature header.
type signature struct {
	t    string // exactly as sent: it is part of what was signed
	unix int64
	s    [][]byte // each 32 bytes
}

// parseSignature reads "t=…,s=…" (REFERENCE §3): elements in any order, blanks around them ignored, unknown ones
// skipped, s repeated while secrets change, exactly one t.
func parseSignature(value string) (signature, error) {
	var sig signature
	if len(value) > maxSignatureHeader {
		return sig, errors.New("longer than a signature can be")
	}
	for element := range strings.SplitSeq(value, ",") {
		name, v, found := strings.Cut(strings.Trim(element, " \t"), "=")
		if !found {
			continue
		}
		switch strings.TrimRight(name, " \t") {
		case "t":
			if sig.t != "" {
				return sig, errors.New("more than one t")
			}
			if v == "" || len(v) > 12 || strings.Trim(v, "0123456789") != "" {
				return sig, errors.New("t is not a Unix time in seconds")
			}
			sig.t = v
			sig.unix, _ = strconv.ParseInt(v, 10, 64) // at most 12 digits
		case "s":
			digest, err := hex.DecodeString(v)
			if err != nil || len(digest) != sha256.Size {
				return sig, errors.New("s is not 64 hex digits")
			}
			if len(sig.s) == maxSignatures {
				return sig, errors.New("too many signatures")
			}
			sig.s = append(sig.s, digest)
		}
	}
	if sig.t == "" {
		return sig, errors.New("no t")
	}
	if len(sig.s) == 0 {
		return sig, errors.New("no s")
	}
	return sig, nil
}

// digest is HMAC-SHA256 over t, a full stop and the raw body, keyed by the secret's bytes (REFERENCE §3).
func digest(secret, t string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}

// Sign returns the value of a plenigo-signature header for a body sent at t.
func Sign(secret string, t time.Time, body []byte) string {
	unix := strconv.FormatInt(t.Unix(), 10)
	return "t=" + unix + ",s=" + hex.EncodeToString(digest(secret, unix, body))
}
