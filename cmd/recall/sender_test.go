package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/verify"
)

// heard is a request as a plain server hears it.
type heard struct {
	method, path string
	length       int64
	chunked      bool
	header       http.Header
	body         []byte
}

// listen starts a server that keeps what it hears and answers as told.
func listen(t *testing.T, status int, answer string) (url string, requests *[]heard) {
	t.Helper()
	requests = new([]heard)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*requests = append(*requests, heard{r.Method, r.URL.Path, r.ContentLength, len(r.TransferEncoding) > 0, r.Header.Clone(), body})
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/callbacks/shop", requests
}

func sampleNamed(t *testing.T, name string) plenigo.Sample {
	t.Helper()
	for _, s := range plenigo.Samples() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no sample %s", name)
	return plenigo.Sample{}
}

func TestSenderIsLikeTheDocumentedExample(t *testing.T) {
	t.Parallel()
	url, requests := listen(t, http.StatusOK, `{"verdict":"verified","event":"0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"}`)
	s := newSender(sender{
		URL: url, Secret: "example-callback-secret", Basic: &verify.BasicAuth{User: "plenigo_test", Password: "pass:word"},
		Headers: []verify.Header{{Name: "key", Value: "a, b"}}, Now: func() time.Time { return time.Unix(1729583536, 0) },
	})
	sample := sampleNamed(t, "customer.creation")
	a, err := s.send(context.Background(), sample, fault{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (answer{200, verify.Verified, "", uuid.MustParse("0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b")}); a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	got := (*requests)[0]
	if got.method != "POST" || got.path != "/callbacks/shop" || got.length != 686 || got.chunked {
		t.Errorf("%s %s, %d bytes, chunked %v", got.method, got.path, got.length, got.chunked)
	}
	if !bytes.Equal(got.body, sample.Body) {
		t.Error("the body was changed")
	}
	want := map[string]string{
		"Accept":                "application/json",
		"Accept-Encoding":       "gzip",
		"Authorization":         "Basic cGxlbmlnb190ZXN0OnBhc3M6d29yZA==",
		"Content-Length":        "686",
		"Content-Type":          "application/json",
		"Key":                   "a, b",
		"Plenigo-Signature":     "t=1729583536,s=226af4032c75c22d9419108745cd41697c71ccc5cf009ee6a5425201b338e7b4",
		"User-Agent":            "go-resty/2.15.3 (https://github.com/go-resty/resty)",
		"X-Plenigo-Api-Version": "20240827",
	}
	for name, value := range want {
		if v := got.header[name]; len(v) != 1 || v[0] != value {
			t.Errorf("%s: %q, want %q", name, v, value)
		}
	}
	for name := range got.header {
		if _, known := want[name]; !known {
			t.Errorf("%s is sent, and is not in the documented example", name)
		}
	}
}

func TestSenderFaults(t *testing.T) {
	t.Parallel()
	url, requests := listen(t, http.StatusUnauthorized, `{"verdict":"rejected","reason":"signature_mismatch"}`)
	now := time.Unix(1729583536, 0)
	s := newSender(sender{URL: url, Secret: "right", Now: func() time.Time { return now }})
	policy, err := verify.NewPolicy(verify.Settings{
		Secrets: []verify.Secret{{Name: "only", Key: "right"}}, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		fault fault
		want  verify.Status
	}{
		"none":         {fault{}, verify.Valid},
		"old":          {fault{SignedAt: now.Add(-time.Hour)}, verify.Expired},
		"ahead":        {fault{SignedAt: now.Add(time.Hour)}, verify.Future},
		"wrong secret": {fault{Secret: "wrong"}, verify.Mismatch},
		"altered body": {fault{Body: []byte(`{}`)}, verify.Mismatch},
		"unsigned":     {fault{Unsigned: true}, verify.Missing},
		"doubled":      {fault{Doubled: true}, verify.Malformed},
		"malformed":    {fault{Malformed: true}, verify.Malformed},
	} {
		*requests = nil
		a, err := s.send(context.Background(), sampleNamed(t, "order.creation"), test.fault)
		if err != nil {
			t.Fatal(err)
		}
		if a.ok() || a.Reason != verify.ReasonSignatureMismatch {
			t.Errorf("%s: answer %+v", name, a)
		}
		got := (*requests)[0]
		if status := policy.Check(got.header, got.body, now).Signature; status != test.want {
			t.Errorf("%s: %s, want %s", name, status, test.want)
		}
	}
}

func TestSenderTakesAnyAnswer(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "HTML": "<h1>OK</h1>", "long": strings.Repeat("x", 1<<20), "hostile": `{"event":"\u001b[2J","verdict":7}`,
	} {
		url, _ := listen(t, http.StatusFound, text)
		a, err := newSender(sender{URL: url}).send(context.Background(), sampleNamed(t, "order.creation"), fault{})
		if err != nil || a != (answer{Status: http.StatusFound}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	server := httptest.NewServer(nil)
	server.Close()
	if _, err := newSender(sender{URL: server.URL}).send(context.Background(), sampleNamed(t, "order.creation"), fault{}); err == nil {
		t.Error("no error from a server that is away")
	}
}
