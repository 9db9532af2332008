package main

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"recall/plenigo"
)

// variation makes, of the sample bodies, as many different ones as are wanted: each of an entity of its own, changed at a
// time of its own. Every other byte stays.
type variation struct {
	bodies []template
	first  int64 // entity id of the first one
}

// template is a body in pieces: each is followed by a value that is another in every callback.
type template []piece

type piece struct {
	before []byte
	value  slot
	date   time.Time // of a changedDate
}

type slot int

const (
	ends        slot = iota // none: the body ends here
	entityID                // within quotes or not, as in the sample
	changedDate             // within quotes
)

// values finds the strings and numbers of a JSON text. A changedDate's value is found with its name.
var values = regexp.MustCompile(`"changedDate":"([^"\\]*)"|"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9eE]*`)

// newVariation leaves room for ten thousand million callbacks until two variations could meet, and all ids are exact even
// in a double.
func newVariation(samples []plenigo.Sample, random *rand.Rand) *variation {
	v := &variation{first: (1 + random.Int64N(899_998)) * 1e10}
	for _, s := range samples {
		v.bodies = append(v.bodies, newTemplate(s.Body))
	}
	return v
}

func newTemplate(body []byte) template {
	envelope := plenigo.Read(body)
	id := envelope.EntityID
	var t template
	done := 0
	cut := func(from, to int, v slot, date time.Time) {
		t = append(t, piece{before: body[done:from], value: v, date: date})
		done = to
	}
	for _, at := range values.FindAllSubmatchIndex(body, -1) {
		from, to := at[0], at[1]
		if at[2] >= 0 {
			date, err := time.Parse(time.RFC3339Nano, string(body[at[2]:at[3]]))
			if err == nil && date.Equal(envelope.ChangedAt) { // others, of parts of the entity, stay
				cut(at[2], at[3], changedDate, date)
			}
			continue
		}
		if body[from] == '"' {
			from, to = from+1, to-1
		}
		if id != "" && string(body[from:to]) == id {
			cut(from, to, entityID, time.Time{})
		}
	}
	cut(len(body), len(body), ends, time.Time{})
	return t
}

// body is that of callback n, counted from 0.
func (v *variation) body(n int64) []byte {
	var body []byte
	for _, p := range v.bodies[n%int64(len(v.bodies))] {
		body = append(body, p.before...)
		switch p.value {
		case entityID:
			body = strconv.AppendInt(body, v.first+n, 10)
		case changedDate:
			body = p.date.Add(time.Duration(n+1)*time.Millisecond).AppendFormat(body, time.RFC3339Nano)
		}
	}
	return body
}
