package filter

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Subject is an event as Match sees it.
type Subject struct {
	ID                               string
	Source, Verdict, Reason          string
	EntityType, CallbackType, Entity string
	Customers                        []string
	Sender                           netip.Addr // invalid: unknown; no range holds it
	ReceivedAt                       time.Time
	Header                           http.Header // canonical names
	Payload                          *Payload    // nil: without a body
	Size                             int64       // bytes sent
	Repeat                           bool        // not the first of its arrival group
	Signature                        string      // verify.Status
	Answered                         int
	Version                          string
	Unexpected                       bool
	Deliveries                       []Delivery // none yet on an arriving event
}

// Delivery is one delivery of a subject.
type Delivery struct{ Destination, State, Trigger string }

// Payload is a body, taken apart only once some term asks for it and then kept, for every filter that looks at the event.
// It is safe for concurrent use.
type Payload struct {
	body    []byte
	scalars func() []scalar
	texts   func() [][]string // the words of each scalar that has any
}

// NewPayload holds on to the body, which must not change.
func NewPayload(body []byte) *Payload {
	p := &Payload{body: body}
	p.scalars = sync.OnceValue(p.readScalars)
	p.texts = sync.OnceValue(p.readTexts)
	return p
}

// scalar is one value with what its path is compared by.
type scalar struct {
	Scalar
	key string
}

func (p *Payload) readScalars() []scalar {
	var all []scalar
	for s := range Scalars(p.body) {
		all = append(all, scalar{s, PathKey(s.Path)})
	}
	return all
}

func (p *Payload) readTexts() [][]string {
	var all [][]string
	for _, s := range p.scalars() {
		if words := s.Words(); len(words) > 0 {
			all = append(all, words)
		}
	}
	return all
}
