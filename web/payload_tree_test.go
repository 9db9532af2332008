package web

import (
	"net/url"
	"strings"
	"testing"
)

// laid is a tree as text, one value a line, without what stands beside the values.
func laid(n *treeNode, depth int) string {
	line := strings.Repeat("  ", depth)
	if n.Name != "" {
		line += n.Name + ": "
	}
	comma := ""
	if n.Comma {
		comma = ","
	}
	if n.Brackets == "" {
		for _, t := range n.Values {
			line += t.Text
		}
		return line + comma + "\n"
	}
	if len(n.Children) == 0 {
		return line + n.Brackets + comma + "\n"
	}
	text := line + n.Brackets[:1] + "\n"
	for i := range n.Children {
		text += laid(&n.Children[i], depth+1)
	}
	return text + strings.Repeat("  ", depth) + n.Brackets[1:] + comma + "\n"
}

func paths(n *treeNode) []string {
	list := []string{n.Path}
	for i := range n.Children {
		list = append(list, paths(&n.Children[i])...)
	}
	return list
}

func TestTreeKeepsTheText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"numbers stay exact": {
			`{"sortKey":12345678901234567890,"price":0.10,"e":1E+2}`,
			"{\n  \"sortKey\": 12345678901234567890,\n  \"price\": 0.10,\n  \"e\": 1E+2\n}\n",
		},
		"keys keep their order, also equal ones": {
			`{"b":1,"a":2,"b":3}`, "{\n  \"b\": 1,\n  \"a\": 2,\n  \"b\": 3\n}\n",
		},
		"escapes stay as sent": {`{"a":"Zo\u00eb \"x\" \\"}`, "{\n  \"a\": \"Zo\\u00eb \\\"x\\\" \\\\\"\n}\n"},
		"empty ones stay on a line": {
			`{"a":{},"b":[ ],"c":[{}]}`, "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    {}\n  ]\n}\n",
		},
		"blanks between do not matter": {" [ 1 ,\n2 ] ", "[\n  1,\n  2\n]\n"},
		"a bare value":                 {`"text"`, "\"text\"\n"},
		"words":                        {`[true,false,null]`, "[\n  true,\n  false,\n  null\n]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, ok := newPayloadTree([]byte(test.body))
			if !ok || !tree.Whole {
				t.Fatalf("ok %v, %+v", ok, tree)
			}
			if got := laid(&tree.Root, 0); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTreePathsAndLinks(t *testing.T) {
	t.Parallel()
	tree, _ := newPayloadTree([]byte(`{"entityType":"ORDER","entityId":"9","entity":{"orderId":9,"items":[{"deliveryCustomerId":"48213"},{"deliveryCustomerId":""}],` +
		`"changedBy":"5","changedByType":"MERCHANT","createdBy":"7","createdByType":"CUSTOMER","odd name":1,"a":1,"a":2}}`))
	want := `,entityType,entityId,entity,entity.orderId,entity.items,entity.items[0],entity.items[0].deliveryCustomerId,entity.items[1],entity.items[1].deliveryCustomerId,` +
		`entity.changedBy,entity.changedByType,entity.createdBy,entity.createdByType,entity["odd name"],entity.a(1 before the last),entity.a`
	if got := strings.Join(paths(&tree.Root), ","); got != want {
		t.Errorf("paths\n%s, want\n%s", got, want)
	}
	urls := map[string]string{}
	var walk func(*treeNode)
	walk = func(n *treeNode) {
		if strings.HasPrefix(n.URL, "/entities/") || strings.HasPrefix(n.URL, "/customers/") {
			urls[n.Path] = n.URL
		}
		for i := range n.Children {
			walk(&n.Children[i])
		}
	}
	walk(&tree.Root)
	for path, want := range map[string]string{
		"entityId": "/entities/order/9", "entity.orderId": "/entities/order/9", "entity.items[0].deliveryCustomerId": "/customers/48213",
		"entity.items[1].deliveryCustomerId": "", "entity.changedBy": "", "entity.createdBy": "/customers/7",
	} {
		if urls[path] != want {
			t.Errorf("%s leads to %q, want %q", path, urls[path], want)
		}
		delete(urls, path)
	}
	if len(urls) > 0 {
		t.Errorf("these lead somewhere too: %v", urls)
	}
}

func TestTreeFilters(t *testing.T) {
	t.Parallel()
	tree, _ := newPayloadTree([]byte(`{"source":"x","entity":{"email":"anna@example.org","a":["1..2"],"odd \"name":">5","n":1e2,"e":"","z":null,"b":true,"productId":"P 1"}}`))
	got := map[string]string{}
	var walk func(*treeNode)
	walk = func(n *treeNode) {
		for i := range n.Children {
			walk(&n.Children[i])
		}
		if n.Brackets == "" {
			u, err := url.Parse(n.Filter)
			must(t, err)
			got[n.Path] = u.Query().Get("q")
			if n.Path == "entity.productId" {
				u, _ = url.Parse(n.URL)
				got["id"] = u.Query().Get("q")
			}
		}
	}
	walk(&tree.Root)
	for path, want := range map[string]string{
		"source": "payload.source:x", "entity.email": "entity.email:anna@example.org", "entity.a[0]": `entity.a[]:"1..2"`,
		`entity["odd \"name"]`: `entity."odd \"name":">5"`, "entity.n": "entity.n:1e2", "entity.e": `entity.e:""`, "entity.z": "entity.z:null",
		"entity.b": "entity.b:true", "entity.productId": `entity.productId:"P 1"`, "id": `"P 1"`,
	} {
		if got[path] != want {
			t.Errorf("%s is filtered by %q, want %q", path, got[path], want)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("these too: %v", got)
	}
}

// However deep or long a body is, the page stays small.
func TestTreesAreBounded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"deep":  strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"wide":  "[" + strings.Repeat("1,", 500_000) + "1]",
		"long":  `{"a":"` + strings.Repeat("ü", 500_000) + `"}`,
		"names": `{"a":1` + strings.Repeat(`,"a":1`, 100_000) + `}`,
		"name":  `{"` + strings.Repeat("a", 500_000) + `":{"b":[1,2]}}`,
		"many":  "[" + strings.Repeat(`{"id":"48213","customerId":"1"},`, 30_000) + "1]",
	} {
		tree, ok := newPayloadTree([]byte(body))
		if !ok || tree.Whole {
			t.Errorf("%s: ok %v, %+v", name, ok, tree)
			continue
		}
		if tree.Nodes > maxNodes {
			t.Errorf("%s: %d nodes", name, tree.Nodes)
		}
		var b strings.Builder
		writeNode(&b, &tree.Root)
		if b.Len() > 1<<20 {
			t.Errorf("%s: %d bytes of page", name, b.Len())
		}
	}
	if _, ok := newPayloadTree([]byte(strings.Repeat("[", 1<<20))); ok {
		t.Error("a mebibyte of [ counts as JSON")
	}
}

func FuzzPayloadTree(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x\"",null]}`, "[", "\xff", ` "\u0000" `, `[[],{}]`, `{"entityType":"ORDER","entity":{"orderId":1,"":{"customerId":"\ud800"}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tree, ok := newPayloadTree(body)
		if !ok {
			textLines(body)
			return
		}
		var b strings.Builder
		writeNode(&b, &tree.Root)
		if !tree.Whole || len(body) > maxFilterValue {
			return
		}
		// Nothing but blanks between tokens may differ.
		squeeze := func(s string) string {
			return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s)
		}
		if got, want := squeeze(laid(&tree.Root, 0)), squeeze(string(body)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
