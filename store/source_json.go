package store

import (
	"time"
)

// SourceJSON is a source without its secrets: what source list --json prints, and the API answers.
type SourceJSON struct {
	Slug              string       `json:"slug"`
	Name              string       `json:"name"`
	Enabled           bool         `json:"enabled"`
	Observe           bool         `json:"observe"`
	Demo              bool         `json:"demo"`
	Unreadable        bool         `json:"unreadable"`
	ToleranceSeconds  int64        `json:"tolerance_seconds"`
	LateWindowSeconds int64        `json:"late_window_seconds"`
	Scheme            string       `json:"scheme"`
	ExpectedTypes     []string     `json:"expected_types"`
	Secrets           []SecretJSON `json:"secrets"`
	BasicUser         *string      `json:"basic_user"`
	Headers           []string     `json:"headers"` // names
	URL               string       `json:"url"`
	CreatedAt         time.Time    `json:"created_at"`
}

// SecretJSON is when a secret is valid.
type SecretJSON struct {
	Name  string     `json:"name"`
	From  *time.Time `json:"from"`
	Until *time.Time `json:"until"`
}

// JSON is the source for JSON; url is what its sender calls.
func (s *Source) JSON(url string) SourceJSON {
	j := SourceJSON{
		Slug: s.Slug, Name: s.Name, Enabled: s.Enabled, Observe: s.Observe, Demo: s.Demo, Unreadable: s.Unreadable,
		ToleranceSeconds: seconds(s.Tolerance), LateWindowSeconds: seconds(s.LateWindow),
		Scheme: s.Scheme.String(), ExpectedTypes: append([]string{}, s.ExpectedTypes...),
		Secrets: []SecretJSON{}, Headers: []string{}, URL: url, CreatedAt: s.CreatedAt,
	}
	for _, h := range s.Headers {
		j.Headers = append(j.Headers, h.Name)
	}
	if s.Basic != nil {
		j.BasicUser = &s.Basic.User
	}
	for _, secret := range s.Secrets {
		j.Secrets = append(j.Secrets, SecretJSON{secret.Name, timeOrNull(secret.From), timeOrNull(secret.Until)})
	}
	return j
}
