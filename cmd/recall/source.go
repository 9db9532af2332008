package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"recall/store"
	"recall/verify"
)

type sourceCmd struct {
	Add    sourceAddCmd    `cmd:"" help:"Add a source, and show what to enter at plenigo."`
	List   sourceListCmd   `cmd:"" help:"List the sources."`
	Show   sourceShowCmd   `cmd:"" help:"Show a source's settings; secrets stay hidden."`
	Set    sourceSetCmd    `cmd:"" help:"Change a source's settings."`
	Rotate sourceRotateCmd `cmd:"" help:"Give a source a new secret; the old one stays valid for a while."`
	Remove sourceRemoveCmd `cmd:"" help:"Remove a source; its events stay."`
}

type sourceAddCmd struct {
	Slug string `required:"" placeholder:"SLUG" help:"Name in the callback's URL: lower-case letters, digits and hyphens."`
	Name string `placeholder:"NAME" help:"Name for people; the slug if left out."`
	secretFlags
	credentialFlags
	Tolerance  time.Duration `default:"5m" help:"How far a signature's time may be from now, past and future."`
	LateWindow time.Duration `default:"32h" help:"How old a genuine callback may be to be accepted as late (32h covers plenigo's last retry); 0 rejects late ones."`
	Observe    bool          `help:"Answer rejected callbacks 2xx too. They are kept as rejected, and never sent on."`
	Expect     []string      `sep:"none" placeholder:"TYPE" help:"A type to expect, such as customer.creation, order.* or *.deletion; once for each. Others are accepted too, and marked. Every type is expected if left out."`
	Scheme     string        `default:"plenigo" placeholder:"SCHEME" help:"How the sender signs: plenigo, standard-webhooks, or a file with a scheme as JSON."`
}

func (sourceAddCmd) Help() string {
	return `A source is one callback of plenigo's Merchant Backend (Settings > Development > Callbacks). plenigo makes the secret when
the callback is saved there, and shows it in the callback's detail view. A source can be added before that, without a
secret; it rejects everything until it has one.

Examples:

    recall source add --slug shop --name "Shop" --secret -        (then paste the secret, Enter, Ctrl-D)
    recall source add --slug shop --secret-file secret --basic-file user-and-password --header-file headers`
}

func (c *sourceAddCmd) Run(ctx context.Context, a *app) error {
	source := &store.Source{
		Slug: c.Slug, Name: or(c.Name, c.Slug), Enabled: true, Observe: c.Observe, Tolerance: c.Tolerance, LateWindow: c.LateWindow,
	}
	r := secretReader{in: a.in}
	secret, given, err := c.secretFlags.read(&r)
	if err != nil {
		return err
	}
	if given {
		source.Secrets = []verify.Secret{{Name: source.FreeSecretName(a.now(), nil), Key: secret}}
	}
	if source.Basic, source.Headers, err = c.credentialFlags.read(&r); err != nil {
		return err
	}
	source.ExpectedTypes = store.ReadTypes(strings.Join(c.Expect, ","))
	if source.Scheme, err = readScheme(c.Scheme); err != nil {
		return err
	}
	if err := source.Validate(); err != nil {
		return usagef("%v", err)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.CreateSource(ctx, source, sourceNote("source.add", source.Slug, store.SourceChanges(nil, source))); err != nil {
			return err
		}
		return printSetup(a, source)
	})
}

// sourceNote is what the audit list will say of a change.
func sourceNote(action, slug string, detail map[string]any) store.AuditEntry {
	return store.AuditEntry{Actor: actor(), Action: action, Subject: slug, Detail: detail}
}

// readScheme reads a scheme's name, or the file that holds one.
func readScheme(text string) (verify.Scheme, error) {
	if scheme, err := verify.ParseScheme(text); err == nil {
		if scheme == verify.Plenigo {
			scheme = verify.Scheme{} // the default
		}
		return scheme, nil
	}
	f, err := os.Open(text)
	if err != nil {
		return verify.Scheme{}, usagef("--scheme: %.80q is neither plenigo nor standard-webhooks nor a file that can be read", text)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return verify.Scheme{}, fmt.Errorf("--scheme: %w", err)
	}
	scheme, err := verify.ParseScheme(string(content))
	if err != nil {
		return scheme, usagef("--scheme: %s: %v", text, err)
	}
	return scheme, nil
}

