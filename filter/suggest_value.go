package filter

import (
	"slices"
	"strings"
)

// closed are the values of keys that have only these, or whose usual ones these are.
var closed = map[Key][]candidate{
	KeyVerdict: {
		{"verified", "genuine and fresh", false},
		{"late", "genuine, later than the source tolerates", false},
		{"rejected", "neither", false},
	},
	KeySignature: {
		{"valid", "", false},
		{"mismatch", "no secret fits", false},
		{"missing", "there was none", false},
		{"malformed", "it could not be read", false},
		{"expired", "genuine, but too old", false},
		{"future", "genuine, but of a time to come", false},
		{"no_secret", "the source had no secret", false},
		{"not_required", "", false},
		{"not_checked", "something else had decided already", false},
	},
	KeyReason: bare("signature_missing", "signature_malformed", "signature_mismatch", "signature_expired", "signature_future", "no_secret",
		"basic_missing", "basic_malformed", "basic_mismatch", "header_missing", "header_mismatch", "source_disabled", "body_too_large", "settings_unreadable"),
	KeyRepeat:     {{"yes", "an earlier arrival had the same body", false}, {"no", "the first of its kind", false}},
	KeyUnexpected: {{"yes", "of a type its source does not expect", false}, {"no", "", false}},
	KeyAnswered: {{"2xx", "taken", false}, {"4xx", "refused", false}, {"401", "refused: not genuine", false}, {"413", "refused: too large", false},
		{"5xx", "not taken", false}},
	KeyAfter: {{"15m", "the last 15 minutes", false}, {"1h", "the last hour", false}, {"24h", "the last 24 hours", false}, {"7d", "the last 7 days", false},
		{"30d", "the last 30 days", false}},
	KeyBefore:   {{"1h", "more than an hour ago", false}, {"24h", "more than 24 hours ago", false}, {"7d", "more than 7 days ago", false}},
	KeyReceived: {{">1h", "the last hour", false}, {">24h", "the last 24 hours", false}, {"7d..1d", "from 7 days to a day ago", false}},
	KeySize:     {{">10kb", "more than 10,000 bytes", false}, {">100kb", "", false}, {"<1kb", "", false}, {"0", "empty", false}},
}

func bare(list ...string) []candidate {
	var all []candidate
	for _, text := range list {
		all = append(all, candidate{insert: text})
	}
	return all
}

var deliveryStates = []candidate{
	{DeliveryFailed, "not delivered: tried again later, or given up", false},
	{"pending", "not tried yet", false},
	{"sending", "being tried", false},
	{"succeeded", "delivered", false},
	{"waiting", "waits for its next try", false},
	{"exhausted", "given up", false},
	{"cancelled", "taken back", false},
	{DeliveryNone, "never sent, nor to be", false},
	{DeliveryAny, "sent, or to be", false},
}

var deliveryTriggers = []candidate{
	{"automatic", "sent when it arrived", false},
	{"manual", "redispatched by somebody", false},
	{"replay", "sent again by a replay", false},
}

// valueCandidates are the values that can stand behind the key.
func (p place) valueCandidates(known Known) []candidate {
	key := Key(lower(p.key))
	var list []candidate
	switch {
	case key == KeyPayload || key == KeyHeader: // a name is missing first
		return nil
	case key == KeyDelivery:
		if destination, _, slash := strings.Cut(p.prefix, "/"); slash {
			for _, c := range deliveryStates {
				list = append(list, candidate{destination + "/" + c.insert, c.words, false})
			}
			return list
		}
		list = append(list, deliveryStates...)
		for _, destination := range known[KeyDelivery] {
			list = append(list, candidate{destination + "/", "to this destination", true})
		}
		return list
	case key == KeyTrigger:
		destination := ""
		if to, _, slash := strings.Cut(p.prefix, "/"); slash {
			destination = to + "/"
		}
		for _, c := range deliveryTriggers {
			list = append(list, candidate{destination + c.insert, c.words, false})
		}
		for _, name := range known[KeyDelivery] {
			if destination == "" {
				list = append(list, candidate{name + "/", "to this destination", true})
			}
		}
		return list
	case key == KeyType:
		var entities []string
		for _, kind := range known[KeyType] {
			list = append(list, candidate{insert: Quote(kind)})
			if entity, _, _ := strings.Cut(kind, "."); entity != "*" && !slices.Contains(entities, entity) {
				entities = append(entities, entity)
			}
		}
		for _, entity := range entities {
			list = append(list, candidate{Quote(entity + ".*"), "whatever happened to it", false})
		}
		return list
	case strings.Contains(p.key, "."):
		if p.op == OpEqual {
			list = append(list, candidate{"*", "is there, and neither null nor empty", false})
		}
		for label, values := range known {
			if PathKey(string(label)) == PathKey(p.key) {
				for _, value := range values {
					list = append(list, candidate{insert: literal(value)})
				}
			}
		}
		return list
	}
	for _, c := range closed[key] {
		if p.op == OpEqual {
			list = append(list, c)
		}
	}
	for _, value := range known[key] {
		list = append(list, candidate{insert: Quote(value)})
	}
	return list
}
