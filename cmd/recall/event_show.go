package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/reverify"
	"recall/store"
	"recall/verify"
)

type eventShowCmd struct {
	ID string `arg:"" help:"The event's id."`
}

func (eventShowCmd) Help() string {
	return `Values that let somebody in are hidden: authorization, cookies, and the headers that the source asks for. Numbers of the
payload stand as they were sent. Where the event was rejected or late, the most likely cause is named. recall event raw has the body byte for byte.

Example:

    recall event show 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b`
}

func (c *eventShowCmd) Run(ctx context.Context, a *app) error {
	id, err := parseEventID(c.ID)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		e, err := findEvent(ctx, db, id)
		if err != nil {
			return err
		}
		source, err := db.FindSourceByID(ctx, e.SourceID)
		if errors.Is(err, store.ErrNotFound) {
			source, err = &store.Source{Slug: fmt.Sprintf("source %d, gone", e.SourceID)}, nil
		}
		if err != nil {
			return err
		}
		deliveries, err := db.ListDeliveries(ctx, id)
		if err != nil {
			return err
		}
		again, err := db.ListReverifications(ctx, id)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		writeFacts(&b, e, source)
		if err := writeHolds(ctx, &b, db, id); err != nil {
			return err
		}
		fmt.Fprint(&b, "\nVERIFICATION\n\n")
		printVerification(&b, e.Verification)
		if err := writeWhy(ctx, &b, db, e); err != nil {
			return err
		}
		writeReverifications(&b, again)
		fmt.Fprint(&b, "\nHEADERS\n\n")
		writeHeader(&b, e.Header, source)
		writeDeliveries(&b, deliveries)
		fmt.Fprint(&b, "\nPAYLOAD\n\n")
		writePayload(&b, e)
		_, err = a.out.Write(b.Bytes())
		return err
	})
}

// writeHolds names what keeps an event whatever the rules of retention say.
func writeHolds(ctx context.Context, w io.Writer, db *store.DB, id uuid.UUID) error {
	holds, err := db.HoldsOf(ctx, id)
	if err != nil || len(holds) == 0 {
		return err
	}
	fmt.Fprint(w, "\nON HOLD\n\n")
	var rows [][]string
	for _, h := range holds {
		rows = append(rows, []string{fmt.Sprintf("hold %d", h.ID), utc(h.PlacedAt), harmless(h.PlacedBy), harmless(h.Reason)})
	}
	return writeTable(w, rows)
}

// writeWhy explains an event that was rejected or late.
func writeWhy(ctx context.Context, w io.Writer, db *store.DB, e *store.Event) error {
	if e.Verification.Verdict == verify.Verified {
		return nil
	}
	explanation, err := reverify.Explain(ctx, db, e)
	if err != nil || explanation == nil {
		return err
	}
	fmt.Fprint(w, "\nWHY, BY TODAY'S SETTINGS\n\n")
	writeExplanation(w, explanation)
	return nil
}

// writeReverifications lists later results, newest first.
func writeReverifications(w io.Writer, list []store.Reverification) {
	if len(list) == 0 {
		return
	}
	fmt.Fprint(w, "\nRE-VERIFIED\n\n")
	var rows [][]string
	for _, r := range list {
		released := "not released"
		if r.Released {
			released = "released"
		}
		rows = append(rows, []string{utc(r.At), harmless(r.RequestedBy), verdictWords(r.Verification), released})
	}
	writeTable(w, rows)
}

// writeFacts writes what lists show of an event, in full.
func writeFacts(w io.Writer, e *store.Event, source *store.Source) {
	received := utc(e.ReceivedAt())
	if e.Sender.IsValid() {
		received += " from " + e.Sender.String()
	}
	kind := typeName(e.Envelope.EntityType, e.Envelope.CallbackType)
	if kind != "-" && !plenigo.Known(e.Envelope.EntityType, e.Envelope.CallbackType) {
		kind += " (new: not in plenigo's table of types)"
	}
	rows := [][]string{
		{"Event", e.ID.String()},
		{"Received", received},
		{"Source", harmless(source.Slug)},
		{"Answered", httpWords(e.Answered)},
		{"Type", harmless(kind)},
		{"Entity", harmless(or(e.Envelope.EntityID, "-"))},
	}
	for _, c := range e.Envelope.Customers {
		rows = append(rows, []string{"Customer", harmless(c.CustomerID + " at " + c.Path)})
	}
	if !e.Envelope.ChangedAt.IsZero() {
		rows = append(rows, []string{"Changed", utc(e.Envelope.ChangedAt)})
	}
	if e.Arrival > 1 {
		rows = append(rows, []string{"Arrival", fmt.Sprintf("number %d of the body that first came as %s", e.Arrival, e.RepeatOf)})
	}
	writeTable(w, append(rows,
		[]string{"API version", harmless(or(e.APIVersion, "-"))},
		[]string{"Size", plural(int(e.Size), "byte", "bytes")},
		[]string{"SHA-256", fmt.Sprintf("%x", e.BodySHA256)},
	))
}

