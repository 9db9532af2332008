package filter

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of a filter text.
const (
	MaxText   = 2000 // bytes
	MaxTerms  = 50
	MaxValues = 100 // of one term
)

// KeyHelp says what a key is for.
type KeyHelp struct {
	Key     Key
	Words   string
	Example string
}

// Keys lists every key with its meaning, in the order help shows them.
func Keys() []KeyHelp {
	return []KeyHelp{
		{KeySource, "slug of the source", "source:shop"},
		{KeyVerdict, "verified, late or rejected", "verdict:rejected"},
		{KeyReason, "why it was rejected or late", "reason:signature_mismatch"},
		{KeyType, "entity type and callback type, either may be *", "type:customer.creation"},
		{KeyEntity, "entity id, with or without its type", "entity:order/12841"},
		{KeyCustomer, "id of a customer the body names", "customer:48213"},
		{KeySender, "address it came from, or a range of them", "sender:203.0.113.0/24"},
		{KeyAfter, "received at or after a time, a day (UTC), or so long ago", "after:2h"},
		{KeyBefore, "received before a time, a day (UTC), or so long ago", "before:2026-11-01"},
		{KeyID, "id of the event", "id:0192b1f4-…"},
	}
}

func keyNames() string {
	names := make([]string, 0, 10)
	for _, k := range Keys() {
		names = append(names, string(k.Key))
	}
	return strings.Join(names, ", ")
}

// Parse reads a filter text. Ages such as 2h count back from now. The error is an *Error.
func Parse(text string, now time.Time) (Filter, error) {
	var f Filter
	if len(text) > MaxText {
		return f, &Error{Pos: MaxText, Message: fmt.Sprintf("The filter is longer than %d bytes.", MaxText)}
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return f, &Error{Message: "The filter is not valid UTF-8 text."}
	}
	s := &scanner{text: text}
	for s.blanks(); s.pos < len(text); s.blanks() {
		if len(f.Terms) == MaxTerms {
			return Filter{}, &Error{Pos: s.pos, Message: fmt.Sprintf("A filter has at most %d terms.", MaxTerms)}
		}
		term, err := s.term(now)
		if err != nil {
			return Filter{}, err
		}
		f.Terms = append(f.Terms, term)
	}
	return f, nil
}

type scanner struct {
	text string
	pos  int
}

func (s *scanner) blanks() {
	for s.pos < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		s.pos += n
	}
}

func (s *scanner) term(now time.Time) (Term, error) {
	t := Term{Pos: s.pos}
	if strings.HasPrefix(s.text[s.pos:], "-") {
		t.Negated = true
		s.pos++
	}
	start := s.pos
	for s.pos < len(s.text) && (s.text[s.pos] >= 'a' && s.text[s.pos] <= 'z' || s.text[s.pos] >= 'A' && s.text[s.pos] <= 'Z' || s.text[s.pos] == '_' || s.text[s.pos] == '.') {
		s.pos++
	}
	name := strings.ToLower(s.text[start:s.pos])
	if s.pos == len(s.text) || s.text[s.pos] != ':' {
		word := strings.Fields(s.text[start:] + " ")
		shown := ""
		if len(word) > 0 {
			shown = word[0]
		}
		return t, &Error{Pos: start, Message: fmt.Sprintf("%q is not written as key:value; the text of payloads is not searched yet. Keys are %s.", shorten(shown), keyNames())}
	}
	t.Key = Key(name)
	if !slices.ContainsFunc(Keys(), func(k KeyHelp) bool { return k.Key == t.Key }) {
		return t, &Error{Pos: start, Message: fmt.Sprintf("There is no key %q. Keys are %s.", shorten(name), keyNames())}
	}
	s.pos++ // the colon
	for {
		at := s.pos
		word, err := s.value()
		if err != nil {
			return t, err
		}
		value, message := parseValue(t.Key, word, now)
		if message != "" {
			return t, &Error{Pos: at, Message: message}
		}
		if len(t.Values) == MaxValues {
			return t, &Error{Pos: at, Message: fmt.Sprintf("%s has more than %d values.", t.Key, MaxValues)}
		}
		t.Values = append(t.Values, value)
		if s.pos == len(s.text) || s.text[s.pos] != ',' {
			break
		}
		s.pos++
	}
	if s.pos < len(s.text) {
		if r, _ := utf8.DecodeRuneInString(s.text[s.pos:]); !unicode.IsSpace(r) {
			return t, &Error{Pos: s.pos, Message: "A blank is missing after the closing quote."}
		}
	}
	return t, nil
}

// value reads up to a comma or blank, or a quoted text.
func (s *scanner) value() (string, error) {
	if !strings.HasPrefix(s.text[s.pos:], `"`) {
		start := s.pos
		for s.pos < len(s.text) {
			r, n := utf8.DecodeRuneInString(s.text[s.pos:])
			if r == ',' || r == '"' || unicode.IsSpace(r) {
				break
			}
			s.pos += n
		}
		return s.text[start:s.pos], nil
	}
	open := s.pos
	var b strings.Builder
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c == '\\' && s.pos+1 < len(s.text):
			s.pos++
			b.WriteByte(s.text[s.pos])
		default:
			b.WriteByte(c)
		}
	}
	return "", &Error{Pos: open, Message: "The closing quote is missing."}
}

// parseValue reads one value of a key. The message, if any, says what is possible.
func parseValue(key Key, text string, now time.Time) (Value, string) {
	v := Value{Text: text}
	if text == "" {
		return v, fmt.Sprintf("%s: needs a value.", key)
	}
	if len(text) > 256 {
		return v, fmt.Sprintf("The value of %s is longer than 256 bytes.", key)
	}
	switch key {
	case KeyVerdict:
		v.Text = strings.ToLower(text)
		if v.Text != "verified" && v.Text != "late" && v.Text != "rejected" {
			return v, fmt.Sprintf("%q is no verdict: it is verified, late or rejected.", shorten(text))
		}
	case KeySource, KeyReason:
		v.Text = strings.ToLower(text)
	case KeyType:
		entity, callback, _ := strings.Cut(upper(text), ".")
		if entity == "" || strings.Contains(callback, ".") {
			return v, fmt.Sprintf("%q is no type: write entity.callback, such as customer.creation, order.* or *.deletion.", shorten(text))
		}
		v.EntityType, v.CallbackType = strings.TrimSuffix(entity, "*"), strings.TrimSuffix(callback, "*")
		if strings.Contains(v.EntityType+v.CallbackType, "*") || (strings.HasSuffix(entity, "*") && entity != "*") || (strings.HasSuffix(callback, "*") && callback != "*") {
			return v, fmt.Sprintf("In %q a * must stand alone for the entity or the callback, as in order.* or *.deletion.", shorten(text))
		}
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
		t, ok := parseTime(text, now)
		if !ok {
			return v, fmt.Sprintf("%q is no time: write 2026-11-24, 2026-11-24T10:00:00Z, or an age such as 30m, 2h, 3d or 1w.", shorten(text))
		}
		v.Time = t
	}
	return v, ""
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

// parseTime reads RFC 3339, a minute or day in UTC, or an age.
func parseTime(text string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			t = t.UTC()
			return t, t.Year() >= 1970 && t.Year() <= 9999
		}
	}
	unit, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 16)
	if !ok || err != nil {
		return time.Time{}, false
	}
	t := now.Add(-time.Duration(n) * unit).UTC().Truncate(time.Millisecond)
	return t, t.Year() >= 1970
}

func shorten(s string) string {
	if len(s) <= 60 {
		return s
	}
	cut := 60
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
