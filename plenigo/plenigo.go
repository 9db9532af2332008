// Package plenigo holds what is known of the sender: the envelope of a callback, its types, the customers it names,
// and sample bodies. Facts are from the reference of plenigo callbacks (docs/plenigo.md); nothing here verifies or stores.
package plenigo

import "time"

// Canonical names of the headers that plenigo sends with every callback (REFERENCE §2).
const (
	HeaderSignature  = "Plenigo-Signature"
	HeaderAPIVersion = "X-Plenigo-Api-Version"
)

// Envelope is what could be read of a callback's body. Every field may be empty: any bytes are a callback.
// Texts are valid UTF-8 without NUL, cut to MaxField bytes.
type Envelope struct {
	IsJSON       bool // the whole body is one JSON value
	EntityType   string
	CallbackType string
	EntityID     string    // digits exactly as sent, whether a JSON string or a number; "0" and "" count as not set
	ChangedAt    time.Time // entity.changedDate; zero when absent or unreadable
	Customers    []CustomerLink
}

// MaxField bounds each text of an Envelope, in bytes, so that it fits into an index (PostgreSQL: 2,704 bytes per btree key).
const MaxField = 256

// MaxCustomers bounds the links taken out of one body.
const MaxCustomers = 1000

// CustomerLink says that a body names a customer, and where (REFERENCE §7).
type CustomerLink struct {
	CustomerID string
	Path       string // such as "entity.items[].deliveryCustomerId"; the envelope's own id is "entityId"
}

// OwnTime tells whether the body says by itself when its entity changed, so that equal bodies are the same state.
func (e Envelope) OwnTime() bool { return !e.ChangedAt.IsZero() }

// Sample is one example body, byte for byte as a callback would carry it.
type Sample struct {
	Name string // such as "customer.creation"; variants carry a third part
	Kind string // "documented", "variant" or "inferred"
	Body []byte
}