// httpWords is a status with its usual name, such as 503 Service Unavailable.
func httpWords(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// writeHeader lists a header by name. Values that let somebody in are hidden; of an authorization its scheme stays, which
// tells what was sent and nothing of the secret.
func writeHeader(w io.Writer, h http.Header, source *store.Source) {
	own := map[string]bool{}
	for _, pair := range source.Headers {
		own[http.CanonicalHeaderKey(pair.Name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if own[name] || plenigo.SensitiveHeader(name) {
				scheme, _, _ := strings.Cut(value, " ")
				value = "(hidden)"
				if name == "Authorization" && (scheme == "Basic" || scheme == "Bearer") {
					value = scheme + " " + value
				}
			}
			fmt.Fprintf(w, "%s: %s\n", harmless(name), harmless(value))
		}
	}
}

func writeDeliveries(w io.Writer, deliveries []*store.Delivery) {
	fmt.Fprint(w, "\nDELIVERIES\n\n")
	if len(deliveries) == 0 {
		fmt.Fprintln(w, "none")
	}
	for _, d := range deliveries {
		cause := string(d.Trigger)
		if d.RequestedBy != "" {
			cause += " by " + d.RequestedBy
		}
		if d.Reason != "" {
			cause += ": " + d.Reason
		}
		fmt.Fprintf(w, "%s to %s, %s since %s\n    %s\n", d.ID, harmless(d.Destination), d.State, utc(d.CreatedAt), harmless(cause))
		if !d.NextAttemptAt.IsZero() {
			fmt.Fprintf(w, "    next attempt at %s\n", utc(d.NextAttemptAt))
		}
		for i := range d.History {
			writeAttempt(w, &d.History[i])
		}
	}
}

// shownAnswer bounds what is shown of a destination's answer, in characters.
const shownAnswer = 200

func writeAttempt(w io.Writer, a *store.Attempt) {
	result := "no answer"
	switch {
	case a.Duration < 0:
		result = "under way, or broken off"
	case a.Status != 0:
		result = httpWords(a.Status)
	}
	if a.Error != "" {
		result += ": " + a.Error
	}
	if a.Duration >= 0 {
		result += fmt.Sprintf(", after %d ms", a.Duration.Milliseconds())
	}
	fmt.Fprintf(w, "    attempt %d at %s to %s: %s\n", a.Number, utc(a.StartedAt), harmless(a.RequestURL), harmless(result))
	if !a.AnswerRemovedAt.IsZero() {
		fmt.Fprintf(w, "        what was answered is no longer kept: retention removed it at %s\n", utc(a.AnswerRemovedAt))
	}
	if text := strings.TrimSpace(string(a.ResponseBody)); text != "" {
		fmt.Fprintf(w, "        %s\n", cut(harmless(text), shownAnswer))
	}
}

// writePayload writes a body for people. JSON is laid out with its numbers and the order of its keys as they were sent.
func writePayload(w io.Writer, e *store.Event) {
	switch {
	case len(e.Body) == 0 && e.Size > 0:
		fmt.Fprintln(w, "The body was larger than the limit, so it was not kept.")
	case len(e.Body) == 0:
		fmt.Fprintln(w, "The request had no body.")
	default:
		fmt.Fprintln(w, harmlessLines(layOut(e.Body)))
	}
}

// maxDepth is how deep JSON may be nested to be laid out. Real callbacks are a few levels deep; far deeper ones would
// consist of blanks.
const maxDepth = 32

func layOut(body []byte) string {
	var b bytes.Buffer
	if depth(body) > maxDepth || json.Indent(&b, body, "", "  ") != nil {
		return string(body)
	}
	return b.String()
}

// depth is how deep brackets are nested, outside of strings.
func depth(body []byte) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
