package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"

	"github.com/google/uuid"
)

// A segment's size, and the numbers of its postings. A number is 26 bits: with about 60 words and values in an event, one
// event in a million is named in vain for each that is asked for.
const (
	segmentEvents = 1 << 13 // of one that is made from events
	mergedEvents  = 32 * segmentEvents
	termBits      = 26
)

// A segment of more events has more rows, and each of them holds about as much. Its shape is the number of bits of a term
// that name the row it stands in, its bucket: in the row stand what is left of the term, and the place of the event, which
// always are 29 bits.
type shape int

// shapeFor is the least in which so many events have a place.
func shapeFor(events int) shape {
	return max(0, shape(bits.Len(uint(max(events, 1)-1))-3))
}

func (s shape) placeBits() int               { return 3 + int(s) }
func (s shape) restBits() int                { return termBits - int(s) }
func (s shape) bucket(t term) int16          { return int16(t >> s.restBits()) }
func (s shape) rest(t term) uint32           { return uint32(t) & (1<<s.restBits() - 1) }
func (s shape) buckets() int                 { return 1 << s }
func (s shape) held(t term, at place) uint32 { return s.rest(t)<<s.placeBits() | at }

// term is the number that a word, value or id is hashed to.
type term uint32

// newTerm hashes what an event holds, by FNV-1a. The parts are told apart, the first one names the kind.
func newTerm(parts ...string) term {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for _, p := range parts {
		for i := 0; i < len(p); i++ {
			sum = (sum ^ uint64(p[i])) * prime
		}
		sum *= prime // a byte of 0
	}
	sum ^= sum >> 32 // FNV leaves the last bytes in the low bits
	sum *= 0x9e3779b97f4a7c15
	return term(sum >> (64 - termBits))
}

// place is the number of an event within its segment.
type place = uint32

// postings collects who holds what in one segment, or in some buckets of it, by bucket.
type postings struct {
	shape
	first int // bucket
	held  [][]uint32
}

func newPostings(s shape) *postings { return &postings{shape: s, held: make([][]uint32, s.buckets())} }

func (p *postings) add(t term, at place) {
	bucket := int(p.bucket(t)) - p.first
	p.held[bucket] = append(p.held[bucket], p.shape.held(t, at))
}

// encode calls write for each bucket in turn that holds something.
func (p *postings) encode(write func(bucket int16, row []byte) error) error {
	for i, held := range p.held {
		if len(held) == 0 {
			continue
		}
		slices.Sort(held)
		if err := write(int16(p.first+i), encodeRow(p.shape, slices.Compact(held))); err != nil {
			return err
		}
	}
	return nil
}

// A row is its terms in order. Of each there is the step from the one before, twice, and 1 more where it has several
// places. One place stands as it is. Of several the length of what follows, twice, and then either the steps from one to
// the next, or, where that is shorter, 1 more and a bit for each place.

func encodeRow(s shape, held []uint32) []byte {
	b := make([]byte, 0, 4*len(held))
	mask := uint32(1)<<s.placeBits() - 1
	last := uint32(0)
	var list []byte
	for len(held) > 0 {
		rest, n := held[0]>>s.placeBits(), 1
		for n < len(held) && held[n]>>s.placeBits() == rest {
			n++
		}
		step := uint64(rest-last) << 1
		if n == 1 {
			b = binary.AppendUvarint(binary.AppendUvarint(b, step), uint64(held[0]&mask))
		} else {
			list = list[:0]
			before := place(0)
			for _, one := range held[:n] {
				list = binary.AppendUvarint(list, uint64(one&mask-before))
				before = one & mask
			}
			length := uint64(len(list)) << 1
			if most := int(before)/8 + 1; len(list) > most {
				list = append(list[:0], make([]byte, most)...)
				for _, one := range held[:n] {
					list[one&mask/8] |= 1 << (one & mask % 8)
				}
				length = uint64(most)<<1 | 1
			}
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, step|1), length), list...)
		}
		last, held = rest, held[n:]
	}
	return b
}

