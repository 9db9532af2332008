package filter

import (
	"slices"
	"time"
)

// Match tells whether an event fulfils the filter, in memory, exactly as the store's SQL does.
func (f Filter) Match(s Subject) bool {
	for _, t := range f.Terms {
		if t.holds(s) == t.Negated {
			return false
		}
	}
	return true
}

func (t Term) holds(s Subject) bool {
	switch t.Key {
	case KeyText:
		return s.Payload != nil && slices.ContainsFunc(s.Payload.texts(), func(words []string) bool {
			return slices.ContainsFunc(t.Values, func(v Value) bool { return containsRun(words, v.Words) })
		})
	case KeyPayload:
		return t.Path != "" && s.Payload != nil && slices.ContainsFunc(s.Payload.scalars(), func(found scalar) bool {
			return found.key == t.Path && slices.ContainsFunc(t.Values, func(v Value) bool { return v.HoldsFor(found.Scalar) })
		})
	case KeyHeader:
		return slices.ContainsFunc(s.Header[t.Name], func(text string) bool {
			return slices.ContainsFunc(t.Values, func(v Value) bool { return v.HoldsFor(Scalar{Kind: KindString, Text: text}) })
		})
	}
	return slices.ContainsFunc(t.Values, func(v Value) bool { return v.match(t.Key, s) })
}

func (v Value) match(key Key, s Subject) bool {
	switch key {
	case KeySource:
		return v.Text == s.Source
	case KeyVerdict:
		return v.Text == s.Verdict
	case KeyReason:
		return v.Text == s.Reason
	case KeySignature:
		return v.Text == s.Signature
	case KeyVersion:
		return v.Text == s.Version
	case KeyType:
		return (v.EntityType == "" || v.EntityType == upper(s.EntityType)) &&
			(v.CallbackType == "" || v.CallbackType == upper(s.CallbackType))
	case KeyEntity:
		return v.ID == s.Entity && (v.EntityType == "" || v.EntityType == upper(s.EntityType))
	case KeyCustomer:
		return slices.Contains(s.Customers, v.ID)
	case KeySender:
		return v.Sender.Contains(s.Sender)
	case KeyAfter:
		return !s.ReceivedAt.Before(v.Time)
	case KeyBefore:
		return s.ReceivedAt.Before(v.Time)
	case KeyReceived:
		return v.within(s.ReceivedAt)
	case KeyID:
		return v.ID == s.ID
	case KeySize:
		return v.Min <= s.Size && s.Size <= v.Max
	case KeyAnswered:
		return v.Min <= int64(s.Answered) && int64(s.Answered) <= v.Max
	case KeyRepeat:
		return v.Yes == s.Repeat
	case KeyUnexpected:
		return v.Yes == s.Unexpected
	case KeyDelivery:
		return v.matchDelivery(s.Deliveries)
	case KeyTrigger:
		return slices.ContainsFunc(s.Deliveries, func(d Delivery) bool { return v.to(d) && v.Trigger == d.Trigger && v.Trigger != "" })
	}
	return false
}

// within tells whether a time lies from Time up to, not including, Until.
func (v Value) within(t time.Time) bool {
	return !t.Before(v.Time) && (v.Until.IsZero() || t.Before(v.Until))
}

func (v Value) matchDelivery(deliveries []Delivery) bool {
	if v.State == DeliveryNone {
		return !slices.ContainsFunc(deliveries, v.to)
	}
	states := DeliveryStates(v.State)
	return slices.ContainsFunc(deliveries, func(d Delivery) bool { return v.to(d) && slices.Contains(states, d.State) })
}

// to tells whether a delivery is to the destination that a value names, if any.
func (v Value) to(d Delivery) bool { return v.Destination == "" || v.Destination == d.Destination }

// HoldsFor tells whether a scalar at a payload term's path, or a header's value as a string, fulfils the value.
func (v Value) HoldsFor(s Scalar) bool {
	switch v.Op {
	case OpEqual:
		return slices.Contains(v.Folded, s.Folded())
	case OpPresent:
		return s.Kind != KindNull && s.Text != ""
	case OpWords:
		return containsRun(s.Words(), v.Words)
	case OpMore, OpAtLeast, OpLess, OpAtMost, OpRange:
		if v.Low == nil && v.High == nil {
			t, ok := parseStamp(s)
			return ok && v.within(t) && (!v.Time.IsZero() || !v.Until.IsZero())
		}
		n, ok := ParseNumber(s.Text)
		return ok && s.Kind == KindNumber &&
			(v.Low == nil || n.Compare(*v.Low) > 0 || v.Op != OpMore && n.Compare(*v.Low) == 0) &&
			(v.High == nil || n.Compare(*v.High) < 0 || v.Op != OpLess && n.Compare(*v.High) == 0)
	}
	return false
}

// parseStamp reads a time or day as plenigo writes them.
func parseStamp(s Scalar) (time.Time, bool) {
	if s.Kind != KindString || len(s.Text) < len(time.DateOnly) || len(s.Text) > 40 {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s.Text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// ParseRule reads a destination's matching rule: a filter that can be decided when an event arrives. The error is an *Error.
func ParseRule(text string, now time.Time) (Filter, error) {
	f, err := Parse(text, now)
	if err != nil {
		return f, err
	}
	for _, t := range f.Terms {
		if t.Key == KeyDelivery || t.Key == KeyTrigger {
			return Filter{}, &Error{Pos: t.Pos, End: t.End, Message: "A matching rule decides when an event arrives, before it has deliveries: leave " + string(t.Key) + ": out."}
		}
	}
	return f, nil
}
