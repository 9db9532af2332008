// Package filter is the one language in which events are chosen: in the search box, the URL, the command line and a
// destination's matching rule. Parse turns the text into a tree; the store turns the tree into SQL, Match evaluates it
// on an event in memory. Both read the same Terms.
//
//	source:shop verdict:rejected type:customer.creation,order.* after:2026-11-01 -customer:48213
//
// Terms are joined by "and". A comma joins several values of a term by "or". A leading "-" negates a term. A value with
// blanks, commas or quotes stands in double quotes (\" and \\ inside).
package filter

import (
	"net/netip"
	"time"
)

// Key names what a term looks at.
type Key string

const (
	KeySource   Key = "source"   // slug
	KeyVerdict  Key = "verdict"  // verified, late, rejected
	KeyReason   Key = "reason"   // verify.Reason
	KeyType     Key = "type"     // entity.callback, either may be * or left out: customer.creation, customer, order.*, *.deletion; case-insensitive
	KeyEntity   Key = "entity"   // entity id; with its type as customer/48213
	KeyCustomer Key = "customer" // customer id
	KeySender   Key = "sender"   // address the request came from, or a range of them: 203.0.113.7, 2001:db8::/32
	KeyAfter    Key = "after"    // received at or after: RFC 3339, date, or an age such as 2h, 3d, 1w
	KeyBefore   Key = "before"   // received before
	KeyID       Key = "id"       // event id
)

// Term is one condition; it holds when any of its values does (and, negated, when none does).
type Term struct {
	Key     Key
	Negated bool
	Values  []Value
	Pos     int // byte offset in the text, for errors
}

// Value is one value of a term, as text and, where the key asks for it, parsed.
type Value struct {
	Text         string       // as written, without quotes
	Time         time.Time    // KeyAfter, KeyBefore
	EntityType   string       // KeyType, KeyEntity: ASCII letters in upper case; "" any
	CallbackType string       // KeyType: likewise
	Sender       netip.Prefix // KeySender: masked
	ID           string       // KeyEntity, KeyCustomer, KeyID
}

// Filter is the parsed text: all terms must hold. The zero Filter holds for every event.
type Filter struct{ Terms []Term }

// Error says what is wrong with a filter text and where.
type Error struct {
	Pos     int    // byte offset
	Message string // one clear sentence that says what is possible here
}

func (e *Error) Error() string { return e.Message }

// Subject is an event as Match sees it.
type Subject struct {
	ID                               string
	Source, Verdict, Reason          string
	EntityType, CallbackType, Entity string
	Customers                        []string
	Sender                           netip.Addr // invalid: unknown; no range holds it
	ReceivedAt                       time.Time
}
