package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"recall/verify"
)

type verifyCmd struct {
	Secret        []string      `sep:"none" placeholder:"S" help:"A secret the callback may be signed with; several may be tried. Other users of this machine can see a flag."`
	SecretFile    []string      `sep:"none" placeholder:"FILE" help:"The same from a file, one secret a line."`
	Header        []string      `sep:"none" placeholder:"'Name: value'" help:"A header of the captured request, once for each, such as 'plenigo-signature: t=1729583536,s=fdcd…'; names in any case."`
	HeaderFile    []string      `sep:"none" placeholder:"FILE" help:"The same from a file, one header a line."`
	Now           *int64        `placeholder:"UNIX" help:"The time it arrived, in Unix seconds; the present if left out."`
	Tolerance     time.Duration `default:"5m" help:"How far the signed time may be from the arrival."`
	LateWindow    time.Duration `default:"32h" help:"How old a genuine callback may be to count as late; 0 turns that off."`
	Basic         *string       `placeholder:"USER:PASSWORD" help:"Ask for this basic authentication, as a source would."`
	BasicFile     *string       `placeholder:"FILE" help:"The same from a file."`
	RequireHeader []string      `sep:"none" placeholder:"'Name: value'" help:"Ask for this header pair, as a source would."`
	JSON          bool          `name:"json" help:"Print one JSON object."`
}

func (verifyCmd) Help() string {
	return `The body is read from standard input, byte for byte: one more line end makes another body. Nothing is stored and
nothing else is read: no database, no source's settings. Where the callback is not verified, what could have gone wrong is
tried on its bytes, and what fits is named, with what to do. The ends of the signed text are shown; secrets never are.

Exit status 0 says that the callback would be accepted (verified or late), 1 that it would be rejected, 2 that the command was
used wrongly.

Example:

    recall event raw 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b >body
    recall verify --secret-file secret --header 'plenigo-signature: t=1729583536,s=fdcd…' --now 1729583537 <body`
}

// maxVerifyBody is far more than any receiver takes.
const maxVerifyBody = 16 << 20

// verification is what verify --json prints.
type verification struct {
	verify.Result
	Accepted    bool          `json:"accepted"`
	Explanation []verify.Step `json:"explanation"` // step by step

	Cause    verify.Cause     `json:"cause"` // the most likely one; "" where nothing failed or nothing fits
	Finding  verify.Finding   `json:"finding"`
	Further  []verify.Finding `json:"further,omitempty"`
	Signed   *verify.Signed   `json:"signed,omitempty"`
	Tried    []verify.Trial   `json:"tried,omitempty"`
	NotTried []string         `json:"not_tried,omitempty"`
}

func (c *verifyCmd) Run(_ context.Context, a *app) error {
	settings, header, err := c.read()
	if err != nil {
		return err
	}
	policy, err := verify.NewPolicy(settings)
	if err != nil {
		return usagef("%v", err)
	}
	body, err := io.ReadAll(io.LimitReader(a.in, maxVerifyBody+1))
	if err != nil {
		return fmt.Errorf("reading the body from standard input: %w", err)
	}
	if len(body) > maxVerifyBody {
		return errors.New("the body on standard input is larger than 16 MiB; no callback is that large")
	}
	now := a.now()
	if c.Now != nil {
		now = time.Unix(*c.Now, 0)
	}
	explanation := policy.Explain(header, body, now, verify.Facts{})
	if err := c.print(a.out, &explanation); err != nil {
		return err
	}
	if !explanation.Result.Accepted() {
		return errSaid
	}
	return nil
}

// read turns the flags into what a source asks for, and the captured header.
func (c *verifyCmd) read() (verify.Settings, http.Header, error) {
	s := verify.Settings{Tolerance: c.Tolerance, LateWindow: c.LateWindow}
	var r secretReader // without standard input
	secrets, err := r.lines("--secret", c.Secret, c.SecretFile)
	if err != nil {
		return s, nil, err
	}
	if len(secrets) == 0 {
		return s, nil, usagef("--secret or --secret-file is missing: the secret that plenigo shows with the callback")
	}
	for i, secret := range secrets {
		s.Secrets = append(s.Secrets, verify.Secret{Name: strconv.Itoa(i + 1), Key: secret})
	}
	required := credentialFlags{Basic: c.Basic, BasicFile: c.BasicFile}
	if s.Basic, _, err = required.read(&r); err != nil {
		return s, nil, err
	}
	if s.Headers, err = parseHeaders("--require-header", c.RequireHeader); err != nil {
		return s, nil, err
	}
	lines, err := r.lines("--header", c.Header, c.HeaderFile)
	if err != nil {
		return s, nil, err
	}
	captured, err := parseHeaders("--header", lines)
	if err != nil {
		return s, nil, err
	}
	header := http.Header{}
	for _, h := range captured {
		header.Add(h.Name, h.Value)
	}
	return s, header, nil
}

func (c *verifyCmd) print(w io.Writer, e *verify.Explanation) error {
	if c.JSON {
		return jsonLine(w, verification{
			Result: e.Result, Accepted: e.Result.Accepted(), Explanation: e.Steps, Cause: e.Finding.Cause, Finding: e.Finding,
			Further: e.Further, Signed: e.Signed, Tried: e.Tried, NotTried: e.NotTried,
		})
	}
	var b bytes.Buffer
	writeExplanation(&b, e)
	_, err := w.Write(b.Bytes())
	return err
}
