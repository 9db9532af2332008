package diff

import "bytes"

// maxLines is how many lines of a text are compared; the rest of it is one more.
const maxLines = 20_000

// compareLines compares texts, or bytes of any kind, line by line. A line's end is a part of it.
func compareLines(older, newer []byte, o Options) *Result {
	a, cutA := lines(older)
	b, cutB := lines(newer)
	c := comparer{result: &Result{Lines: true, Coarse: cutA || cutB}}
	n := Node{Kind: Same, Old: &Value{Type: Array, Raw: older, Items: a}, New: &Value{Type: Array, Raw: newer, Items: b}}
	if equal := bytes.Equal(older, newer); !equal || o.Whole {
		n.Children, _ = c.items(a, b)
		if !equal {
			n.Kind = Inside
		}
	}
	c.result.Root = n
	return c.result
}

func lines(body []byte) (list []Value, cut bool) {
	for len(body) > 0 {
		end := bytes.IndexByte(body, '\n') + 1
		if end == 0 || len(list) == maxLines {
			cut = cut || end > 0
			end = len(body)
		}
		line := Value{Type: Line, Raw: body[:end:end]}
		line.exact = sum(line.Raw)
		line.folded = line.exact
		list = append(list, line)
		body = body[end:]
	}
	return list, cut
}
