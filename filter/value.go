package filter

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// parseValue reads one value of a term. The message, if any, says what is possible.
func parseValue(t Term, w word, now time.Time) (Value, string) {
	key, text := t.Key, w.text
	v := Value{Text: text}
	if text == "" && (key != KeyPayload && key != KeyHeader || !w.quoted || w.op != OpEqual) {
		return v, fmt.Sprintf("%s: needs a value.", t.label())
	}
	if len(text) > MaxKey {
		return v, fmt.Sprintf("The value of %s is longer than %d bytes.", t.label(), MaxKey)
	}
	switch key {
	case KeyVerdict:
		v.Text = lower(text)
		return v, v.oneOf("verdict", "verified", "late", "rejected")
	case KeySignature:
		v.Text = lower(text)
		return v, v.oneOf("state of a signature", signatures...)
	case KeyRepeat, KeyUnexpected:
		v.Text = lower(text)
		v.Yes = v.Text == "yes"
		return v, v.oneOf("answer to "+string(key), "yes", "no")
	case KeySource, KeyReason:
		v.Text = strings.ToLower(text)
	case KeyType:
		return parseType(v)
	case KeyEntity:
		v.ID = text
		if kind, id, found := strings.Cut(text, "/"); found {
			v.EntityType, v.ID = upper(kind), id
		}
		if v.ID == "" {
			return v, fmt.Sprintf("%q has no entity id: write entity:48213 or entity:customer/48213.", shorten(text))
		}
	case KeyCustomer:
		v.ID = text
	case KeyID:
		id, err := uuid.Parse(text)
		if err != nil {
			return v, fmt.Sprintf("%q is no event id: it is a UUID such as 0192b1f4-7a3c-7000-8000-000000000000.", shorten(text))
		}
		v.ID = id.String()
	case KeySender:
		sender, ok := parseSender(text)
		if !ok {
			return v, fmt.Sprintf("%q is no address: write 203.0.113.7 or 2001:db8::1, or a range such as 203.0.113.0/24.", shorten(text))
		}
		v.Sender = sender
	case KeyAfter, KeyBefore:
		span, ok := parseTime(text, now)
		if !ok {
			return v, fmt.Sprintf("%q is no time: write 2026-11-24, 2026-11-24T10:00:00Z, or an age such as 30m, 2h, 3d or 1w.", shorten(text))
		}
		v.Time, v.Aged = span.from, span.age
	case KeyReceived:
		return parseReceived(v, w, now)
	case KeySize:
		return parseCount(v, w, parseSize, "size: write 686, 10kb, >1mb or 1kb..2kb (kb is 1,000 bytes, kib 1,024)")
	case KeyAnswered:
		return parseCount(v, w, parseStatus, "status: write 401, 4xx, >=500 or 200..299")
	case KeyDelivery:
		return parseDelivery(v)
	case KeyTrigger:
		return parseTrigger(v)
	case KeyText:
		if v.Words = Words(text); len(v.Words) == 0 {
			return v, fmt.Sprintf("%q has neither letter nor digit: text is found by its words.", shorten(text))
		}
		if !w.quoted && strings.Contains(text, "*") {
			return v, fmt.Sprintf("Text is found by whole words, so that the * in %q can stand for nothing.", shorten(text))
		}
	case KeyPayload, KeyHeader:
		return parseScalar(v, w, key == KeyPayload, now)
	}
	return v, ""
}

// label is how a term's key is written.
func (t Term) label() string {
	switch t.Key {
	case KeyHeader:
		return "header." + lower(t.Name)
	case KeyPayload:
		if first, _, dotted := strings.Cut(t.Name, "."); !dotted || slices.Contains([]string{"payload", "header"}, lower(first)) || !startsKey(t.Name) {
			return "payload." + t.Name
		}
		return t.Name
	}
	return string(t.Key)
}

func (v Value) oneOf(what string, list ...string) string {
	if slices.Contains(list, v.Text) {
		return ""
	}
	return fmt.Sprintf("%q is no %s: it is %s.%s", shorten(v.Text), what, orList(list), didYouMean(v.Text, list))
}

var signatures = []string{"valid", "mismatch", "missing", "malformed", "expired", "future", "no_secret", "not_required", "not_checked"}

