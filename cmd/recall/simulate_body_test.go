package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"recall/plenigo"
)

// Every callback is of an entity of its own, and all but that and the time of its change is as in the sample.
func TestVariation(t *testing.T) {
	t.Parallel()
	samples := plenigo.Samples()
	v := newVariation(samples, rand.New(rand.NewPCG(1, 1)))
	seen := map[string]bool{}
	for n := range int64(3 * len(samples)) {
		sample := samples[n%int64(len(samples))]
		body := v.body(n)
		if !json.Valid(body) {
			t.Errorf("%s: %s", sample.Name, body)
		}
		if seen[string(body)] {
			t.Errorf("%s: the same body again", sample.Name)
		}
		seen[string(body)] = true
		was, is := plenigo.Read(sample.Body), plenigo.Read(body)
		if is.EntityID != strconv.FormatInt(v.first+n, 10) || is.EntityType != was.EntityType || is.CallbackType != was.CallbackType || is.OwnTime() != was.OwnTime() {
			t.Errorf("%s: %+v became %+v", sample.Name, was, is)
		}
		if was.OwnTime() && is.ChangedAt.Sub(was.ChangedAt) != time.Duration(n+1)*time.Millisecond {
			t.Errorf("%s: changed at %s", sample.Name, is.ChangedAt)
		}
		back := bytes.ReplaceAll(body, []byte(is.EntityID), []byte(was.EntityID))
		text := func(at time.Time) []byte { return []byte(`"changedDate":"` + at.Format(time.RFC3339Nano)) }
		if back = bytes.ReplaceAll(back, text(is.ChangedAt), text(was.ChangedAt)); !bytes.Equal(back, sample.Body) {
			t.Errorf("%s: more was changed:\n%s\n%s", sample.Name, back, sample.Body)
		}
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"string and number": {`{"entityId":"12","entity":{"id":12,"far":[12,"12"]}}`, `{"entityId":"70","entity":{"id":70,"far":[70,"70"]}}`},
		"whole values only": {`{"entityId":"12","a":"12 12","b":-12,"c":1.12,"d":12.5,"e":120,"f":"\"12\""}`, `{"entityId":"70","a":"12 12","b":-12,"c":1.12,"d":12.5,"e":120,"f":"\"12\""}`},
		"exact numbers":     {`{"entityId":"12","n":18446744073709551616.50,"m":1e400}`, `{"entityId":"70","n":18446744073709551616.50,"m":1e400}`},
		"changed":           {`{"entityId":"1","entity":{"changedDate":"2025-03-04T09:15:31.5Z","createdDate":"2025-03-04T09:15:31.5Z"}}`, `{"entityId":"70","entity":{"changedDate":"2025-03-04T09:15:31.501Z","createdDate":"2025-03-04T09:15:31.5Z"}}`},
		"changed parts":     {`{"entityId":"1","entity":{"changedDate":"2025-03-04T09:15:31Z","items":[{"changedDate":"2025-03-04T09:15:30Z"}]}}`, `{"entityId":"70","entity":{"changedDate":"2025-03-04T09:15:31.001Z","items":[{"changedDate":"2025-03-04T09:15:30Z"}]}}`},
		"no time":           {`{"entityId":"1","entity":{"changedDate":null}}`, `{"entityId":"70","entity":{"changedDate":null}}`},
		"not a time":        {`{"entityId":"1","changedDate":"soon"}`, `{"entityId":"70","changedDate":"soon"}`},
		"no entity":         {`{"a":"ä<\u0026"}`, `{"a":"ä<\u0026"}`},
	} {
		v := variation{bodies: []template{newTemplate([]byte(test.body))}, first: 70}
		if got := v.body(0); string(got) != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
	}
}
