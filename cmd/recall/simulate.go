package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"recall/plenigo"
)

type simulateCmd struct {
	To string `placeholder:"URL" help:"Where to send: the callback URL of a source, such as http://127.0.0.1:8080/callbacks/shop."`
	secretFlags
	credentialFlags
	Type       []string `placeholder:"NAME" help:"Send this sample, such as customer.creation; may be repeated. All of them if left out."`
	Count      *int     `placeholder:"N" help:"How many callbacks to send, going round the samples; one of each if left out. An equal body sent again is what a receiver may take for a repeat."`
	APIVersion string   `name:"api-version" default:"20240827" help:"The value of X-Plenigo-Api-Version."`
	List       bool     `help:"List the samples and send nothing."`
}

func (simulateCmd) Help() string {
	return `Each callback is signed afresh and sent with go-resty, the client that plenigo uses, with the headers of plenigo's
documented example. The samples are invented people and orders. Exit status 0 says that every callback was answered 2xx.

Examples:

    recall simulate --to http://127.0.0.1:8080/callbacks/shop --secret-file secret
    recall simulate --to https://callbacks.example.com/callbacks/shop --secret-file secret \
        --header 'X-Shop: tea' --type customer.creation --type order.creation --count 10
    recall simulate --list`
}

func (c *simulateCmd) Run(ctx context.Context, a *app) error {
	if c.List {
		return listSamples(a)
	}
	samples, err := chooseSamples(c.Type)
	if err != nil {
		return err
	}
	s, err := c.sender(a)
	if err != nil {
		return err
	}
	count := len(samples)
	switch {
	case c.Count != nil && *c.Count < 1:
		return usagef("--count must be more than 0, not %d", *c.Count)
	case c.Count != nil:
		count = *c.Count
	}
	failed := 0
	for i := range count {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		sample := samples[i%len(samples)]
		answer, err := s.send(ctx, sample, fault{})
		if err != nil {
			fmt.Fprintf(a.out, "%-44s %s\n", sample.Name, harmless(err.Error()))
		} else {
			fmt.Fprintf(a.out, "%-44s %s\n", sample.Name, answer)
		}
		if err != nil || !answer.ok() {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s not answered 2xx", failed, plural(count, "callback was", "callbacks were"))
	}
	fmt.Fprintf(a.out, "%s sent, all answered 2xx.\n", plural(count, "callback", "callbacks"))
	return nil
}

// sender makes the sender that the flags describe.
func (c *simulateCmd) sender(a *app) (*sender, error) {
	if c.To == "" {
		return nil, usagef("--to is missing: the callback URL of a source, such as http://127.0.0.1:8080/callbacks/shop")
	}
	if err := checkURL("--to", c.To); err != nil {
		return nil, err
	}
	r := secretReader{in: a.in}
	secret, given, err := c.secretFlags.read(&r)
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, usagef("--secret or --secret-file is missing: the secret that the source at %s has", c.To)
	}
	basic, headers, err := c.credentialFlags.read(&r)
	if err != nil {
		return nil, err
	}
	if headers, err := parseHeaders("--api-version", []string{"X: " + c.APIVersion}); err != nil || headers[0].Value == "" {
		return nil, usagef("--api-version %q cannot stand in a header; it is a date such as %s", c.APIVersion, defaultAPIVersion)
	}
	return newSender(sender{URL: c.To, Secret: secret, Basic: basic, Headers: headers, APIVersion: c.APIVersion, Now: a.now}), nil
}

// String is an answer on one line: status, what Recall made of it, and the event's id.
func (a answer) String() string {
	words := []string{fmt.Sprint(a.Status)}
	for _, word := range []string{string(a.Verdict), string(a.Reason)} {
		if word != "" {
			words = append(words, harmless(word))
		}
	}
	if a.Event != uuid.Nil {
		words = append(words, a.Event.String())
	}
	return strings.Join(words, " ")
}

// chooseSamples finds samples by name, all of them where none is named.
func chooseSamples(names []string) ([]plenigo.Sample, error) {
	all := plenigo.Samples()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []plenigo.Sample
	for _, name := range names {
		i := slices.IndexFunc(all, func(s plenigo.Sample) bool { return strings.EqualFold(s.Name, name) })
		if i < 0 {
			known := make([]string, len(all))
			for i, s := range all {
				known[i] = s.Name
			}
			return nil, usagef("--type: there is no sample %q; there are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func listSamples(a *app) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range plenigo.Samples() {
		fmt.Fprintf(w, "%s\t%s\t%d bytes\n", s.Name, s.Kind, len(s.Body))
	}
	return w.Flush()
}

// checkURL makes sure that a URL can be sent to. Credentials have no place in it: URLs are shown and logged.
func checkURL(flag, text string) error {
	u, err := url.Parse(text)
	var parse *url.Error
	switch {
	case errors.As(err, &parse):
		return usagef("%s: %q is not a URL: %v", flag, text, parse.Err)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return usagef("%s: %q is not a URL such as https://example.com/path", flag, text)
	case u.User != nil:
		return usagef("%s: user and password have no place in a URL; give them with --basic or --header", flag)
	case u.Fragment != "":
		return usagef("%s: a URL to send to has no #%s", flag, u.Fragment)
	}
	return nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
