package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"recall/dispatch"
	"recall/filter"
	"recall/store"
)

// Problem is an error in the form of RFC 9457. Its detail says what went wrong and what to do.
type Problem struct {
	Type    string   `json:"type" example:"urn:recall:not-found" doc:"Which kind of problem it is; it stays the same from version to version."`
	Title   string   `json:"title" example:"Not Found"`
	Status  int      `json:"status" example:"404"`
	Detail  string   `json:"detail" doc:"What went wrong, and what to do about it."`
	ErrorID string   `json:"error_id,omitempty" doc:"By which the log names what went wrong in the program itself."`
	Errors  []fault  `json:"errors,omitempty" doc:"What of the request is wrong, each where it stands."`
	Choices []choice `json:"choices,omitempty" doc:"What can be done instead; one of them is to be said with the request."`

	retryAfter int // seconds; 0: not said
}

type fault struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty" doc:"Such as body.rate or query.filter."`
	Position *int   `json:"position,omitempty" doc:"In a filter: the byte of the text that the mistake begins at."`
}

// choice is a way to go on from a problem.
type choice struct {
	Stale   string     `json:"stale" enum:"newest,anyway,skip" doc:"What to send as stale with the request."`
	Words   string     `json:"words"`
	EventID *uuid.UUID `json:"event_id,omitempty" doc:"The event that is sent then."`
}

func (p *Problem) Error() string  { return p.Detail }
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes huma name it as what it is.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders makes huma say when to come again.
func (p *Problem) GetHeaders() http.Header {
	if p.retryAfter == 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(p.retryAfter)}}
}

// huma asks these two package variables how errors and lists look, and has no other way to be told.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		p := &Problem{Status: status, Type: "request", Detail: sentence(message)}
		if status == http.StatusUnprocessableEntity || status == http.StatusBadRequest {
			p.Detail = "The request is not as the description asks: see errors."
		}
		for _, err := range errs {
			f := fault{Message: err.Error()}
			if d, is := err.(huma.ErrorDetailer); is { // never the value, which may be secret
				f = fault{Message: d.ErrorDetail().Message, Location: d.ErrorDetail().Location}
			}
			p.Errors = append(p.Errors, f)
		}
		return p.complete()
	}
}

// complete fills in what follows from the rest.
func (p *Problem) complete() *Problem {
	if p.Type == "" {
		p.Type = "request"
	}
	if !strings.Contains(p.Type, ":") {
		p.Type = "urn:recall:" + p.Type
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// wrong says what of a request cannot be.
func wrong(location, message string) *Problem {
	return &Problem{Status: http.StatusUnprocessableEntity, Type: "request", Detail: sentence(message), Errors: []fault{{Message: message, Location: location}}}
}

// problems are the errors that other rooms name, and what they are to a program.
var problems = []struct {
	is     error
	status int
	kind   string
}{
	{store.ErrNotFound, http.StatusNotFound, "not-found"},
	{store.ErrExists, http.StatusConflict, "exists"},
	{store.ErrChanged, http.StatusConflict, "changed"},
	{store.ErrLastAdmin, http.StatusConflict, "last-admin"},
	{store.ErrProvider, http.StatusConflict, "provider"},
	{store.ErrRunState, http.StatusConflict, "state"},
	{store.ErrUnreadable, http.StatusConflict, "unreadable"},
	{store.ErrReasonNeeded, http.StatusUnprocessableEntity, "reason"},
	{store.ErrTokenRights, http.StatusUnprocessableEntity, "right"},
	{store.ErrAlertOver, http.StatusConflict, "over"},
	{store.ErrErasureState, http.StatusConflict, "state"},
	{store.ErrErasureDoubts, http.StatusConflict, "doubtful"},
	{store.ErrErasureHeld, http.StatusConflict, "held"},
	{store.ErrErasureReason, http.StatusUnprocessableEntity, "reason"},
	{store.ErrErasurePerson, http.StatusUnprocessableEntity, "request"},
	{dispatch.ErrRejected, http.StatusConflict, "rejected"},
	{dispatch.ErrNoReason, http.StatusUnprocessableEntity, "reason"},
}

// problem is what a program is told of an error. What went wrong in here is logged once, under an id that the answer names.
func (s *server) problem(ctx context.Context, err error) *Problem {
	var known *Problem
	var inFilter *filter.Error
	var stale *dispatch.StaleError
	var invalid *store.InvalidError
	switch {
	case errors.As(err, &known):
		return known.complete()
	case errors.As(err, &inFilter):
		p := wrong("query.filter", inFilter.Message)
		p.Type, p.Status, p.Errors[0].Position = "filter", http.StatusBadRequest, &inFilter.Pos
		return p.complete()
	case errors.As(err, &stale):
		return staleProblem(stale).complete()
	case errors.As(err, &invalid):
		return wrong("body", err.Error()).complete()
	case errors.Is(err, store.ErrTooSlow):
		return (&Problem{Status: http.StatusServiceUnavailable, Type: "too-slow", Detail: sentence(store.ErrTooSlow.Error())}).complete()
	}
	for _, p := range problems {
		if errors.Is(err, p.is) {
			return (&Problem{Status: p.status, Type: p.kind, Detail: sentence(err.Error())}).complete()
		}
	}
	if ctx.Err() == nil {
		ping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.DB.Ping(ping) != nil {
			return (&Problem{Status: http.StatusServiceUnavailable, Type: "database", Detail: "The database does not answer. Try again soon.", retryAfter: 5}).complete()
		}
	}
	p := &Problem{Status: http.StatusInternalServerError, Type: "internal", ErrorID: newErrorID()}
	p.Detail = "Something went wrong in the program. The log has it under error_id=" + p.ErrorID + "."
	s.Log.Error("api request failed", "error_id", p.ErrorID, "error", err)
	return p.complete()
}

func newErrorID() string {
	var b [5]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// staleProblem names the ways out of sending an old state over a newer one.
func staleProblem(e *dispatch.StaleError) *Problem {
	return &Problem{
		Status: http.StatusConflict, Type: "stale", Detail: sentence(e.Error()) + " Say in the body what to do, as stale: newest, anyway (with a reason) or skip.",
		Choices: []choice{
			{Stale: "newest", Words: "Send the newest event of the entity instead.", EventID: &e.Newest},
			{Stale: "anyway", Words: "Send this event all the same; takes a reason.", EventID: &e.Event},
			{Stale: "skip", Words: "Send nothing."},
		},
	}
}

// fail answers with an error outside of an operation.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	writeJSON(w, p) // who asked may be gone
}

// write answers with a problem before an operation has begun.
func (s *server) write(ctx huma.Context, p *Problem) {
	p.complete()
	ctx.SetHeader("Content-Type", p.ContentType(""))
	ctx.SetStatus(p.Status)
	writeJSON(ctx.BodyWriter(), p)
}

// sentence begins with a capital and ends with a point.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "…") {
		text += "."
	}
	return text
}
