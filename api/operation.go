package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"recall/store"
)

// operation is what a program can do. rightExtension names the right it asks for in the description.
type operation struct {
	id      string // noun-verb
	method  string
	path    string // under Prefix
	need    store.Right
	summary string
	more    string // what there is to know besides
	status  int    // of success; 0: 200
	fails   []int  // statuses besides those that any operation may answer
}

const rightExtension = "x-recall-right"

// add registers an operation. What its handler returns as an error becomes a problem.
func add[I, O any](s *server, o operation, do func(context.Context, *I) (*O, error)) {
	addWith(s, o, nil, do)
}

// addWith is add for answers that no Go type describes.
func addWith[I, O any](s *server, o operation, responses map[string]*huma.Response, do func(context.Context, *I) (*O, error)) {
	huma.Register(s.huma, huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary,
		Description:   "Needs the right `" + string(o.need) + "`. " + o.more,
		Tags:          []string{tag(o.path)},
		DefaultStatus: o.status,
		Responses:     responses,
		MaxBodyBytes:  maxBody,
		Errors:        append([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable}, o.fails...),
		Middlewares:   huma.Middlewares{s.let(o.need)},
		Extensions:    map[string]any{rightExtension: string(o.need)},
	}, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}

// tag is the noun that a path begins with.
func tag(path string) string {
	rest := []byte(path[1:])
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		rest = rest[:i]
	}
	return string(rest)
}

// body is an answer that is one object of JSON.
type body[T any] struct{ Body T }

func answer[T any](v T) (*body[T], error) { return &body[T]{v}, nil }

// What is embedded in inputs and answers is exported, since huma passes over what is not.

// none is an input without anything, or an answer likewise.
type none struct{}

func reflectType[T any]() reflect.Type { return reflect.TypeFor[T]() }

// writeJSON leaves <, > and & as they are: nothing here is put into a page.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
