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
type Delivery struct{ Destination, State string }

// Payload is a body, read only once some term asks for it and then kept, for every filter that looks at the event.
// It is safe for concurrent use.
type Payload struct {
	body []byte
	once sync.Once
	all  []value
}

// NewPayload holds on to the body, which must not change.
func NewPayload(body []byte) *Payload { return &Payload{body: body} }

// value is a scalar of a body in the form in which it is compared.
type value struct {
	Scalar
	path   string
	folded string
	words  []string // made when first asked for
}

func (p *Payload) values() []value {
	if p == nil {
		return nil
	}
	p.once.Do(func() {
		for s := range Scalars(p.body) {
			p.all = append(p.all, value{Scalar: s, path: PathKey(s.Path), folded: s.Folded(), words: s.Words()})
		}
	})
	return p.all
}
