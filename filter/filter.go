// Package filter is the one language in which events are chosen: in the search box, the URL, the command line and a
// destination's matching rule. Parse turns the text into a tree; the store turns the tree into SQL, Match evaluates it
// on an event in memory. Both read the same Terms. docs/filters.md has the whole grammar.
//
//	source:shop type:customer.creation,order.* after:2h -customer:48213 entity.email:anna@example.org "Anna Müller"
//
// Terms are joined by "and". A comma joins several values of a term by "or". A leading "-" negates a term. A value with
// blanks, commas or quotes stands in double quotes (\" and \\ inside). What has no key is text to be found in the body.
package filter

import (
	"net/netip"
	"time"
)

// Key names what a term looks at.
type Key string

const (
	KeySource     Key = "source"     // slug
	KeyVerdict    Key = "verdict"    // verified, late, rejected
	KeyReason     Key = "reason"     // verify.Reason
	KeyType       Key = "type"       // entity.callback, either may be * or left out: customer.creation, customer, order.*, *.deletion; case-insensitive
	KeyEntity     Key = "entity"     // entity id; with its type as customer/48213
	KeyCustomer   Key = "customer"   // customer id
	KeySender     Key = "sender"     // address the request came from, or a range of them: 203.0.113.7, 2001:db8::/32
	KeyAfter      Key = "after"      // received at or after: RFC 3339, date, or an age such as 2h, 3d, 1w
	KeyBefore     Key = "before"     // received before
	KeyReceived   Key = "received"   // received on a day, in a minute, or compared: 2026-11-24, >=2026-11-01, 2026-11-01..2026-11-07
	KeyID         Key = "id"         // event id
	KeyText       Key = "text"       // words in a row within one value of the body; written without its key
	KeyPayload    Key = "payload"    // a value of the body, by its path (Term.Name): entity.email:anna@example.org
	KeyHeader     Key = "header"     // a header, by its name (Term.Name): header.content-type:application/json
	KeySize       Key = "size"       // bytes of the body as sent: 686, >10kb, 1kb..2kb
	KeyRepeat     Key = "repeat"     // yes: a repeat of an earlier arrival; no: the first of its group
	KeySignature  Key = "signature"  // verify.Status of the signature
	KeyAnswered   Key = "answered"   // HTTP status of our answer: 401, 4xx, >=500
	KeyVersion    Key = "version"    // API version, exactly
	KeyUnexpected Key = "unexpected" // yes: of a type that the source does not expect
	KeyDelivery   Key = "delivery"   // state of a delivery: failed, crm/succeeded, crm/*, none, crm/none; not in a matching rule
	KeyTrigger    Key = "trigger"    // what caused a delivery: manual, crm/replay; not in a matching rule
)

// Op is how a value is compared. Only KeyPayload has them all; KeyHeader has "", OpPresent and OpWords.
// On KeyReceived, KeySize and KeyAnswered the operator has already gone into the value's bounds.
type Op string

const (
	OpEqual   Op = ""
	OpMore    Op = ">"
	OpAtLeast Op = ">="
	OpLess    Op = "<"
	OpAtMost  Op = "<="
	OpRange   Op = ".." // both ends included
	OpPresent Op = "*"  // there is a value, neither null nor ""
	OpWords   Op = "~"  // these words in a row are within the value
)

// Term is one condition; it holds when any of its values does (and, negated, when none does).
type Term struct {
	Key     Key
	Name    string // KeyPayload: the path as ParsePath writes it, without "payload."; KeyHeader: the canonical name; else ""
	Path    string // KeyPayload: PathKey of Name
	Negated bool
	Values  []Value
	Pos     int // byte offset in the text, for errors
	End     int // byte offset behind it
}

// Value is one value of a term, as text and, where the key asks for it, parsed.
type Value struct {
	Op           Op
	Text         string       // as written, without quotes and operator; a range whole
	Time         time.Time    // KeyAfter, KeyBefore; KeyReceived, and OpMore … OpRange of a path with times: received at Time or after …
	Until        time.Time    // … and before Until; zero: open on that side
	Aged         bool         // Time or Until was counted back from when the filter was parsed
	EntityType   string       // KeyType, KeyEntity: ASCII letters in upper case; "" any
	CallbackType string       // KeyType: likewise
	Sender       netip.Prefix // KeySender: masked
	ID           string       // KeyEntity, KeyCustomer, KeyID
	Min, Max     int64        // KeySize, KeyAnswered: from Min to Max, both included
	Words        []string     // KeyText, OpWords: what Words gives for Text; without any, nothing holds
	Folded       []string     // KeyPayload, KeyHeader with OpEqual: a scalar is equal if its Folded is one of these, at most two
	Low, High    *Number      // OpMore … OpRange of a path with numbers: the bounds, as the operator says; nil: open on that side
	Yes          bool         // KeyRepeat, KeyUnexpected
	Destination  string       // KeyDelivery, KeyTrigger: name; "" any
	State        string       // KeyDelivery: see DeliveryStates
	Trigger      string       // KeyTrigger: one of Triggers
}

// Filter is the parsed text: all terms must hold. The zero Filter holds for every event.
type Filter struct{ Terms []Term }

// Error says what is wrong with a filter text and where.
type Error struct {
	Pos     int    // byte offset
	End     int    // byte offset behind what is wrong; at least Pos
	Message string // one clear sentence that says what is possible here
}

func (e *Error) Error() string { return e.Message }

// Values of State beside the states of store.DeliveryState.
const (
	DeliveryAny    = "*"      // there is a delivery
	DeliveryNone   = "none"   // there is none
	DeliveryFailed = "failed" // not delivered: an attempt failed and the next is awaited, or it was given up
)

// Triggers are what causes a delivery, by store.Trigger.
var Triggers = []string{"automatic", "manual", "replay"}

// DeliveryStates are the states, by store.DeliveryState, in which a delivery fulfils a value's State. Of DeliveryAny they
// are all. DeliveryNone has none: it holds for an event without any delivery (to Destination, where that is named).
func DeliveryStates(state string) []string {
	switch state {
	case DeliveryAny:
		return []string{"pending", "sending", "succeeded", "waiting", "exhausted", "cancelled"}
	case DeliveryFailed:
		return []string{"waiting", "exhausted"}
	case "pending", "sending", "succeeded", "waiting", "exhausted", "cancelled":
		return []string{state}
	}
	return nil
}
