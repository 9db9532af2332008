package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// idRange holds from ≤ id < to. Times are ranges of ids, so that PostgreSQL looks only into the partitions of that time.
type idRange struct{ from, to uuid.UUID }

var allIDs = idRange{to: uuid.Max}

func (r *idRange) atLeast(id uuid.UUID) {
	if compareIDs(id, r.from) > 0 {
		r.from = id
	}
}

func (r *idRange) below(id uuid.UUID) {
	if compareIDs(id, r.to) < 0 {
		r.to = id
	}
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// nextID is the smallest id that is greater.
func nextID(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return id
		}
	}
	return uuid.Max
}

// previousID is the greatest id that is smaller.
func previousID(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			return id
		}
	}
	return uuid.Nil
}

// idFrom is the smallest id of the events received at a time or later. Ids carry whole milliseconds.
func idFrom(t time.Time) uuid.UUID { return IDAt(t.Add(time.Millisecond - time.Nanosecond)) }

// eventFilter is a filter.Filter in SQL: a condition on events e, its parameters, and the ids that can fulfil it.
// Each term says exactly what filter.Match says of an event in memory.
type eventFilter struct {
	conditions []string
	args       pgx.NamedArgs
	ids        idRange
	rest       filter.Filter // terms that are no matter of columns: they are looked at in memory
	plan       searchPlan    // how the search index finds them
}

// inMemory are the keys of which only the bytes that came tell: PostgreSQL reads neither every body nor every number as
// filter does.
var inMemory = []filter.Key{filter.KeyText, filter.KeyPayload, filter.KeyHeader}

// newEventFilter looks up which sources the filter names, removed ones included, and writes the condition.
func newEventFilter(ctx context.Context, q querier, f filter.Filter) (*eventFilter, error) {
	named, err := findNames(ctx, q, f)
	if err != nil {
		return nil, err
	}
	w := &eventFilter{args: pgx.NamedArgs{}, ids: allIDs}
	for _, t := range f.Terms {
		if t.Key == filter.KeyAfter || t.Key == filter.KeyBefore {
			w.received(t)
			continue
		}
		if slices.Contains(inMemory, t.Key) {
			w.rest.Terms = append(w.rest.Terms, t)
			continue
		}
		if t.Key == filter.KeyReceived && !t.Negated && len(t.Values) > 0 {
			w.receivedWithin(t.Values)
		}
		condition := "(" + w.term(t, named) + ")"
		if t.Negated {
			condition = "NOT " + condition
		}
		w.conditions = append(w.conditions, condition)
	}
	if w.plan, err = newSearchPlan(ctx, q, f, named); err != nil {
		return nil, err
	}
	return w, nil
}

// received narrows the ids. That one of several times holds is a matter of the earliest or the latest of them.
func (w *eventFilter) received(t filter.Term) {
	if len(t.Values) == 0 { // nothing holds
		if !t.Negated {
			w.ids.below(uuid.Nil)
		}
		return
	}
	byTime := func(a, b filter.Value) int { return a.Time.Compare(b.Time) }
	earliest, latest := idFrom(slices.MinFunc(t.Values, byTime).Time), idFrom(slices.MaxFunc(t.Values, byTime).Time)
	switch {
	case t.Key == filter.KeyAfter && !t.Negated:
		w.ids.atLeast(earliest)
	case t.Key == filter.KeyAfter:
		w.ids.below(earliest)
	case !t.Negated:
		w.ids.below(latest)
	default:
		w.ids.atLeast(latest)
	}
}

// receivedWithin narrows the ids to what spans all of some times.
func (w *eventFilter) receivedWithin(values []filter.Value) {
	span := idRange{from: uuid.Max}
	for _, v := range values {
		in := within(v)
		if compareIDs(in.from, span.from) < 0 {
			span.from = in.from
		}
		if compareIDs(in.to, span.to) > 0 {
			span.to = in.to
		}
	}
	w.ids.atLeast(span.from)
	w.ids.below(span.to)
}

// within are the ids of the events received at Time or later and before Until.
func within(v filter.Value) idRange {
	ids := idRange{from: idFrom(v.Time), to: uuid.Max}
	if !v.Until.IsZero() {
		ids.to = idFrom(v.Until)
	}
	return ids
}

func (w *eventFilter) between(column string, low, high int64) string {
	return column + " BETWEEN " + w.arg(low) + "::bigint AND " + w.arg(high) + "::bigint"
}

// delivery begins to ask for one of an event's deliveries. Their partitions are told the range again: PostgreSQL does not carry it over.
func (w *eventFilter) delivery(v filter.Value, named names) string {
	condition := `EXISTS (
			SELECT FROM deliveries d
			WHERE d.event_id = e.id AND d.event_id >= @from AND d.event_id < @to`
	if v.Destination != "" {
		condition += " AND " + anyOf(w, "d.destination_id", named.destinations[v.Destination])
	}
	return condition
}

func (w *eventFilter) triggered(v filter.Value, named names) string {
	return w.delivery(v, named) + " AND " + anyOf(w, "d.trigger::text", storable(v.Trigger)) + ")"
}

