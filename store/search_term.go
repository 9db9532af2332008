package store

import (
	"cmp"
	"math"
	"net/http"
	"slices"

	"recall/filter"
	"recall/plenigo"
)

// indexedEvent is what the search index reads of an event.
type indexedEvent struct {
	entityID     string
	customers    string // as the column holds them
	header, body []byte
}

// maxTerms bounds what is listed of one event. A callback has about 60.
const maxTerms = 2000

// Kinds of terms.
const (
	termEntity   = "e"
	termCustomer = "c"
	termHeader   = "h" // name and value
	termPayload  = "p" // path and value
	termRank     = "r" // path and rank, for what is compared
	termWord     = "w" // anywhere in the body
	termClass    = "k" // number of the class
)

// pathKeys keeps what paths are compared by: bodies of one type have the same ones.
type pathKeys map[string]string

// maxPathKeys bounds what is kept; anybody can make up paths.
const maxPathKeys = 10_000

func (k pathKeys) of(path string) string {
	key, known := k[path]
	if !known {
		if len(k) >= maxPathKeys {
			clear(k)
		}
		key = filter.PathKey(path)
		k[path] = key
	}
	return key
}

// terms adds everything that the event can be found by, and tells whether that is all of it.
func (e *indexedEvent) terms(keys pathKeys, add func(term)) bool {
	if e.entityID != "" {
		add(newTerm(termEntity, e.entityID))
	}
	links, err := decodeCustomers(e.customers)
	if err != nil {
		return false
	}
	for _, l := range links {
		add(newTerm(termCustomer, l.CustomerID))
	}
	header, err := decodeHeader(e.header)
	if err != nil {
		return false
	}
	n := len(links)
	for name, values := range header {
		if !headerListed(name) {
			continue
		}
		for _, v := range values {
			add(newTerm(termHeader, name, filter.Scalar{Kind: filter.KindString, Text: v}.Folded()))
			n++
		}
	}
	for s := range filter.Scalars(plenigo.Clear(header, e.body)) {
		folded, words := s.FoldedAndWords()
		if s.Path != "" {
			path := keys.of(s.Path)
			add(newTerm(termPayload, path, folded))
			for _, rank := range s.Ranks() {
				add(newTerm(termRank, path, rank))
			}
		}
		for _, w := range words {
			add(newTerm(termWord, w))
		}
		if n += 1 + len(words); n > maxTerms {
			return false
		}
	}
	return true
}

// headerListed leaves out headers that are another for each callback, and those that nobody is to be told.
func headerListed(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case plenigo.HeaderSignature, "Content-Length", "Date":
		return false
	}
	return !plenigo.SensitiveHeader(name)
}

// alternatives are the terms of which an event that fulfils a filter's term must hold those of one alternative; none where
// the index cannot tell.
func alternatives(t filter.Term) [][]term {
	var group [][]term
	for _, v := range t.Values {
		of := alternativesOf(t, v)
		if len(of) == 0 || slices.ContainsFunc(of, func(a []term) bool { return len(a) == 0 }) {
			return nil
		}
		if group = append(group, of...); len(group) > maxAlternatives {
			return nil
		}
	}
	return group
}

func alternativesOf(t filter.Term, v filter.Value) [][]term {
	switch t.Key {
	case filter.KeyEntity:
		if v.ID != "" { // events without an entity are not listed
			return [][]term{{newTerm(termEntity, v.ID)}}
		}
	case filter.KeyCustomer:
		return [][]term{{newTerm(termCustomer, v.ID)}}
	case filter.KeyText:
		return [][]term{wordTerms(v.Words)}
	case filter.KeyPayload:
		switch v.Op {
		case filter.OpEqual:
			return valueTerms(v.Folded, termPayload, t.Path)
		case filter.OpMore, filter.OpAtLeast, filter.OpLess, filter.OpAtMost, filter.OpRange:
			return valueTerms(v.Ranks(), termRank, t.Path)
		case filter.OpWords:
			return [][]term{wordTerms(v.Words)}
		}
	case filter.KeyHeader:
		if v.Op == filter.OpEqual && headerListed(t.Name) {
			return valueTerms(v.Folded, termHeader, t.Name)
		}
	}
	return nil
}

// wordTerms puts the word that is likely the rarest first.
func wordTerms(words []string) []term {
	words = slices.Clone(words)
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(wordRareness(b), wordRareness(a)) })
	var terms []term
	for _, w := range words {
		terms = append(terms, newTerm(termWord, w))
	}
	return terms
}

// rareness guesses how few events fulfil a term: 0 stands for a word or value that may well be everywhere.
func rareness(t filter.Term) int {
	least := math.MaxInt
	for _, v := range t.Values {
		switch {
		case t.Key == filter.KeyEntity || t.Key == filter.KeyCustomer:
			return 1000
		case t.Key == filter.KeyText || v.Op == filter.OpWords:
			most := 0
			for _, w := range v.Words {
				most = max(most, wordRareness(w))
			}
			least = min(least, most)
		case v.Op == filter.OpEqual:
			least = min(least, wordRareness(v.Text))
		default:
			return 0
		}
	}
	if least == math.MaxInt {
		return 0
	}
	return least
}

// wordRareness: numbers of some length are ids, and what holds some is seldom the name of a state or a person.
func wordRareness(word string) int {
	digits := 0
	for i := range len(word) {
		if word[i] >= '0' && word[i] <= '9' {
			digits++
		}
	}
	if digits < 4 {
		return 0
	}
	return digits
}

func valueTerms(texts []string, kind, name string) [][]term {
	var group [][]term
	for _, text := range texts {
		group = append(group, []term{newTerm(kind, name, text)})
	}
	return group
}
