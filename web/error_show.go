package web

import (
	"errors"
	"fmt"
	"net/http"

	"recall/store"
)

// statusError is an error whose message is meant for the person at the page.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return e.message }

func missing(message string) error { return &statusError{http.StatusNotFound, message} }
func gone(message string) error    { return &statusError{http.StatusGone, message} }
func refused(message string) error { return &statusError{http.StatusForbidden, message} }
func mistake(message string) error { return &statusError{http.StatusBadRequest, message} }

// panicError keeps a panic's value on its way to the log.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// errorView is the model of the error page.
type errorView struct {
	page
	Status  int
	Message string
	ID      string // names the line in the log; only for errors of ours
	Again   string // the page that may be there in a moment; "" where asking again changes nothing
}

func (v errorView) icon() string {
	switch v.Status {
	case http.StatusNotFound, http.StatusGone:
		return "lost"
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return "question"
	case http.StatusServiceUnavailable:
		return "clock"
	}
	return "cross"
}

// errorView sorts an error into what the person did, what is away, and what is broken.
func (s *server) errorView(r *http.Request, err error) errorView {
	v := errorView{page: s.newPage(r, "")}
	var said *statusError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &said):
		v.Status, v.Message = said.status, said.message
	case errors.As(err, &tooLarge):
		v.Status, v.Message = http.StatusRequestEntityTooLarge, fmt.Sprintf("This form may send at most %s.", size(tooLarge.Limit))
	case errors.Is(err, store.ErrNotFound):
		v.Status, v.Message = http.StatusNotFound, "There is nothing at this address, or not any more."
	case errors.Is(err, store.ErrTooSlow):
		v.Status, v.Title, v.Message = http.StatusServiceUnavailable, tooSlowTitle, tooSlow
		return v
	case s.databaseAway(r):
		v.Status, v.Message = http.StatusServiceUnavailable, "The database does not answer, so nothing can be shown. "+s.meanwhile(v.Now)+"Try again in a moment; recall doctor says what is wrong."
	default:
		v.Status, v.Message = http.StatusInternalServerError, "Something went wrong in Recall itself. The log has the details under this id."
	}
	v.Title = errorTitle(v.Status)
	if v.Status >= http.StatusInternalServerError && r.Method == http.MethodGet {
		v.Again = r.URL.RequestURI()
	}
	return v
}

// What store.ErrTooSlow means to a person at a page.
const (
	tooSlowTitle = "Too much to look through"
	tooSlow      = "The search took too long and was stopped, so that it does not slow down what is received. Narrow it: by a time such as after:2d, by a source, or by an id."
)

func errorTitle(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "That was not understood"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusGone:
		return "No longer kept"
	case http.StatusNotFound:
		return "Not found"
	case http.StatusRequestEntityTooLarge:
		return "Too large"
	case http.StatusServiceUnavailable:
		return "The database is away"
	}
	return "Something went wrong"
}
