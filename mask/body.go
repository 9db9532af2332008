package mask

import (
	"strconv"

	"recall/diff"
)

// Reveal says what of the hidden is shown all the same. Secrets are not among what Personal reveals: a voucher code on a
// screen is as good as spent, and hardly anybody who looks for a name needs it.
type Reveal struct{ Personal, Secrets bool }

// Everything reveals all.
var Everything = Reveal{Personal: true, Secrets: true}

func (r Reveal) shows(c Class) bool {
	return c == Shown || c == Personal && r.Personal || c == Secret && r.Secrets
}

// Found is how much of a body is personal and secret, hidden or not.
type Found struct {
	Personal, Secret int  // values
	Whole            bool // it is no JSON object or array, so that all of it is taken for personal
}

// Any tells whether there is anything to hide.
func (f Found) Any() bool { return f.Whole || f.Personal > 0 || f.Secret > 0 }

// Hides tells whether something stays hidden in spite of what is revealed.
func (f Found) Hides(r Reveal) bool {
	return (f.Whole || f.Personal > 0) && !r.Personal || f.Secret > 0 && !r.Secrets
}

// Body gives a body in clear with what is hidden covered: Cover or SecretCover in the place of each such value, everything else
// byte for byte as it was sent. What is no JSON, or only a single value, is hidden whole, since nothing tells what in it is
// personal: nil. The entity type is the one that the body names.
func (r *Rules) Body(body []byte, show Reveal) ([]byte, Found) {
	root, isJSON := diff.Parse(body)
	if !isJSON {
		return r.whole(body, show)
	}
	var spans []span
	found := r.walk(root, show, func(at, length int, text string, _ func()) { spans = append(spans, span{at, at + length, text}) })
	if found.Whole {
		return r.whole(body, show)
	}
	if len(spans) == 0 {
		return body, found
	}
	out, at := make([]byte, 0, len(body)+8*len(spans)), 0
	for _, s := range spans {
		out = append(append(out, body[at:s.from]...), strconv.Quote(s.text)...)
		at = s.to
	}
	return append(out, body[at:]...), found
}

func (r *Rules) whole(body []byte, show Reveal) ([]byte, Found) {
	found := Found{Whole: len(body) > 0}
	if show.Personal || !found.Whole {
		return body, found
	}
	return nil, found
}

// Tree covers what is hidden in a body that was taken apart, in place. Where it is hidden whole nothing is done, and the
// result says so.
func (r *Rules) Tree(root *diff.Value, show Reveal) Found {
	return r.walk(root, show, func(_, _ int, _ string, cover func()) { cover() })
}

// Class tells how the values at a path are treated, as far as rules say: names from the root on, without [].
func (r *Rules) Class(entityType string, path ...string) Class {
	l, d, folded := r.of(entityType), decision{Shown, nowhere, 0}, []string(nil)
	d = l.at(nil, d)
	for _, name := range path {
		folded = append(folded, fold(name))
		d = l.at(folded, d)
	}
	return d.class
}

func (r *Rules) of(entityType string) *list {
	if l := r.byType[upper(entityType)]; l != nil {
		return l
	}
	return r.other
}

// walk finds what is to be covered, in the order of the body, values and names alike.
func (r *Rules) walk(root *diff.Value, show Reveal, cover coverFunc) Found {
	if root.Type != diff.Object && root.Type != diff.Array {
		return Found{Whole: true}
	}
	entityType := ""
	if v := root.Member("entityType"); v != nil && v.Type == diff.String {
		entityType = v.Text
	}
	w := walker{rules: r.of(entityType), show: show, cover: cover}
	w.value(root, nil, w.rules.at(nil, decision{Shown, nowhere, 0}))
	return w.found
}

// coverFunc is told of a part of a body that is hidden, the text that stands in its place, and how to put it there in what
// was parsed.
type coverFunc func(at, length int, text string, cover func())

type walker struct {
	rules *list
	show  Reveal
	cover coverFunc
	found Found
}

func (w *walker) value(v *diff.Value, path []string, d decision) {
	switch {
	case len(v.Members) > 0:
		for i := range v.Members {
			m := &v.Members[i]
			at := append(path, fold(m.Name))
			next := w.rules.at(at, d)
			// A name is data too where it is a mail address.
			if looksPersonal(m.Name) {
				w.found.Personal++
				if !w.show.Personal {
					w.cover(m.At, len(m.RawName), Cover, func() { m.CoverName(Cover) })
				}
			}
			w.value(&m.Value, at, next)
		}
	case len(v.Items) > 0:
		for i := range v.Items {
			w.value(&v.Items[i], path, d)
		}
	case v.Type == diff.Object || v.Type == diff.Array || v.Type == diff.Null || v.Type == diff.String && v.Text == "":
		// There is nothing in it. A sender may as well leave it out, so that showing it tells no more than that.
	default:
		class := d.class
		if v.Type == diff.Opaque { // not taken apart, so that nobody has looked into it
			class = stricter(class, Personal)
		}
		if v.Type == diff.String && d.near >= nearKnown && class == Shown && looksPersonal(v.Text) {
			class = Personal
		}
		w.give(v, class)
	}
}

func (w *walker) give(v *diff.Value, class Class) {
	switch class {
	case Shown:
		return
	case Secret:
		w.found.Secret++
	default:
		w.found.Personal++
	}
	if !w.show.shows(class) {
		text := coverOf(class)
		w.cover(v.At, len(v.Raw), text, func() { v.Cover(text) })
	}
}

func stricter(a, b Class) Class {
	if strictness(b) > strictness(a) {
		return b
	}
	return a
}

// span is a part of a body, and what stands in its place.
type span struct {
	from, to int
	text     string
}
