package filter

import (
	"errors"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var subject = Subject{
	ID: "0192b1f4-7a3c-7000-8000-000000000000", Source: "shop", Verdict: "rejected", Reason: "signature_mismatch",
	EntityType: "CUSTOMER", CallbackType: "CREATION", Entity: "48213", Customers: []string{"48213", "a b"}, ReceivedAt: now.Add(-time.Hour),
	Sender: netip.MustParseAddr("203.0.113.7"),
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                        true,
		"source:shop":                             true,
		"SOURCE:Shop verdict:REJECTED":            true,
		"source:other,shop":                       true,
		"-source:shop":                            false,
		"-source:other,none":                      true,
		"verdict:verified,late":                   false,
		"reason:signature_mismatch":               true,
		"type:customer":                           true,
		"type:customer.creation":                  true,
		"type:customer.*":                         true,
		"type:*.creation":                         true,
		"type:*.deletion":                         false,
		"type:*":                                  true,
		"entity:48213":                            true,
		"entity:customer/48213":                   true,
		"entity:order/48213":                      false,
		"customer:48213 customer:\"a b\"":         true,
		"customer:1":                              false,
		"sender:203.0.113.7":                      true,
		"sender:203.0.113.0/24,2001:db8::/32":     true,
		"sender:203.0.113.99/24":                  true,
		"sender:::ffff:203.0.113.7":               true,
		"sender:::ffff:203.0.0.0/112":             true,
		"sender:203.0.113.8":                      false,
		"-sender:203.0.113.8/31":                  true,
		"sender:::/0":                             false,
		"after:2h":                                true,
		"after:30m":                               false,
		"before:30m after:2026-11-24":             true,
		"after:2026-11-24T11:00:00Z":              true,
		"before:2026-11-24T11:00:00Z":             false,
		"id:0192B1F4-7A3C-7000-8000-000000000000": true,
	} {
		f, err := Parse(text, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(subject); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for _, c := range []struct {
		text string
		pos  int
		want string
	}{
		{"--", 1, "neither letter nor digit"},
		{"source:shop colour:red", 12, "Keys are source, verdict"},
		{"verdict:good", 8, "verified, late or rejected"},
		{"source:", 7, "needs a value"},
		{"source:a,,b", 9, "needs a value"},
		{"type:.x", 5, "customer.creation"},
		{"type:cust*.x", 5, "stand alone"},
		{"entity:order/", 7, "entity id"},
		{"after:yesterday", 6, "30m, 2h, 3d"},
		{"before:99999w", 7, "30m, 2h, 3d"},
		{"sender:shop.example", 7, "203.0.113.0/24"},
		{"sender:fe80::1%eth0", 7, "203.0.113.0/24"},
		{"sender:203.0.113.7/33", 7, "203.0.113.0/24"},
		{"id:1", 3, "UUID"},
		{`customer:"a`, 9, "closing quote"},
		{`customer:"a"b`, 12, "blank"},
		{"-", 1, "key:value"},
		{"verdit:late", 0, "Did you mean verdict?"},
		{"source:\xff", 0, "UTF-8"},
		{strings.Repeat("a", 2001), 2000, "longer"},
		{strings.Repeat("source:a ", 51), 450, "50 terms"},
		{"source:a" + strings.Repeat(",a", 100), 207, "100 values"},
	} {
		_, err := Parse(c.text, now)
		var e *Error
		if !errors.As(err, &e) || e.Pos != c.pos || !strings.Contains(e.Message, c.want) {
			t.Errorf("%.40q: %v (%+v)", c.text, err, e)
		}
	}
}

func TestGetAndWithout(t *testing.T) {
	f, _ := Parse("source:shop type:order.* customer:1,2 -verdict:late", now)
	if f.Get(KeySource) != "shop" || f.Get(KeyType) != "order" || f.Get(KeyCustomer) != "" || f.Get(KeyVerdict) != "" {
		t.Errorf("%q %q", f.Get(KeySource), f.Get(KeyType))
	}
	if got := f.Without(KeyCustomer).String(); got != "source:shop type:order -verdict:late" {
		t.Error(got)
	}
}

// FuzzParse: nothing panics, and what was read is written, both ways, so that it reads the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`-type:customer.creation,order.* after:2h "x"`, `customer:"a \" b",c`, "entity:/a/b", "type:İ.ß entity:\u212a/1", "sender:::ffff:10.0.0.1/97,::1 -sender:2001:DB8::/33",
		"before:2026-11-24 id:0192b1f4-7a3c-7000-8000-000000000000", `Müller,"a b" -c:d "-x"`, `entity.items[].a:>1.5e3,<=-2,3..4,*,~x,">5",null,"" payload."a b".c:"*"`,
		`entity.a:>2h,<=3d,1w..2h,2026-11-24..2026-11-25T10:00Z`, `received:>2h,<=30m,2026-11-24,3d..1d size:>1.5kib,1b..2mb answered:4xx,>=500`,
		`header.User-Agent:*,~go,"a" delivery:crm/failed,none,* trigger:crm/replay,manual repeat:yes unexpected:no signature:valid version:1`, `payload.[].x:1 payload."":2 a.b[][].c:"\\"`, "a:b:c http://x text:y",
	} {
		f.Add(s)
	}
	body := NewPayload([]byte(`{"entity":{"items":[{"a":3.5},{"a":-7}],"a":"2026-11-24"},"a b":{"c":"*"},"x":"Müller, a b"}`))
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Parse(text, now)
		if err != nil {
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Pos < 0 || wrong.Pos > wrong.End || wrong.End > len(text) || wrong.Message == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		subject := subject
		subject.Payload, subject.Header = body, http.Header{"User-Agent": {"go 1"}}
		for _, written := range []string{first.String(), first.Text()} {
			second, err := Parse(written, now)
			if err != nil {
				if len(written) > MaxText || strings.Contains(err.Error(), "longer than 256") {
					return // quoting made it longer
				}
				t.Fatalf("%q written as %q: %v", text, written, err)
			}
			if first.String() != second.String() || first.Text() != second.Text() && written == first.Text() || len(first.Terms) != len(second.Terms) {
				t.Fatalf("%q: %q, then %q", text, first, second)
			}
			for i := range first.Terms {
				a, b := clean(first.Terms[i]), clean(second.Terms[i])
				if !reflect.DeepEqual(a, b) {
					t.Fatalf("%q: %+v, then %+v", text, a, b)
				}
			}
			if first.Match(subject) != second.Match(subject) {
				t.Fatalf("%q and %q differ", text, first)
			}
		}
		pills := make([]string, 0, len(first.Terms))
		for _, p := range first.Pills() {
			pills = append(pills, p.Text)
			if p.Label == "" || p.Operator == "" {
				t.Fatalf("%q: %+v", text, p)
			}
			for _, other := range []string{p.Without, p.Turned} {
				if _, err := Parse(other, now); err != nil && len(other) <= MaxText {
					t.Fatalf("%q: the pill's %q: %v", text, other, err)
				}
			}
		}
		if strings.Join(pills, " ") != first.Text() {
			t.Fatalf("%q: pills %q", text, pills)
		}
	})
}

// clean is a term without what tells where and how it was written.
func clean(t Term) Term {
	t.Pos, t.End = 0, 0
	t.Values = slices.Clone(t.Values)
	for i := range t.Values {
		t.Values[i].Aged = false
		if v := &t.Values[i]; t.Key != KeySource && t.Key != KeyReason && t.Key != KeyVerdict && t.Key != KeyVersion && t.Key != KeySignature {
			v.Text = ""
		}
	}
	return t
}
