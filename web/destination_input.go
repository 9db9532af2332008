package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"recall/store"
	"recall/verify"
)

// What is sent automatically, as the form has it.
const (
	sendNothing = "nothing"
	sendAll     = "all"
	sendMatch   = "match"
)

// destinationInput is what stands in the form.
type destinationInput struct {
	name, url, method           string
	sends, match                string
	signing, secret             string
	pass                        bool
	headers                     []sentHeaderInput
	timeout, retry              string
	rate, concurrency, ordering string
}

// sentHeaderInput is a row of the headers; was is its name as it is stored, "" for a new one.
type sentHeaderInput struct {
	was, name, value string
	open             bool // no secret
}

// newDestinationInput is what stands in the form at first.
func newDestinationInput(d *store.Destination) destinationInput {
	in := destinationInput{
		name: d.Name, url: d.URL, method: d.Method, sends: sendNothing, signing: string(d.Signing), pass: d.PassSignature,
		timeout: spanText(d.Timeout), retry: scheduleText(d.RetrySchedule), ordering: string(d.Ordering),
	}
	if d.Match != nil {
		in.sends, in.match = sendMatch, *d.Match
		if in.match == "" {
			in.sends = sendAll
		}
	}
	for _, h := range d.ClearHeaders {
		in.headers = append(in.headers, sentHeaderInput{was: h.Name, name: h.Name, value: h.Value, open: true})
	}
	for _, h := range d.Headers {
		in.headers = append(in.headers, sentHeaderInput{was: h.Name, name: h.Name})
	}
	in.headers = append(in.headers, make([]sentHeaderInput, spareRows)...)
	if d.MaxRate > 0 {
		in.rate = strconv.FormatFloat(d.MaxRate, 'f', -1, 64)
	}
	if d.MaxConcurrency > 0 {
		in.concurrency = strconv.Itoa(d.MaxConcurrency)
	}
	return in
}

// scheduleText is a retry schedule as the form takes it.
func scheduleText(waits []time.Duration) string {
	words := make([]string, len(waits))
	for i, wait := range waits {
		words[i] = spanText(wait)
	}
	return strings.Join(words, ", ")
}

func parseSchedule(text string) ([]time.Duration, error) {
	var waits []time.Duration
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		wait, err := parseSpan(word)
		if err != nil {
			return nil, err
		}
		waits = append(waits, wait)
	}
	return waits, nil
}

func (s *server) readDestinationInput(r *http.Request) destinationInput {
	form := r.PostForm
	trimmed := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	in := destinationInput{
		name: trimmed("name"), url: trimmed("url"), method: trimmed("method"), sends: trimmed("sends"), match: trimmed("match"),
		signing: trimmed("signing"), secret: s.typed(r, "secret"), pass: form.Get("pass") != "",
		timeout: trimmed("timeout"), retry: trimmed("retry"), rate: trimmed("rate"), concurrency: trimmed("concurrency"), ordering: trimmed("ordering"),
	}
	for i := range min(len(form["header_was"]), maxRows) {
		h := sentHeaderInput{was: form["header_was"][i], name: trimmed(headerField("header_name", i)), open: form.Get(headerField("header_open", i)) != ""}
		h.value = s.typed(r, headerField("header_value", i))
		in.headers = append(in.headers, h)
	}
	return in
}

// apply makes a destination as the form says. What is wrong is told by field. A signing secret that the form holds, or that
// its signing needs, is added; the one that was made for it is told.
func (in destinationInput) apply(d *store.Destination, now time.Time) (made bool, wrong problems) {
	wrong = problems{}
	d.Name, d.URL, d.Method, d.PassSignature = in.name, in.url, in.method, in.pass
	d.Signing, d.Ordering = store.Signing(in.signing), store.Ordering(in.ordering)
	switch in.sends {
	case sendNothing:
		d.Match = nil
	case sendAll:
		d.Match = new("")
	case sendMatch:
		d.Match = &in.match
		if in.match == "" {
			wrong.add("match", errors.New("write a rule, or choose every accepted event"))
		}
	default:
		wrong.add("match", errors.New("choose what is sent automatically"))
	}
	var err error
	if d.Timeout, err = parseSpan(in.timeout); err != nil {
		wrong.add("timeout", err)
	}
	d.RetrySchedule, err = parseSchedule(in.retry)
	wrong.add("retry", err)
	d.MaxRate, d.MaxConcurrency = 0, 0
	if in.rate != "" {
		if d.MaxRate, err = strconv.ParseFloat(strings.ReplaceAll(in.rate, ",", "."), 64); err != nil {
			wrong.add("rate", fmt.Errorf("“%s” is no number; 0.5 is one attempt every two seconds", plainText(cut(in.rate, 40))))
			d.MaxRate = 0
		}
	}
	if in.concurrency != "" {
		if d.MaxConcurrency, err = strconv.Atoi(in.concurrency); err != nil {
			wrong.add("concurrency", fmt.Errorf("“%s” is no whole number", plainText(cut(in.concurrency, 40))))
		}
	}
	switch {
	case d.Signing == store.SigningNone && in.secret != "":
		wrong.add("secret", errors.New("without a signature there is nothing to sign; empty the secret, or choose how to sign"))
	case d.Signing == store.SigningNone:
		d.Secrets = nil
	case in.secret != "":
		d.Rotate(in.secret, 0, now)
	case d.Signing == store.SigningStandardWebhooks && len(d.Secrets) == 0:
		d.Rotate(store.NewSigningSecret(), 0, now)
		made = true
	}
	hidden, clear := in.applyHeaders(d, wrong)
	for _, p := range d.Problems(now) {
		wrong.add(destinationField(p.Field, hidden, clear), p.Err)
	}
	return made, wrong
}

// applyHeaders returns the rows of the secret headers, and of the others. A secret value that was left empty stays.
func (in destinationInput) applyHeaders(d *store.Destination, wrong problems) (hidden, clear []int) {
	had := d.Headers
	d.Headers, d.ClearHeaders = nil, nil
	for i, h := range in.headers {
		value := h.value
		at := slices.IndexFunc(had, func(old verify.Header) bool { return old.Name == h.was })
		if value == "" && at >= 0 && !h.open {
			value = had[at].Value
		}
		header := verify.Header{Name: http.CanonicalHeaderKey(h.name), Value: value}
		switch {
		case h.name == "" && h.value == "":
		case h.name == "":
			wrong.add(headerField("header_name", i), errors.New("a value needs the name of its header"))
		case value == "" && at >= 0:
			wrong.add(headerField("header_value", i), errors.New("write its value again to let it be shown: what is set stays hidden"))
		case value == "":
			wrong.add(headerField("header_value", i), errors.New("the header needs a value"))
		case strings.TrimSpace(value) != value:
			wrong.add(headerField("header_value", i), errors.New("the value begins or ends with a blank, which does not travel in a header"))
		case h.open:
			d.ClearHeaders, clear = append(d.ClearHeaders, header), append(clear, i)
		default:
			d.Headers, hidden = append(d.Headers, header), append(hidden, i)
		}
	}
	return hidden, clear
}

// destinationField is where the form shows a mistake of the settings.
func destinationField(name string, hidden, clear []int) string {
	list, place, _ := strings.Cut(name, ".")
	n, _ := strconv.Atoi(place)
	switch list {
	case "headers":
		if n < len(hidden) {
			return headerField("header_name", hidden[n])
		}
		return headerField("header_name", 0)
	case "clear_headers":
		return headerField("header_name", clear[n])
	}
	return name
}
