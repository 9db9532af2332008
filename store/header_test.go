package store

import (
	"bufio"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestHeaderBytes(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		bytes  string
	}{
		"nil":                {nil, ""},
		"names in order":     {http.Header{"B": {"1"}, "A": {"2"}}, "A: 2\r\nB: 1\r\n"},
		"values in theirs":   {http.Header{"A": {"2", "1", "2"}}, "A: 2\r\nA: 1\r\nA: 2\r\n"},
		"empty value":        {http.Header{"A": {""}}, "A: \r\n"},
		"colons and blanks":  {http.Header{"A": {" : x: y "}}, "A:  : x: y \r\n"},
		"any bytes":          {http.Header{"A": {"\xff\x80\x01\t"}}, "A: \xff\x80\x01\t\r\n"},
		"blank in a name":    {http.Header{"a b ": {"1"}}, "a b : 1\r\n"},
		"line break":         {http.Header{"A": {"1\r\nB: 2"}}, "A: 1\r\n B: 2\r\n"},
		"line breaks only":   {http.Header{"A": {"\r\n\r\n"}}, "A: \r\n \r\n \r\n"},
		"half a line break":  {http.Header{"A": {"1\r", "\n2"}}, "A: 1\r\r\nA: \n2\r\n"},
		"NUL":                {http.Header{"A": {"\x00"}}, "A: \x00\r\n"},
		"no name":            {http.Header{"": {"1"}}, ": 1\r\n"},
		"name without value": {http.Header{"A": nil}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := encodeHeader(c.header)
			if got == nil || string(got) != c.bytes {
				t.Fatalf("%q, want %q", got, c.bytes)
			}
			back, err := decodeHeader(got)
			if err != nil || len(got) > 0 && !reflect.DeepEqual(back, c.header) || back == nil {
				t.Errorf("%#v, want %#v: %v", back, c.header, err)
			}
		})
	}
}

func TestHeaderNamesMakeNoOtherHeaders(t *testing.T) {
	h := http.Header{" A": {"1"}, "A: 1\r\nB": {"2"}}
	back, err := decodeHeader(encodeHeader(h))
	if want := (http.Header{"_A": {"1"}, "A_ 1__B": {"2"}}); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("%v %v", back, err)
	}
}

func TestDamagedHeader(t *testing.T) {
	for _, b := range []string{"A: secret", "A: secret\n", "secret\r\n", " secret\r\n", "A: 1\r\n\r\n"} {
		if h, err := decodeHeader([]byte(b)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v %v", b, h, err)
		}
	}
}

// FuzzHeader: what net/http makes of any header is read back as it was, and damaged bytes break nothing.
func FuzzHeader(f *testing.F) {
	f.Add("A: 1\r\nB: 2\r\na: 3\r\n")
	f.Add("A : \xff\x00\r\nB: x: y\r\n z\r\n")
	f.Add("A: 1\r\n B: 2\r\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		decodeHeader([]byte(text))
		if back, err := decodeHeader(encodeHeader(http.Header{"A": {text, ""}})); err != nil || back["A"][0] != text || back["A"][1] != "" {
			t.Fatalf("%q: %v %v", text, back, err)
		}
		response, err := http.ReadResponse(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n"+text+"\r\n\r\n")), nil)
		if err != nil || len(response.Header) == 0 {
			return
		}
		response.Body.Close()
		back, err := decodeHeader(encodeHeader(response.Header))
		if err != nil || !reflect.DeepEqual(back, response.Header) {
			t.Fatalf("%q: %v, want %v: %v", text, back, response.Header, err)
		}
	})
}
