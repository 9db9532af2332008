package store

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/google/uuid"
)

// A segment's size and the numbers of its postings. A number is 24 bits: with about 60 words and values in an event, one
// event in 280,000 is named in vain for each that is asked for. Its first 10 bits are the row it stands in.
const (
	placeBits     = 13
	segmentEvents = 1 << placeBits
	termBits      = 24
	restBits      = 14 // of a term's bits, those that are not the bucket's
)

// term is the number that a word, value or id is hashed to.
type term uint32

func (t term) bucket() int16 { return int16(t >> restBits) }

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
type place = uint16

// postings collects who holds what in one segment, by bucket: what is left of the term, then the place.
type postings [1 << (termBits - restBits)][]uint32

func (p *postings) add(t term, at place) {
	const rest = 1<<restBits - 1
	bucket := t.bucket()
	p[bucket] = append(p[bucket], uint32(t&rest)<<placeBits|uint32(at))
}

// encode calls write for each bucket in turn that holds something.
func (p *postings) encode(write func(bucket int16, postings []byte) error) error {
	for bucket, held := range p {
		if len(held) == 0 {
			continue
		}
		slices.Sort(held)
		var b []byte
		last := uint32(0)
		for _, one := range slices.Compact(held) {
			b = binary.AppendUvarint(b, uint64(one-last))
			last = one
		}
		if err := write(int16(bucket), b); err != nil {
			return err
		}
	}
	return nil
}

// placesOf reads the places of a term's events, ascending, from its bucket's row; nil is an empty row.
func placesOf(t term, row []byte) ([]place, error) {
	var places []place
	from, to := uint64(t)<<placeBits&(1<<(restBits+placeBits)-1), uint64(0)
	to = from + segmentEvents
	for at := uint64(0); len(row) > 0; {
		step, n := binary.Uvarint(row)
		if n <= 0 {
			return nil, errors.New("the search index is damaged")
		}
		row = row[n:]
		if at += step; at >= to {
			break
		}
		if at >= from {
			places = append(places, place(at-from))
		}
	}
	return places, nil
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
