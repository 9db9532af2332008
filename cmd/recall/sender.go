package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/google/uuid"

	"recall/plenigo"
	"recall/verify"
)

// sender sends callbacks as plenigo does: with the client it uses, and the headers of its documented example
// (REFERENCE §2). Make it with newSender.
type sender struct {
	URL        string // of the receiver, such as http://127.0.0.1:8080/callbacks/shop
	Secret     string
	Basic      *verify.BasicAuth // nil: none
	Headers    []verify.Header
	APIVersion string            // x-plenigo-api-version; "": defaultAPIVersion
	Now        func() time.Time  // nil: time.Now
	Kept       int               // connections kept open between callbacks; 0: as many as net/http keeps
	Transport  http.RoundTripper // nil: net/http's

	client *resty.Client
}

// defaultAPIVersion is the one of the documented example.
const defaultAPIVersion = "20240827"

// senderTimeout is how long an answer may take. plenigo's own limit is unknown (REFERENCE §8).
const senderTimeout = 30 * time.Second

// fault is what is wrong with a callback on purpose. The zero fault is none.
type fault struct {
	SignedAt  time.Time // the t that is signed; zero: now
	Secret    string    // signed by this one; "": by the sender's
	Body      []byte    // sent in place of the body that was signed
	Unsigned  bool      // no signature at all
	Doubled   bool      // the signature header twice
	Malformed bool      // the signature cut short
}

// answer is what a receiver said. All but Status is empty where it is not Recall.
type answer struct {
	Status  int
	Verdict verify.Verdict
	Reason  verify.Reason
	Event   uuid.UUID
}

// ok tells whether the callback counts as delivered.
func (a answer) ok() bool { return a.Status >= 200 && a.Status < 300 }

func newSender(s sender) *sender {
	if s.APIVersion == "" {
		s.APIVersion = defaultAPIVersion
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	transport := cmp.Or(s.Transport, http.DefaultTransport)
	if s.Kept > 0 {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConns, own.MaxIdleConnsPerHost = s.Kept, s.Kept
		transport = own
	}
	s.client = resty.NewWithClient(&http.Client{
		Timeout:   senderTimeout,
		Transport: transport,
		// What a redirect would do at plenigo is unknown (REFERENCE §4); here it is an answer like any other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).SetDisableWarn(true) // of basic authentication without TLS: that is the receiver's choice
	return &s
}

// send sends one callback. The error says why there was no answer; an answer of any status is none.
func (s *sender) send(ctx context.Context, sample plenigo.Sample, f fault) (answer, error) {
	body := sample.Body
	if f.Body != nil {
		body = f.Body
	}
	// The rest comes by itself: resty adds accept and user-agent, net/http accept-encoding and content-length.
	r := s.client.R().SetContext(ctx).SetDoNotParseResponse(true).SetBody(body).
		SetHeader("Content-Type", "application/json").
		SetHeader(plenigo.HeaderAPIVersion, s.APIVersion)
	if !f.Unsigned {
		at, secret := f.SignedAt, f.Secret
		if at.IsZero() {
			at = s.Now()
		}
		if secret == "" {
			secret = s.Secret
		}
		signature := verify.Sign(secret, at, sample.Body)
		if f.Malformed {
			signature = signature[:len(signature)-10]
		}
		r.SetHeader(plenigo.HeaderSignature, signature)
		if f.Doubled {
			r.Header.Add(plenigo.HeaderSignature, signature)
		}
	}
	if s.Basic != nil {
		r.SetBasicAuth(s.Basic.User, s.Basic.Password)
	}
	for _, h := range s.Headers {
		r.SetHeader(h.Name, h.Value)
	}
	response, err := r.Post(s.URL)
	if err != nil {
		return answer{}, fmt.Errorf("no answer: %w", err)
	}
	defer response.RawBody().Close()
	return readAnswer(response.StatusCode(), response.RawBody())
}

// readAnswer takes from an answer what Recall puts there. Another receiver may answer anything.
func readAnswer(status int, body io.Reader) (answer, error) {
	text, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil {
		return answer{}, fmt.Errorf("the answer %d broke off: %w", status, err)
	}
	var said struct {
		Verdict verify.Verdict `json:"verdict"`
		Reason  verify.Reason  `json:"reason"`
		Event   uuid.UUID      `json:"event"`
	}
	if json.Unmarshal(text, &said) != nil {
		return answer{Status: status}, nil
	}
	return answer{Status: status, Verdict: said.Verdict, Reason: said.Reason, Event: said.Event}, nil
}