func parseType(v Value) (Value, string) {
	entity, callback, _ := strings.Cut(upper(v.Text), ".")
	if entity == "" || strings.Contains(callback, ".") {
		return v, fmt.Sprintf("%q is no type: write entity.callback, such as customer.creation, order.* or *.deletion.", shorten(v.Text))
	}
	v.EntityType, v.CallbackType = strings.TrimSuffix(entity, "*"), strings.TrimSuffix(callback, "*")
	if strings.Contains(v.EntityType+v.CallbackType, "*") || (strings.HasSuffix(entity, "*") && entity != "*") || (strings.HasSuffix(callback, "*") && callback != "*") {
		return v, fmt.Sprintf("In %q a * must stand alone for the entity or the callback, as in order.* or *.deletion.", shorten(v.Text))
	}
	return v, ""
}

// ofDestination takes destination/word apart; the destination is any where it is not named.
func ofDestination(text string) (destination, word string, named bool) {
	word = lower(text)
	if at := strings.LastIndexByte(word, '/'); at >= 0 {
		return word[:at], word[at+1:], at > 0
	}
	return "", word, true
}

// parseTrigger reads trigger or destination/trigger.
func parseTrigger(v Value) (Value, string) {
	named := false
	if v.Destination, v.Trigger, named = ofDestination(v.Text); !named {
		return v, fmt.Sprintf("%q names no destination: write trigger:crm/replay, or trigger:replay of any.", shorten(v.Text))
	}
	if !slices.Contains(Triggers, v.Trigger) {
		return v, fmt.Sprintf("%q causes no delivery: it is %s, after the name of a destination and a / where it is of one, as in crm/replay.%s",
			shorten(v.Trigger), orList(Triggers), didYouMean(v.Trigger, Triggers))
	}
	return v, ""
}

// parseDelivery reads state, destination/state or destination/*.
func parseDelivery(v Value) (Value, string) {
	named := false
	if v.Destination, v.State, named = ofDestination(v.Text); !named {
		return v, fmt.Sprintf("%q names no destination: write delivery:crm/failed, or delivery:failed of any.", shorten(v.Text))
	}
	states := slices.Concat([]string{DeliveryFailed}, DeliveryStates(DeliveryAny), []string{DeliveryNone, DeliveryAny})
	if !slices.Contains(states, v.State) {
		return v, fmt.Sprintf("%q is no state of a delivery: it is %s, after the name of a destination and a / where it is of one, as in crm/failed.%s",
			shorten(v.State), orList(states), didYouMean(v.State, states))
	}
	return v, ""
}

// parseScalar reads what a path or a header is compared with.
func parseScalar(v Value, w word, path bool, now time.Time) (Value, string) {
	v.Op = w.op
	low, high, ranged := strings.Cut(v.Text, "..")
	switch {
	case w.op == OpWords:
		if v.Words = Words(v.Text); len(v.Words) == 0 {
			return v, fmt.Sprintf("%q has neither letter nor digit: ~ finds words.", shorten(v.Text))
		}
		return v, ""
	case w.op == OpEqual && !w.quoted && v.Text == "*":
		v.Op = OpPresent
		return v, ""
	case path && w.op != OpEqual:
		low, high = "", v.Text
		if w.op == OpMore || w.op == OpAtLeast {
			low, high = v.Text, ""
		}
		if v.bounds(low, high, now) {
			return v, ""
		}
		return v, fmt.Sprintf("%q cannot be compared by %s: write a number or a time, such as >100 or >=2026-11-24.", shorten(v.Text), w.op)
	case path && !w.quoted && ranged && v.bounds(low, high, now):
		v.Op = OpRange
		if low, high := v.Low, v.High; low != nil && low.Compare(*high) > 0 || low == nil && !v.Time.Before(v.Until) {
			return v, fmt.Sprintf("The range %s is the wrong way round.", shorten(v.Text))
		}
		return v, ""
	}
	v.Folded = []string{Fold(v.Text)}
	if n, ok := ParseNumber(v.Text); ok && n.String() != v.Folded[0] {
		v.Folded = append(v.Folded, n.String())
	}
	return v, ""
}

