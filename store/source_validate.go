package store

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"recall/verify"
)

// Problem is one thing that is wrong with settings that a person entered.
type Problem struct {
	Field string // slug, name, tolerance, late_window, scheme, basic, expected_types, or a list with a place in it: secrets.0, headers.2
	Err   error  // one sentence, without any secret
}

// Validate checks what a person may have entered. The error names what is wrong in one sentence, without any secret.
func (s *Source) Validate() error {
	if problems := s.Problems(); len(problems) > 0 {
		return problems[0].Err
	}
	return nil
}

// Problems is Validate that names every wrong field, so that a form can say all of it at once.
func (s *Source) Problems() []Problem {
	var problems []Problem
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{field, err})
		}
	}
	check("slug", ValidateSlug(s.Slug))
	check("name", checkLine("the name of the source", s.Name, MaxSourceName))
	check("tolerance", firstError(
		func() error { return checkPolicy(verify.Settings{Tolerance: s.Tolerance}) },
		func() error { return checkWindow("the tolerance", s.Tolerance) },
	))
	check("late_window", firstError(
		func() error {
			return checkPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, LateWindow: s.LateWindow})
		},
		func() error { return checkWindow("the late window", s.LateWindow) },
	))
	schemeErr := s.Scheme.Validate()
	check("scheme", schemeErr)
	check("basic", checkPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, Basic: s.Basic}))
	for i := range s.Headers {
		check(fmt.Sprintf("headers.%d", i), firstError(
			func() error {
				return checkPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, Headers: s.Headers[i : i+1]})
			},
			func() error { return checkTwice(s.Headers[:i+1]) },
		))
	}
	scheme := s.Scheme
	if schemeErr != nil {
		scheme = verify.Scheme{} // said already
	}
	seen := map[string]bool{}
	for i, secret := range s.Secrets {
		err := checkSecret(secret, scheme)
		if err == nil && seen[secret.Name] {
			err = fmt.Errorf("there are two secrets named %q; give each its own name", secret.Name)
		}
		seen[secret.Name] = true
		check(fmt.Sprintf("secrets.%d", i), err)
	}
	check("expected_types", checkTypes(s.ExpectedTypes))
	return problems
}

// ValidateSlug checks a new source's slug.
func ValidateSlug(slug string) error {
	if !nameForm.MatchString(slug) {
		return fmt.Errorf("the slug %.80q %s", slug, nameFormInWords)
	}
	return nil
}

func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkPolicy(settings verify.Settings) error {
	_, err := verify.NewPolicy(settings)
	return err
}

func checkSecret(secret verify.Secret, scheme verify.Scheme) error {
	if err := checkLine("the name of a secret", secret.Name, MaxSecretName); err != nil {
		return err
	}
	err := checkPolicy(verify.Settings{Tolerance: verify.DefaultTolerance, Scheme: scheme, Secrets: []verify.Secret{secret}})
	if err == nil && strings.ContainsAny(secret.Key, "\r\n") {
		err = fmt.Errorf("the secret %q holds a line break; copy it as plenigo shows it", secret.Name)
	}
	return err
}

// checkTwice: a request with two values of one name could fulfil neither pair. It looks at the last one.
func checkTwice(headers []verify.Header) error {
	last := http.CanonicalHeaderKey(headers[len(headers)-1].Name)
	for _, h := range headers[:len(headers)-1] {
		if http.CanonicalHeaderKey(h.Name) == last {
			return fmt.Errorf("the header %s is there twice", last)
		}
	}
	return nil
}

// typeForm is what an expected type looks like, in lower case: both parts, or the entity's alone.
var typeForm = regexp.MustCompile(`^(\*|[a-z0-9_]{1,64})(\.(\*|[a-z0-9_]{1,64}))?$`)

func checkTypes(types []string) error {
	if len(types) > MaxTypes {
		return fmt.Errorf("there are %d expected types; at most %d are possible: write * for the rest, as in order.*", len(types), MaxTypes)
	}
	for _, t := range types {
		if !typeForm.MatchString(t) {
			return fmt.Errorf("%.80q is no type: write entity.callback, such as customer.creation, order.* or *.deletion", t)
		}
	}
	return nil
}

// ReadTypes reads expected types as people write them, with commas, blanks or lines between them.
func ReadTypes(text string) []string {
	types := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
	var distinct []string
	seen := map[string]bool{}
	for _, t := range types {
		if !seen[t] {
			seen[t], distinct = true, append(distinct, t)
		}
	}
	return distinct
}
