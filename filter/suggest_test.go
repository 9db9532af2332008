package filter

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var known = Known{
	KeySource: {"shop", "kiosk"}, KeyType: {"customer.change", "customer.creation", "order.creation"}, KeyDelivery: {"crm", "archive"}, KeyVersion: {"20240827"},
	KeyPayload: {"entity.email", "entity.items[].productId", "entityId", "entity.customerEmail", `entity."a b"`}, KeyHeader: {"User-Agent", "Content-Type"},
	"entity.status": {"ACTIVE", "a, b", ">1"},
}

// TestSuggest: what is offered at the bar. A want that begins with = is all there is, in this order; else it is among it.
func TestSuggest(t *testing.T) {
	for _, c := range []struct{ at, want string }{
		{"|", "source: verdict: type: customer: entity. header. after: delivery: id:"},
		{"source:shop |", "source: verdict:"},
		{"sou|", "source:"},
		{"-ver|", "verdict: version:"},
		{"s|", "source: size: signature: sender:"},
		{"|verdict:late", "source: type:"},
		{"tpye|", "=type:"},
		{"email|", "entity.email: entity.customerEmail:"},
		{"entity.|", `entity.email: entity.items[].productId: entity."a b":`},
		{"entityid|", "payload.entityId:"},
		{"productid|", "=entity.items[].productId:"},
		{"header.u|", "=header.user-agent:"},
		{"verdict:|", "=verified late rejected"},
		{"verdict:r|", "=rejected verified"},
		{"verdict:late,re|", "=rejected"},
		{"verdict:re|,late source:shop", "=rejected"},
		{"-verdict:late|", "="},
		{"source:s|", "=shop kiosk"},
		{`source:"s|`, "=shop kiosk"},
		{"type:cust|", "=customer.change customer.creation customer.*"},
		{"type:cre|", "customer.creation order.creation"},
		{"delivery:|", "failed pending none * crm/ archive/"},
		{"delivery:c|", "cancelled crm/"},
		{"delivery:crm/|", "crm/failed crm/none crm/*"},
		{"delivery:crm/f|", "=crm/failed"},
		{"trigger:|", "=automatic manual replay crm/ archive/"},
		{"trigger:crm/r|", "=crm/replay"},
		{"manual|", "trigger:manual"},
		{"after:|", "15m 1h 24h 7d"},
		{"after:2|", "=24h"},
		{"size:|", ">10kb"},
		{"size:>|", "="},
		{"repeat:|", "=yes no"},
		{"version:|", "=20240827"},
		{"entity.status:|", `=* ACTIVE "a, b" ">1"`},
		{"Entity.STATUS:ac|", "=ACTIVE"},
		{"entity.other:|", "=*"},
		{"colour:|", "="},
		{`"a te|`, "="},
		{"48213|", "customer:48213 entity:48213"},
		{"anna@example.org|", "entity.email:anna@example.org entity.customerEmail:anna@example.org"},
		{"203.0.113.7|", "sender:203.0.113.7"},
		{"0192b1f4-7a3c-7000-8000-000000000000|", "id:0192b1f4-7a3c-7000-8000-000000000000"},
		{"reject|", "verdict:rejected"},
		{"failed|", "delivery:failed"},
		{"creation|", "type:customer.creation type:order.creation"},
		{"kiosk|", "source:kiosk"},
		{"crm|", "delivery:crm/"},
		{"Müller|", "="},
	} {
		cursor := strings.IndexByte(c.at, '|')
		var got []string
		for _, s := range Suggest(strings.Replace(c.at, "|", "", 1), cursor, known) {
			got = append(got, s.Insert)
		}
		all := strings.Join(got, " ")
		if want, exact := strings.CutPrefix(c.want, "="); exact && all != want {
			t.Errorf("%s: got %s, want %s", c.at, all, want)
		} else if !exact {
			for _, w := range strings.Fields(want) {
				if !strings.Contains(" "+all+" ", " "+w) {
					t.Errorf("%s: got %s, without %s", c.at, all, w)
				}
			}
		}
	}
}

// TestSuggestionsAreRead: what is put in makes a filter, and takes the place of what it is meant for.
func TestSuggestionsAreRead(t *testing.T) {
	for at, want := range map[string]string{
		"source:shop ver|":             "source:shop verdict:",
		"ver|dct:late source:shop":     "verdict:late source:shop",
		"-verdict:late,re|j after:2h":  "-verdict:late,rejected after:2h",
		`source:"k| o" after:2h`:       "source:kiosk after:2h",
		"size:>1 anna@example.org| x":  "size:>1 entity.email:anna@example.org x",
		"sou|":                         "source:",
		"type:order,cus|,x verdict:no": "type:order,customer.change,x verdict:no",
	} {
		text, cursor := strings.Replace(at, "|", "", 1), strings.IndexByte(at, '|')
		list := Suggest(text, cursor, known)
		if len(list) == 0 {
			t.Errorf("%s: nothing is offered", at)
			continue
		}
		if got := text[:list[0].From] + list[0].Insert + text[list[0].To:]; got != want {
			t.Errorf("%s: got %s, want %s", at, got, want)
		}
	}
	for _, key := range Keys() {
		label := string(key.Key) + ":"
		for _, s := range Suggest(label, len(label), known) {
			if _, err := Parse(label+s.Insert, now); err != nil && !s.More {
				t.Errorf("%s%s: %v", label, s.Insert, err)
			}
		}
	}
}