var errDamagedIndex = errors.New("the search index is damaged: have it made anew by recall search reindex")

// rowTerms calls each for the terms of a row in turn, with what tells their places, until it returns false.
func rowTerms(row []byte, each func(rest uint32, places rowPlaces) (more bool)) error {
	number := func() (v uint64, ok bool) {
		v, n := binary.Uvarint(row)
		if n > 0 {
			row = row[n:]
		}
		return v, n > 0
	}
	for rest := uint64(0); len(row) > 0; {
		step, ok := number()
		length, also := number()
		if !ok || !also {
			return errDamagedIndex
		}
		rest += step >> 1
		of := rowPlaces{one: place(length)}
		if step&1 == 1 {
			if length>>1 == 0 || length>>1 > uint64(len(row)) {
				return errDamagedIndex
			}
			of = rowPlaces{list: row[:length>>1], bits: length&1 == 1}
			row = row[length>>1:]
		}
		if !each(uint32(rest), of) {
			return nil
		}
	}
	return nil
}

// rowPlaces are the places of one term as a row holds them.
type rowPlaces struct {
	one  place
	list []byte // nil: one
	bits bool
}

// append adds the places to a list, ascending.
func (p rowPlaces) append(places []place) []place {
	switch {
	case p.list == nil:
		return append(places, p.one)
	case p.bits:
		for i, b := range p.list {
			for ; b != 0; b &= b - 1 {
				places = append(places, place(8*i+bits.TrailingZeros8(b)))
			}
		}
		return places
	}
	at := place(0)
	for list := p.list; len(list) > 0; {
		step, n := binary.Uvarint(list)
		if n <= 0 { // the check of what is found tells
			break
		}
		at += place(step)
		places, list = append(places, at), list[n:]
	}
	return places
}

// placesOf finds a term in its bucket's row; nil is an empty row.
func placesOf(s shape, t term, row []byte) (places rowPlaces, found bool, err error) {
	err = rowTerms(row, func(rest uint32, of rowPlaces) bool {
		if rest == s.rest(t) {
			places, found = of, true
		}
		return rest < s.rest(t)
	})
	return places, found, err
}

// within leaves those of some places, ascending, that are the term's too.
func (p rowPlaces) within(places []place) []place {
	if !p.bits {
		return both(places, p.append(nil))
	}
	return slices.DeleteFunc(places, func(at place) bool { return int(at)/8 >= len(p.list) || p.list[at/8]&(1<<(at%8)) == 0 })
}

// allOf are the places of the events that hold every one of some terms, ascending: of the rarest one those that the others
// have too.
func allOf(s shape, terms []term, rows segmentRows) ([]place, error) {
	var lists []rowPlaces
	for _, t := range terms {
		of, found, err := placesOf(s, t, rows[s.bucket(t)])
		if err != nil || !found {
			return nil, err
		}
		lists = append(lists, of)
	}
	slices.SortFunc(lists, func(a, b rowPlaces) int { return cmp.Compare(a.size(), b.size()) })
	places := lists[0].append(nil)
	for _, of := range lists[1:] {
		places = of.within(places)
	}
	return places, nil
}

// size is about how many places there are: enough to tell what is rare.
func (p rowPlaces) size() int {
	if p.bits {
		return 8 * len(p.list)
	}
	return len(p.list)
}

// both are the places in two ascending lists.
func both(a, b []place) []place {
	var list []place
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			list = append(list, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return list
}

// either are the places in any of several lists, ascending.
func either(lists ...[]place) []place {
	lists = slices.DeleteFunc(lists, func(l []place) bool { return len(l) == 0 })
	if len(lists) == 1 {
		return lists[0]
	}
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// segmentID is an id of its own in the week of the segment's last event.
func segmentID(last uuid.UUID) uuid.UUID {
	id := uuid.New()
	copy(id[:6], last[:6])
	id[6] = id[6]&0x0f | 0x70
	return id
}
