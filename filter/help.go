package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"
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
		{KeySignature, "what the check of the signature said", "signature:expired"},
		{KeyType, "entity type and callback type, either may be *", "type:customer.creation"},
		{KeyEntity, "entity id, with or without its type", "entity:order/12841"},
		{KeyCustomer, "id of a customer the body names", "customer:48213"},
		{KeyPayload, "a value of the body, by its path: equal, compared, * any, ~ words", "entity.email:anna@example.org"},
		{KeyText, "words in a row within one value of the body, without a key", `"Anna Müller"`},
		{KeyHeader, "a header, by its name: equal, * any, ~ words", "header.content-type:application/json"},
		{KeyAfter, "received at or after a time, a day (UTC), or so long ago", "after:2h"},
		{KeyBefore, "received before a time, a day (UTC), or so long ago", "before:2026-11-01"},
		{KeyReceived, "received on a day, or compared with one", "received:2026-11-01..2026-11-07"},
		{KeyDelivery, "a delivery in this state, to this destination", "delivery:crm/failed"},
		{KeyTrigger, "a delivery that was caused so: automatic, manual or replay", "trigger:crm/replay"},
		{KeyAnswered, "HTTP status of our answer", "answered:4xx"},
		{KeyRepeat, "yes: an earlier arrival had the same body", "repeat:no"},
		{KeyUnexpected, "yes: of a type that its source does not expect", "unexpected:yes"},
		{KeyVersion, "API version", "version:20240827"},
		{KeySize, "bytes of the body", "size:>10kb"},
		{KeySender, "address it came from, or a range of them", "sender:203.0.113.0/24"},
		{KeyID, "id of the event", "id:0192b1f4-…"},
	}
}

func keyNames() []string {
	var names []string
	for _, k := range Keys() {
		switch k.Key {
		case KeyText:
		case KeyPayload:
			names = append(names, "entity.… (a path)")
		case KeyHeader:
			names = append(names, "header.…")
		default:
			names = append(names, string(k.Key))
		}
	}
	return names
}

func unknownKey(name string) string {
	if lower(name) == "erased" { // people look for it here
		return `There is no key "erased": what was erased is gone from the events. Its id still leads to what is left of it, and Erasures lists it by case.`
	}
	possible := didYouMean(lower(name), keyNames())
	if possible == "" {
		possible = " Keys are " + strings.Join(keyNames(), ", ") + "."
	}
	return fmt.Sprintf("There is no key %q.%s To find it as text put it in quotes.", shorten(name), possible)
}

// didYouMean is a sentence, or nothing where no word of the list is near.
func didYouMean(text string, list []string) string {
	best, least := "", 3 // more than two letters wrong is another word
	for _, word := range list {
		if d := distance(text, word); d < least && d < len(word)-1 {
			best, least = word, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %s?", best)
}

// distance is how many letters must be put in, left out, changed, or swapped with the next.
func distance(a, b string) int {
	if len(a) > MaxKey || len(b) > MaxKey {
		return MaxKey
	}
	older, old := []int{}, []int{}
	for j := range len(b) + 1 {
		old = append(old, j)
	}
	for i := 1; i <= len(a); i++ {
		row := []int{i}
		for j := 1; j <= len(b); j++ {
			d := old[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, old[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, older[j-2]+1)
			}
			row = append(row, d)
		}
		older, old = old, row
	}
	return old[len(b)]
}

func orList(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
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