func FuzzSuggest(f *testing.F) {
	f.Add(`-verdict:late,"re" entity.email:~x "a`, 14)
	f.Add("ü:é,", 3)
	f.Add("\xbc0", -43)
	f.Fuzz(func(t *testing.T, text string, cursor int) {
		for _, s := range Suggest(text, cursor, known) {
			if s.From < 0 || s.From > s.To || s.To > len(text) || s.Insert == "" {
				t.Fatalf("%+v", s)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[:s.From]+s.Insert+text[s.To:]) {
				t.Fatalf("%q %+v", text, s)
			}
		}
	})
}

func TestPills(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                nil,
		"source:shop,kiosk -verdict:late": {"source|is|shop,kiosk", "verdict|is not|late"},
		`"Anna Müller" -x`:                {"text|contains|Anna Müller", "text|does not contain|x"},
		"after:2h before:1h":              {"after|at or after|2h", "before|before|1h"},
		"received:>2026-11-01":            {"received|after|2026-11-01"},
		"size:>10kb size:1kb..2kb":        {"size|is more than|10kb", "size|is|1kb to 2kb"},
		"entity.price:>=100,<1":           {"entity.price|is|>=100,<1"},
		"entity.email:* -entity.email:*":  {"entity.email|is set|", "entity.email|is not set|"},
		`entity.a:"" entity.a:~"b c"`:     {`entity.a|is|""`, "entity.a|contains|b c"},
		"header.User-Agent:~go":           {"header.user-agent|contains|go"},
		"delivery:crm/failed":             {"delivery|is|crm/failed"},
		"payload.entityId:1":              {"payload.entityId|is|1"},
	} {
		f, err := Parse(text, now)
		if err != nil {
			t.Fatal(text, err)
		}
		var got []string
		for _, p := range f.Pills() {
			got = append(got, p.Label+"|"+p.Operator+"|"+strings.Join(p.Values, ","))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f, _ := Parse("source:shop -verdict:late after:2h", now)
	p := f.Pills()[1]
	if p.Text != "-verdict:late" || p.Without != "source:shop after:2h" || p.Turned != "source:shop verdict:late after:2h" {
		t.Errorf("%+v", p)
	}
}

func TestBuild(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{TermText("customer", "a b"), `customer:"a b"`},
		{TermText("verdict", "late,rejected"), "verdict:late,rejected"},
		{TermText("entity.price", ">5"), "entity.price:>5"},
		{TermText("text", "a b"), `text:"a b"`},
		{TermText("after", "yesterdayish"), "after:yesterdayish"},
		{PayloadTerm("entity.price", ">5"), `entity.price:">5"`},
		{PayloadTerm("entity.items[].a", "1..2"), `entity.items[].a:"1..2"`},
		{PayloadTerm("entityId", "48213"), "payload.entityId:48213"},
		{PayloadTerm(`"a b"."c.d"`, ""), `payload."a b"."c.d":""`},
		{PayloadTerm("header.x", "*"), `payload.header.x:"*"`},
		{PayloadTerm("", "x"), ""},
		{PayloadTerm("a.b", strings.Repeat("x", 257)), ""},
		{PayloadTerm("a.b", "x\x00"), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	f, _ := Parse("source:shop  -customer:1 after:2h", now)
	for _, c := range []struct{ got, want string }{
		{f.And("verdict:late"), "source:shop -customer:1 after:2h verdict:late"},
		{f.And("after:2h"), "source:shop -customer:1 after:2h"},
		{Filter{}.And("a"), "a"},
		{f.Set(map[Key]string{KeyAfter: "3d", KeyCustomer: "2", KeySource: ""}, []Key{KeyAfter, KeyCustomer}), "-customer:1 after:3d customer:2"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestRule(t *testing.T) {
	if _, err := ParseRule(`type:customer entity.email:* "Müller" header.x:1 size:>1 repeat:no`, now); err != nil {
		t.Error(err)
	}
	_, err := ParseRule("source:shop -delivery:crm/failed", now)
	wrong, is := err.(*Error)
	if !is || wrong.Pos != 12 || wrong.End != 32 || !strings.Contains(wrong.Message, "matching rule") {
		t.Errorf("%+v", err)
	}
}
