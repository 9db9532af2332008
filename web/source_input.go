package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"recall/store"
	"recall/verify"
)

const ownScheme = "own"

// sourceInput is what stands in the form.
type sourceInput struct {
	slug, name, secret        string
	enabled, observe          bool
	user, password            string
	headers                   []headerInput
	tolerance, late           string
	types, scheme, schemeText string
}

type headerInput struct{ was, name, value string }

// newSourceInput is what stands in the form at first.
func newSourceInput(s *store.Source) sourceInput {
	in := sourceInput{
		slug: s.Slug, name: s.Name, enabled: s.Enabled, observe: s.Observe,
		tolerance: spanText(s.Tolerance), late: spanText(s.LateWindow), types: strings.Join(s.ExpectedTypes, "\n"),
	}
	if s.Basic != nil {
		in.user = s.Basic.User
	}
	for _, h := range s.Headers {
		in.headers = append(in.headers, headerInput{was: h.Name, name: h.Name})
	}
	in.scheme = s.Scheme.String()
	if strings.HasPrefix(in.scheme, "{") {
		in.scheme, in.schemeText = ownScheme, indented(in.scheme)
	}
	in.headers = append(in.headers, make([]headerInput, spareRows)...)
	return in
}

// indented is JSON laid out for people.
func indented(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return b.String()
}

// schemeExample is a scheme written out, to begin one of one's own with.
func schemeExample() string {
	example := verify.Plenigo
	example.Name = "mine"
	return indented(example.String())
}

func (s *server) readSourceInput(r *http.Request) sourceInput {
	form := r.PostForm
	in := sourceInput{
		slug: strings.TrimSpace(form.Get("slug")), name: strings.TrimSpace(form.Get("name")), secret: s.typed(r, "secret"),
		enabled: form.Get("enabled") != "", observe: form.Get("observe") != "",
		user: strings.TrimSpace(form.Get("user")), password: s.typed(r, "password"),
		tolerance: strings.TrimSpace(form.Get("tolerance")), late: strings.TrimSpace(form.Get("late_window")),
		types: form.Get("expected_types"), scheme: form.Get("scheme"), schemeText: strings.TrimSpace(form.Get("own_scheme")),
	}
	for i := range min(len(form["header_was"]), maxRows) {
		name := headerField("header_name", i)
		in.headers = append(in.headers, headerInput{
			was: form["header_was"][i], name: strings.TrimSpace(form.Get(name)), value: s.typed(r, headerField("header_value", i)),
		})
	}
	return in
}

func headerField(name string, row int) string { return name + "." + strconv.Itoa(row) }

// apply makes a source as the form says. What is wrong is told by field.
func (in sourceInput) apply(source *store.Source) problems {
	wrong := problems{}
	source.Name, source.Enabled, source.Observe = in.name, in.enabled, in.observe
	var err error
	if source.Tolerance, err = parseSpan(in.tolerance); err != nil {
		wrong.add("tolerance", err)
	}
	if source.LateWindow, err = parseSpan(in.late); err != nil {
		wrong.add("late_window", err)
	}
	source.ExpectedTypes = store.ReadTypes(in.types)

	had := source.Basic
	source.Basic = nil
	switch {
	case in.user == "" && in.password != "":
		wrong.add("user", errors.New("a password needs a user"))
	case in.user == "":
	case in.password != "":
		source.Basic = &verify.BasicAuth{User: in.user, Password: in.password}
	case had != nil:
		source.Basic = &verify.BasicAuth{User: in.user, Password: had.Password}
	default:
		wrong.add("password", errors.New("a user needs a password"))
	}

	rows := in.applyHeaders(source, wrong)

	text := in.scheme
	if text == ownScheme {
		text = in.schemeText
		if text == "" {
			wrong.add("own_scheme", errors.New("write the scheme here, or choose one of the others"))
		}
	}
	if source.Scheme, err = verify.ParseScheme(text); err != nil {
		wrong.add("own_scheme", err)
	}
	if source.Scheme == verify.Plenigo {
		source.Scheme = verify.Scheme{} // the default
	}
	for _, p := range source.Problems() {
		wrong.add(formField(p.Field, rows), p.Err)
	}
	return wrong
}

// applyHeaders returns the row of each pair. A pair whose value was left empty keeps the one it has.
func (in sourceInput) applyHeaders(source *store.Source, wrong problems) (rows []int) {
	had := source.Headers
	source.Headers = nil
	for i, h := range in.headers {
		value := h.value
		if value == "" && h.was != "" {
			if at := slices.IndexFunc(had, func(old verify.Header) bool { return old.Name == h.was }); at >= 0 {
				value = had[at].Value
			}
		}
		switch {
		case h.name == "" && h.value == "":
			continue
		case h.name == "":
			wrong.add(headerField("header_name", i), errors.New("a value needs the name of its header"))
		case value == "":
			wrong.add(headerField("header_value", i), errors.New("the header needs a value"))
		case strings.TrimSpace(value) != value:
			wrong.add(headerField("header_value", i), errors.New("the value begins or ends with a blank, which does not travel in a header"))
		default:
			source.Headers, rows = append(source.Headers, verify.Header{Name: http.CanonicalHeaderKey(h.name), Value: value}), append(rows, i)
		}
	}
	return rows
}

// formField is where the form shows a mistake of the settings.
func formField(name string, rows []int) string {
	list, place, _ := strings.Cut(name, ".")
	n, _ := strconv.Atoi(place)
	switch list {
	case "headers":
		return headerField("header_name", rows[n])
	case "secrets":
		return "secret" // of a new source; of another, its scheme does not fit its secrets
	case "basic":
		return "user"
	case "scheme":
		return "own_scheme"
	}
	return name
}
