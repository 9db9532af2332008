package verify

import (
	"fmt"
	"strings"
	"time"
)

// Step is one check in words, for the operator.
type Step struct {
	Name   string `json:"name"`             // "Signature", "Freshness", "Basic authentication", "Header X-Token"
	Status Status `json:"status,omitempty"` // empty: the step tells what was seen and judges nothing
	Words  string `json:"words"`            // one sentence
}

// Explain tells each check in one sentence: what was asked, what came, by how much it was off. It names no secret value.
func (r Result) Explain() []Step {
	var steps []Step
	switch r.Reason {
	case ReasonSourceDisabled:
		steps = append(steps, Step{"Source", Mismatch, "The source is disabled, so nothing it sends is accepted. Enable it to accept callbacks again."})
	case ReasonSettingsUnreadable:
		steps = append(steps, Step{"Source", Mismatch, "A secret of the source cannot be decrypted with this program's key, so nothing is accepted until the right key is back."})
	case ReasonBodyTooLarge:
		steps = append(steps, Step{"Body", NotChecked, "The body is larger than the limit, so it was not kept and nothing could be checked. RECALL_MAX_BODY sets the limit."})
	}
	steps = append(steps, Step{"Signature", r.signatureOnly(), r.signatureWords()})
	if r.SignedAt != 0 && (r.Signature == Valid || r.Signature == Expired || r.Signature == Future) {
		steps = append(steps, Step{"Freshness", r.Signature, r.freshnessWords()})
	}
	steps = append(steps, Step{"Basic authentication", r.Basic, basicWords[r.Basic]})
	if len(r.Headers) == 0 {
		steps = append(steps, Step{"Header authentication", r.Header, headerWords[r.Header]})
	}
	for _, h := range r.Headers {
		steps = append(steps, Step{"Header " + h.Name, h.Status, headerWords[h.Status]})
	}
	return steps
}

// signatureOnly leaves freshness to its own step: an expired signature is an authentic one.
func (r Result) signatureOnly() Status {
	if r.Signature == Expired || r.Signature == Future {
		return Valid
	}
	return r.Signature
}

func (r Result) signatureWords() string {
	switch r.Signature {
	case Valid, Expired, Future:
		return fmt.Sprintf("The signature matches the secret %q: the body is what %s signed.", r.Secret, r.sender())
	case Mismatch:
		return "The signature matches none of the secrets that are valid now: another secret was used, or the body was changed on the way."
	case Missing:
		return fmt.Sprintf("There is no %s header.", r.signatureHeader())
	case Malformed:
		if r.SignatureHeader != "" {
			return fmt.Sprintf("The %s header, or a header that is signed with it, is not there once or cannot be read as the signing scheme of the source asks.", r.signatureHeader())
		}
		return "The plenigo-signature header cannot be read: it must be there once, with one t in Unix seconds and at least one s of 64 hex digits."
	case NoSecret:
		return "The source has no secret that is valid now, so nothing can be believed. Add the secret shown at " + r.sender() + "."
	}
	return "Not checked."
}

// signatureHeader is the name as senders write it.
func (r Result) signatureHeader() string {
	if r.SignatureHeader != "" {
		return strings.ToLower(r.SignatureHeader)
	}
	return strings.ToLower(HeaderSignature)
}

func (r Result) sender() string {
	if r.SignatureHeader != "" {
		return "the sender"
	}
	return "plenigo"
}

func (r Result) freshnessWords() string {
	at := clockWords(time.Unix(r.SignedAt, 0))
	skew := r.skew().Abs()
	switch {
	case r.Signature == Expired && r.Verdict == Late:
		return fmt.Sprintf("Signed at %s, %s before it arrived: older than the tolerance, within the late window, so it is kept as late.", at, skew)
	case r.Signature == Expired:
		return fmt.Sprintf("Signed at %s, %s before it arrived: older than the tolerance and the late window allow.", at, skew)
	case r.Signature == Future:
		return fmt.Sprintf("Signed at %s, %s after it arrived: further ahead than the tolerance. Check the clocks.", at, skew)
	case r.SkewSeconds == 0:
		return fmt.Sprintf("Signed at %s, in the second it arrived: within the tolerance.", at)
	case r.SkewSeconds < 0:
		return fmt.Sprintf("Signed at %s, %s ahead of our clock: within the tolerance.", at, skew)
	}
	return fmt.Sprintf("Signed at %s, %s before it arrived: within the tolerance.", at, skew)
}

func clockWords(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

var basicWords = map[Status]string{
	Valid:       "User and password are the ones of the source.",
	Mismatch:    "User or password differ from the ones of the source.",
	Missing:     "The source asks for basic authentication, and there is no Authorization header.",
	Malformed:   "The Authorization header is not basic authentication (RFC 7617), or is there more than once.",
	NotRequired: "The source does not ask for it.",
	NotChecked:  "Not checked.",
}

var headerWords = map[Status]string{
	Valid:       "The value is the one of the source.",
	Mismatch:    "The value differs from the one of the source, or the header is there more than once.",
	Missing:     "The source asks for this header, and it is not there.",
	NotRequired: "The source does not ask for it.",
	NotChecked:  "Not checked.",
}
