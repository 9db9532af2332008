package filter

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// Number is a decimal number, exact however long it is: 0.digits × 10^exp.
type Number struct {
	negative bool
	digits   string // neither leading nor trailing zeros; "" is 0
	exp      int
}

// ParseNumber reads a number as JSON writes it. It has no bound but the text's own: an exponent stays an exponent.
func ParseNumber(text string) (Number, bool) {
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" || !json.Valid([]byte(text)) {
		return Number{}, false
	}
	var n Number
	text, n.negative = strings.CutPrefix(text, "-")
	exponent := 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.ParseInt(strings.TrimPrefix(text[i+1:], "+"), 10, 32)
		if err != nil {
			return Number{}, false
		}
		text, exponent = text[:i], int(e)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	n.exp = exponent + len(whole) - (len(whole) + len(fraction) - len(digits))
	n.digits = strings.TrimRight(digits, "0")
	if n.digits == "" {
		return Number{}, true
	}
	return n, true
}

// Compare is below, at or above 0 as n is less than, equal to or more than other.
func (n Number) Compare(other Number) int {
	if n.sign() != other.sign() || n.sign() == 0 {
		return cmp.Compare(n.sign(), other.sign())
	}
	return n.sign() * cmp.Or(cmp.Compare(n.exp, other.exp), strings.Compare(n.digits, other.digits))
}

func (n Number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// String writes the number in the one spelling that equality compares: without an exponent where that is not long.
func (n Number) String() string {
	minus := ""
	if n.negative {
		minus = "-"
	}
	const most = 40 // digits that an int64, a price or an id never has
	switch length := len(n.digits); {
	case length == 0:
		return "0"
	case n.exp > most || n.exp < -most:
		return minus + "0." + n.digits + "e" + strconv.Itoa(n.exp)
	case n.exp <= 0:
		return minus + "0." + strings.Repeat("0", -n.exp) + n.digits
	case n.exp >= length:
		return minus + n.digits + strings.Repeat("0", n.exp-length)
	}
	return minus + n.digits[:n.exp] + "." + n.digits[n.exp:]
}

// foldNumber is the one spelling of a number; of one that cannot be read, the text.
func foldNumber(text string) string {
	if n, ok := ParseNumber(text); ok {
		return n.String()
	}
	return Fold(text)
}