func (w *eventFilter) delivered(v filter.Value, named names) string {
	condition := w.delivery(v, named)
	if v.State == filter.DeliveryNone {
		return "NOT " + condition + ")"
	}
	return condition + " AND " + anyOf(w, "d.state::text", filter.DeliveryStates(v.State)) + ")"
}

// term writes a term that is not negated. No column compared is ever NULL, so NOT turns it round.
func (w *eventFilter) term(t filter.Term, named names) string {
	switch t.Key {
	case filter.KeySource:
		var ids []int64
		for id, slug := range named.slugs {
			if slices.ContainsFunc(t.Values, func(v filter.Value) bool { return v.Text == slug }) {
				ids = append(ids, id)
			}
		}
		return anyOf(w, "e.source_id", ids)
	case filter.KeyVerdict:
		return w.any(t.Values, func(v filter.Value) string {
			if !slices.Contains([]string{"verified", "late", "rejected"}, v.Text) {
				return "FALSE" // PostgreSQL refuses to compare with what is no verdict
			}
			return "e.verdict = " + w.arg(v.Text)
		})
	case filter.KeyReason:
		return anyOf(w, "e.reason", texts(t.Values))
	case filter.KeySignature:
		return anyOf(w, "e.signature", texts(t.Values))
	case filter.KeyVersion:
		return anyOf(w, "e.api_version", texts(t.Values))
	case filter.KeySize:
		return w.any(t.Values, func(v filter.Value) string { return w.between("e.size", v.Min, v.Max) })
	case filter.KeyAnswered:
		return w.any(t.Values, func(v filter.Value) string { return w.between("e.answered", v.Min, v.Max) })
	case filter.KeyRepeat:
		return w.any(t.Values, func(v filter.Value) string { return "(e.repeat_of IS NOT NULL) = " + w.arg(v.Yes) })
	case filter.KeyUnexpected:
		return w.any(t.Values, func(v filter.Value) string { return "e.unexpected_type = " + w.arg(v.Yes) })
	case filter.KeyReceived:
		return w.any(t.Values, func(v filter.Value) string {
			in := within(v)
			return "e.id >= " + w.arg(in.from) + " AND e.id < " + w.arg(in.to)
		})
	case filter.KeyDelivery:
		return w.any(t.Values, func(v filter.Value) string { return w.delivered(v, named) })
	case filter.KeyTrigger:
		return w.any(t.Values, func(v filter.Value) string { return w.triggered(v, named) })
	case filter.KeyType:
		return w.any(t.Values, func(v filter.Value) string {
			return w.upper("e.entity_type", v.EntityType) + " AND " + w.upper("e.callback_type", v.CallbackType)
		})
	case filter.KeyEntity:
		return w.any(t.Values, func(v filter.Value) string {
			return anyOf(w, "e.entity_id", storable(v.ID)) + " AND " + w.upper("e.entity_type", v.EntityType)
		})
	case filter.KeyCustomer:
		return w.any(t.Values, func(v filter.Value) string {
			if len(storable(v.ID)) == 0 {
				return "FALSE"
			}
			return "position(" + w.arg(customerPart(v.ID)) + " IN e.customers) > 0"
		})
	case filter.KeySender: // NULL is of no range, and NOT is to turn that round
		return w.any(t.Values, func(v filter.Value) string {
			if !v.Sender.IsValid() {
				return "FALSE"
			}
			return "coalesce(e.sender <<= " + w.arg(v.Sender) + "::inet, FALSE)"
		})
	case filter.KeyID:
		var ids []uuid.UUID
		for _, v := range t.Values {
			if id, err := uuid.Parse(v.ID); err == nil && id.String() == v.ID {
				ids = append(ids, id)
			}
		}
		return anyOf(w, "e.id", ids)
	}
	return "FALSE"
}

// any joins what holds for each value.
func (w *eventFilter) any(values []filter.Value, condition func(filter.Value) string) string {
	if len(values) == 0 {
		return "FALSE"
	}
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = condition(v)
	}
	return strings.Join(list, " OR ")
}

// anyOf compares a column with each of the values.
func anyOf[T any](w *eventFilter, column string, values []T) string {
	switch len(values) {
	case 0:
		return "FALSE"
	case 1: // only so is the order of an index that begins with the column of use
		return column + " = " + w.arg(values[0])
	}
	return column + " = ANY(" + w.arg(values) + ")"
}

// upper compares without regard to the case of ASCII letters, as filter does; "" is any.
func (w *eventFilter) upper(column, value string) string {
	if value == "" {
		return "TRUE"
	}
	return anyOf(w, "upper("+column+` COLLATE "C")`, storable(value))
}

// arg adds a parameter and returns its name.
func (w *eventFilter) arg(v any) string {
	name := fmt.Sprintf("p%d", len(w.args)+1)
	w.args[name] = v
	return "@" + name
}

// texts are the values that can stand in a column.
func texts(values []filter.Value) []string {
	var list []string
	for _, v := range values {
		list = append(list, storable(v.Text)...)
	}
	return list
}

// storable is the text, or none where no column can hold it, and PostgreSQL refuses to compare with it.
func storable(s string) []string {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return nil
	}
	return []string{s}
}
