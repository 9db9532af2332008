package diff

import (
	"bytes"
	"strconv"
)

// canonical writes a JSON number so that equal numbers are equal texts: its digits without zeros at either end, and an
// exponent. 100, 1e2 and 100.0 are 1e2; -0 is 0. Nothing is rounded. An exponent of more than 18 digits counts as it is
// spelled.
func canonical(raw []byte) string {
	sign := ""
	if raw[0] == '-' {
		sign, raw = "-", raw[1:]
	}
	mantissa, exponent := raw, []byte(nil)
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		mantissa, exponent = raw[:i], bytes.TrimPrefix(raw[i+1:], []byte("+"))
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	digits := bytes.TrimLeft(append(append(make([]byte, 0, len(mantissa)), whole...), fraction...), "0")
	shift := -int64(len(fraction))
	trimmed := bytes.TrimRight(digits, "0")
	shift += int64(len(digits) - len(trimmed))
	if len(trimmed) == 0 {
		return "0"
	}
	negative := bytes.HasPrefix(exponent, []byte("-"))
	exponent = bytes.TrimLeft(bytes.TrimPrefix(exponent, []byte("-")), "0")
	if len(exponent) > 18 {
		power := string(exponent)
		if negative {
			power = "-" + power
		}
		return sign + string(trimmed) + "e" + power + "," + strconv.FormatInt(shift, 10)
	}
	if len(exponent) > 0 {
		n, _ := strconv.ParseInt(string(exponent), 10, 64)
		if negative {
			n = -n
		}
		shift += n
	}
	return sign + string(trimmed) + "e" + strconv.FormatInt(shift, 10)
}