// printSetup says what to enter at plenigo, and how to try it.
func printSetup(a *app, s *store.Source) error {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-16s%s\n", name, value) }
	url := a.cfg.callbackURL(s.Slug)
	plenigo := s.Scheme == (verify.Scheme{})
	where, secret := "Enter at the sender:", "It must be the one the sender signs with"
	if plenigo {
		where = "Enter at plenigo, in the Merchant Backend under Settings > Development > Callbacks:"
		secret = "plenigo shows the secret once the callback is saved"
	}
	fmt.Fprintf(&b, "The source %s was added.\n\n%s\n\n", s.Slug, where)
	line("URL", url)
	switch {
	case !plenigo:
		line("Signing scheme", harmless(s.Scheme.Name))
	case s.Basic == nil && len(s.Headers) == 0:
		line("Authentication", `none: leave "Endpoint requires authentication" unticked`)
	default:
		line("Authentication", `tick "Endpoint requires authentication", then`)
	}
	if s.Basic != nil {
		line("  method 1", "HTTP basic: user "+harmless(s.Basic.User)+", and the password you gave here")
	}
	for _, h := range s.Headers {
		line("  method 2", "key "+h.Name+", and the value you gave here")
	}
	simulate := fmt.Sprintf("  %s simulate --to %s --secret-file FILE", program(), url)
	if s.Basic != nil {
		simulate += " --basic-file FILE"
	}
	if len(s.Headers) > 0 {
		simulate += " --header-file FILE"
	}
	if len(s.Secrets) == 0 {
		fmt.Fprintf(&b, "\nThe source has no secret yet, so it rejects everything. %s; enter it with\n\n  %s source set %s --secret -\n",
			secret, program(), s.Slug)
	}
	if a.cfg.PublicURL == "" {
		b.WriteString("\nRECALL_PUBLIC_URL is not set, so this URL is the one on this machine. The sender needs the one that reaches it from outside.\n")
	}
	if plenigo {
		fmt.Fprintf(&b, "\nTry it, with recall serve running:\n\n%s --type customer.creation\n", simulate)
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

type sourceListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

func (c *sourceListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		sources, err := db.ListSources(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"SLUG", "NAME", "STATE", "ASKS FOR", "TOLERANCE", "LATE WINDOW", "URL"}}
		for _, s := range sources {
			if c.JSON {
				if err := jsonLine(a.out, s.JSON(a.cfg.callbackURL(s.Slug))); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{
				s.Slug, harmless(s.Name), sourceState(s, a.now()), asksFor(s), span(s.Tolerance), or(span(s.LateWindow), "off"), a.cfg.callbackURL(s.Slug),
			})
		}
		switch {
		case c.JSON:
			return nil
		case len(sources) == 0:
			fmt.Fprintf(a.errw, "There is no source yet. Add one with `%s source add`.\n", program())
			return nil
		}
		return writeTable(a.out, rows)
	})
}

// sourceState is what most hinders a source, in a word or two.
func sourceState(s *store.Source, now time.Time) string {
	state := "enabled"
	switch {
	case !s.Enabled:
		state = "disabled"
	case s.Unreadable:
		state = "unreadable"
	case len(s.ValidSecrets(now)) == 0:
		state = "no secret"
	case s.Observe:
		state = "observing"
	}
	if s.Demo {
		state += ", demo"
	}
	return state
}

func secretState(s verify.Secret, now time.Time) string {
	switch {
	case now.Before(s.From):
		return "not yet valid"
	case !s.ValidAt(now):
		return "over"
	}
	return "valid"
}

// asksFor is what a callback must carry.
func asksFor(s *store.Source) string {
	asks := []string{"signature"}
	if s.Basic != nil {
		asks = append(asks, "basic")
	}
	for _, h := range s.Headers {
		asks = append(asks, h.Name)
	}
	return strings.Join(asks, ", ")
}

// span is a length of time without parts that are nothing: 5m, 32h, 1h30m; "" for none.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if d == 0 {
		return ""
	}
	return text
}
