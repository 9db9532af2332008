package filter

import "slices"

// Match tells whether an event fulfils the filter, in memory, exactly as the store's SQL does.
func (f Filter) Match(s Subject) bool {
	for _, t := range f.Terms {
		held := slices.ContainsFunc(t.Values, func(v Value) bool { return v.match(t.Key, s) })
		if held == t.Negated {
			return false
		}
	}
	return true
}

func (v Value) match(key Key, s Subject) bool {
	switch key {
	case KeySource:
		return v.Text == s.Source
	case KeyVerdict:
		return v.Text == s.Verdict
	case KeyReason:
		return v.Text == s.Reason
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
	case KeyID:
		return v.ID == s.ID
	}
	return false
}
