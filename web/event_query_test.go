package web

import (
	"net/url"
	"testing"

	"recall/filter"
)

func TestMergeSearch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		q, base string
		set     map[string]string
		want    string
		kept    string // what the list goes on to show while there is a mistake
	}{
		"nothing":                {want: ""},
		"text alone":             {q: "source:shop  verdict:late", want: "source:shop  verdict:late"},
		"field alone":            {set: map[string]string{"verdict": "rejected"}, want: "verdict:rejected"},
		"field joins the text":   {q: "source:shop", base: "source:shop", set: map[string]string{"source": "shop", "verdict": "late"}, want: "source:shop verdict:late"},
		"field replaces its own": {q: "source:shop after:2h", base: "source:shop after:2h", set: map[string]string{"source": "shop", "after": "3d"}, want: "source:shop after:3d"},
		"field emptied":          {q: "source:shop after:2h", base: "source:shop after:2h", set: map[string]string{"source": "", "after": "2h"}, want: "after:2h"},
		"text typed, field untouched": {
			q: "verdict:late", base: "verdict:rejected", set: map[string]string{"verdict": "rejected"}, want: "verdict:late",
		},
		"both changed": {
			q: "verdict:late customer:1", base: "", set: map[string]string{"source": "shop"}, want: "verdict:late customer:1 source:shop",
		},
		"negated terms stay":    {q: "-source:shop", base: "-source:shop", set: map[string]string{"source": "app"}, want: "-source:shop source:app"},
		"several values":        {set: map[string]string{"verdict": "verified,late"}, want: "verdict:verified,late"},
		"a blank is quoted":     {set: map[string]string{"customer": "a b"}, want: `customer:"a b"`},
		"a quote is quoted":     {set: map[string]string{"customer": `a"b`}, want: `customer:"a\"b"`},
		"no second term":        {set: map[string]string{"customer": "1 verdict:late"}, want: `customer:"1 verdict:late"`},
		"mistake in the text":   {q: "nonsense:1", base: "source:shop", want: "nonsense:1", kept: "source:shop"},
		"mistake in a field":    {q: "source:shop", base: "source:shop", set: map[string]string{"source": "shop", "after": "yesterdayish"}, want: "source:shop after:yesterdayish", kept: "source:shop"},
		"mistake and a field":   {q: "nonsense:1", set: map[string]string{"verdict": "late"}, want: "nonsense:1 verdict:late"},
		"a broken base is none": {q: "source:shop", base: "nonsense:1", set: map[string]string{"verdict": "late"}, want: "source:shop verdict:late"},
	}
	for name, test := range tests {
		v := url.Values{"q": {test.q}, "base": {test.base}}
		for _, key := range fieldKeys {
			v.Set("set."+string(key), test.set[string(key)])
			if _, ok := test.set[string(key)]; !ok {
				f, _ := filter.Parse(test.base, testNow)
				v.Set("set."+string(key), fieldValues(f)[key])
			}
		}
		got := mergeSearch(v, testNow)
		if got.Text != test.want || got.Base != test.kept {
			t.Errorf("%s: got %q kept %q, want %q kept %q", name, got.Text, got.Base, test.want, test.kept)
		}
	}
}

func TestEventQueryURL(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]eventQuery{
		"/events": {},
		"/events?q=source:shop+type:order.*,customer.creation": {Text: "source:shop type:order.*,customer.creation"},
		"/events?live=1&q=customer:1":                          {Text: "customer:1", Live: true},
		"/events?q=%26%3D%23%25":                               {Text: "&=#%"},
	} {
		if got := q.url(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		u, err := url.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseEventQuery(u.Query()); err != nil || back != q {
			t.Errorf("%s reads back as %+v, %v", want, back, err)
		}
	}
	if _, err := parseEventQuery(url.Values{"before": {"nonsense"}}); err == nil {
		t.Error("a broken id is taken")
	}
}

func TestFilterProblemPointsAtTheWord(t *testing.T) {
	t.Parallel()
	text := "source:shop nonsense:1 after:2h"
	_, err := filter.Parse(text, testNow)
	p := newFilterProblem(text, err)
	if p.Start != "source:shop " || p.At != "nonsense" || p.End != ":1 after:2h" || p.Message == "" {
		t.Errorf("got %+v", p)
	}
	_, err = filter.Parse("source:", testNow)
	if p := newFilterProblem("source:", err); p.Start+p.At+p.End != "source:" {
		t.Errorf("got %+v", p)
	}
}
