package store

// indexedEvent is what the search index holds of an event.
type indexedEvent struct {
	entityID     string
	customers    string // as the column holds them
	header, body []byte
}

// Kinds of terms.
const (
	termEntity   = "e"
	termCustomer = "c"
)

// terms calls add for everything that the event can be found by, and tells whether that is all of it.
func (e *indexedEvent) terms(add func(term)) bool {
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
	return true
}