// bounds reads one or both ends of what is compared, numbers or times; "" is open.
func (v *Value) bounds(low, high string, now time.Time) bool {
	if v.Op == OpEqual && (low == "" || high == "") {
		return false
	}
	from, isFrom := ParseNumber(low)
	to, isTo := ParseNumber(high)
	if (isFrom || low == "") && (isTo || high == "") {
		if isFrom {
			v.Low = &from
		}
		if isTo {
			v.High = &to
		}
		return true
	}
	return v.span(low, high, now)
}

// span reads one or both ends of a time. A day or minute is whole: > begins after its end.
func (v *Value) span(low, high string, now time.Time) bool {
	from, isFrom := parseTime(low, now)
	to, isTo := parseTime(high, now)
	if !isFrom && low != "" || !isTo && high != "" {
		return false
	}
	v.Aged = isFrom && from.age || isTo && to.age
	if isFrom {
		if v.Time = from.from; v.Op == OpMore {
			v.Time = from.until
		}
	}
	if isTo {
		if v.Until = to.until; v.Op == OpLess {
			v.Until = to.from
		}
	}
	return true
}

func parseReceived(v Value, w word, now time.Time) (Value, string) {
	low, high, ranged := strings.Cut(v.Text, "..")
	if v.Op = w.op; ranged {
		v.Op = OpRange
	} else {
		low, high = v.Text, v.Text
		switch w.op {
		case OpMore, OpAtLeast:
			high = ""
		case OpLess, OpAtMost:
			low = ""
		}
	}
	ok := (!ranged || low != "" && high != "" && w.op == OpEqual) && v.span(low, high, now)
	if !ok || v.Aged && v.Op == OpEqual {
		return v, fmt.Sprintf("%q is no time of receipt: write a day such as 2026-11-24, >=2026-11-24T10:00, >2h (since two hours ago) or 2026-11-01..2026-11-07.", shorten(v.Text))
	}
	if !v.Time.IsZero() && !v.Until.IsZero() && !v.Time.Before(v.Until) {
		return v, fmt.Sprintf("The range %s is the wrong way round.", shorten(v.Text))
	}
	return v, ""
}

// parseCount reads a whole number, or the bounds of one.
func parseCount(v Value, w word, read func(string) (low, high int64, ok bool), possible string) (Value, string) {
	low, high, ranged := strings.Cut(v.Text, "..")
	if v.Op = w.op; !ranged {
		high = low
	} else if w.op == OpEqual {
		v.Op = OpRange
	}
	from, fromEnd, ok := read(lower(low))
	to, toEnd, also := read(lower(high))
	v.Min, v.Max = from, toEnd
	switch w.op {
	case OpMore:
		v.Min, v.Max = fromEnd+1, math.MaxInt64
	case OpAtLeast:
		v.Max = math.MaxInt64
	case OpLess:
		v.Min, v.Max = 0, to-1
	case OpAtMost:
		v.Min = 0
	}
	if !ok || !also || ranged && w.op != OpEqual {
		return v, fmt.Sprintf("%q is no %s.", shorten(v.Text), possible)
	}
	if ranged && from > toEnd {
		return v, fmt.Sprintf("The range %s is the wrong way round.", shorten(v.Text))
	}
	return v, ""
}

var units = []struct {
	name  string
	bytes float64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}, {"", 1}}

func parseSize(text string) (low, high int64, ok bool) {
	for _, unit := range units {
		if number, has := strings.CutSuffix(text, unit.name); has {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil || n < 0 || n*unit.bytes > 1e15 || strings.Trim(number, "0123456789.") != "" {
				return 0, 0, false
			}
			size := int64(math.Round(n * unit.bytes))
			return size, size, true
		}
	}
	return 0, 0, false
}

// parseStatus reads 401 or, for all of its hundred, 4xx.
func parseStatus(text string) (low, high int64, ok bool) {
	if digit, class := strings.CutSuffix(text, "xx"); class && len(digit) == 1 && digit >= "1" && digit <= "5" {
		low = int64(digit[0]-'0') * 100
		return low, low + 99, true
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return int64(n), int64(n), err == nil && n >= 100 && n <= 599
}

// parseSender reads an address or a range; IPv4 written as IPv6 is IPv4, as senders are kept.
func parseSender(text string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	prefix, err := netip.ParsePrefix(text)
	if err == nil && prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), err == nil
}
