package receive

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"recall/store"
)

// budget bounds the rejected events of one sender and source that are kept within an hour, so that a flood of forgeries
// neither fills the disk nor buries what genuinely failed. Who had a callback accepted at the source since the program
// started is no forger, and has no bound. It is nil where there is none.
type budget struct {
	most int // an hour

	mu      sync.Mutex
	hour    time.Time
	spent   map[budgetKey]int      // in this hour
	genuine map[budgetKey]struct{} // had a callback accepted
}

// budgetKey is whom a rejected event is counted for.
type budgetKey struct {
	source  int64
	network netip.Prefix
}

func newBudget(most int) *budget {
	if most == 0 {
		return nil
	}
	return &budget{most: most, spent: map[budgetKey]int{}, genuine: map[budgetKey]struct{}{}}
}

// take tells whether one more rejected event may be kept, and counts it. first: it is the first in this hour that may not.
func (b *budget) take(source int64, sender netip.Addr, now time.Time) (kept, first bool) {
	if b == nil {
		return true, false
	}
	key := budgetKey{source, network(sender)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, is := b.genuine[key]; is {
		return true, false
	}
	if hour := now.UTC().Truncate(time.Hour); hour != b.hour {
		b.hour = hour
		clear(b.spent)
	}
	n, known := b.spent[key]
	if n > b.most {
		return false, false
	}
	if !known {
		forgetOne(b.spent)
	}
	b.spent[key] = n + 1
	return n < b.most, n == b.most
}

// accepted notes that a sender's callback was accepted.
func (b *budget) accepted(source int64, sender netip.Addr) {
	if b == nil {
		return
	}
	key := budgetKey{source, network(sender)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, is := b.genuine[key]; !is {
		forgetOne(b.genuine)
		b.genuine[key] = struct{}{}
	}
}

// forgetOne makes room in a full table. One that is forgotten begins anew, which does less harm than a table without a limit.
func forgetOne[V any](table map[budgetKey]V) {
	if len(table) < maxKeys {
		return
	}
	for key := range table {
		delete(table, key)
		return
	}
}

// overBudget answers a rejected event that is not kept. It makes one line an hour in a log at its usual level: one each
// would be a flood of its own. Where rejected callbacks are observed the answer is 401 all the same: 2xx would say that the
// callback is kept.
func (h *Handler) overBudget(w http.ResponseWriter, source store.LiveSource, e *store.Event, first bool, start time.Time) {
	h.meter.Refused(LimitBudget)
	if e.Answered < 300 {
		e.Answered = http.StatusUnauthorized
	}
	h.tally.addUnstored(source.ID, e.Answered)
	if first {
		h.log.Warn("rejected callbacks of one sender are not kept for the rest of the hour: too many (RECALL_REJECTED_PER_HOUR)",
			"source", source.Slug, "answered", e.Answered, "reason", string(e.Verification.Reason))
	} else {
		h.log.Debug("callback refused, and not kept", "source", source.Slug, "answered", e.Answered)
	}
	h.reply(w, source, answer{
		Verdict: e.Verification.Verdict, Reason: e.Verification.Reason,
		Message: "More rejected callbacks come from this address than are kept, so this one was not.",
	}, e.Answered, start)
}
