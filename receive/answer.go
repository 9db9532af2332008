package receive

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// retryAfter is what a 503 suggests, in seconds. Whether plenigo reads it is unknown (REFERENCE §8); proxies do.
const retryAfter = 30

// answer is the body of every answer. It may end up in plenigo's callback log (REFERENCE §4), so it holds codes of ours
// and the event's id, never anything of the callback.
type answer struct {
	Error   string         `json:"error,omitempty"` // nothing was kept, and why
	Verdict verify.Verdict `json:"verdict,omitempty"`
	Reason  verify.Reason  `json:"reason,omitempty"`
	Event   *uuid.UUID     `json:"event,omitempty"`
	Message string         `json:"message,omitempty"`
}

// Answers to requests that become no event.
var (
	answerNotFound = answer{Error: "not_found", Message: "There is nothing here; callbacks go to /callbacks/ and the name of a source."}
	answerUnknown  = answer{Error: "unknown_source", Message: "There is no source of this name; check the callback's URL at plenigo."}
	answerMethod   = answer{Error: "method_not_allowed", Message: "This URL takes callbacks from plenigo by POST; there is nothing to see here."}
	answerBroken   = answer{Error: "incomplete_request", Message: "The request could not be read to its end, so it was not kept."}
	answerSlow     = answer{Error: "request_timeout", Message: "The request did not come whole in time, so it was not kept."}
	answerLimited  = answer{Error: "rate_limited", Message: "More callbacks come than this receiver is set to take; send it again later."}
	answerBusy     = answer{Error: "overloaded", Message: "Too many callbacks are being received at once; send it again."}
	answerUnstored = answer{Error: "not_stored", Message: "The callback could not be stored; send it again."}
)

// answerStored is the answer to a callback that is on disk.
func (h *Handler) answerStored(e *store.Event) answer {
	a := answer{Verdict: e.Verification.Verdict, Reason: e.Verification.Reason, Event: &e.ID}
	switch e.Answered {
	case http.StatusRequestEntityTooLarge:
		a.Message = "The body is larger than the " + strconv.FormatInt(h.maxBody, 10) + " bytes this receiver takes, so it was not kept."
	case http.StatusForbidden:
		a.Message = "The source is disabled here."
	}
	return a
}

// Header values of every answer, made once.
var (
	contentType        = []string{"application/json"}
	cacheControl       = []string{"no-store"}
	contentTypeOptions = []string{"nosniff"}
)

func (a answer) write(w http.ResponseWriter, status int) {
	body, err := json.Marshal(a)
	if err != nil {
		panic(err) // texts only
	}
	header := w.Header()
	header["Content-Type"], header["Cache-Control"], header["X-Content-Type-Options"] = contentType, cacheControl, contentTypeOptions
	if status == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // a client that is gone by now sends again, and its repeat is recognised
}
