package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"recall/store"
)

// greeting is what serve prints for the person who started it. It goes to standard output and never to the log: the
// first password is in it.
type greeting struct {
	app      *app
	receiver string // URL
	admin    string // URL
	password string // of the first user, when it was just made
}

// secure tells that the admin UI is reached over TLS.
func (g *greeting) secure() bool { return strings.HasPrefix(g.admin, "https://") }

const firstUser = "admin"

// starting says that something happens: a first start makes a database, and one after a crash recovers it.
func (g *greeting) starting() { fmt.Fprintln(g.app.out, "Recall is starting …") }

// waiting says that the database is away, and that callbacks are taken all the same.
func (g *greeting) waiting() {
	fmt.Fprintln(g.app.out, "The database cannot be used yet. Callbacks are taken at "+g.receiver+" and kept on this disk until it is back.")
}

func (g *greeting) stopping() { fmt.Fprintln(g.app.out, "Recall is stopping …") }

// firstUser makes a user where there is none, with a password that is shown once.
func (g *greeting) firstUser(ctx context.Context, db *store.DB) error {
	users, err := db.ListUsers(ctx)
	if err != nil || len(users) > 0 {
		return err
	}
	password := newPassword()
	_, err = db.CreateUser(ctx, firstUser, password, store.RoleAdmin)
	if errors.Is(err, store.ErrExists) {
		return nil // another instance that started at the same time
	}
	if err == nil {
		g.password = password
	}
	return err
}

// newPassword is 80 random bits that can be read out and typed: four groups of four letters and digits.
func newPassword() string {
	text := strings.ToLower(rand.Text())
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:16]
}

func (g *greeting) print(ctx context.Context, db *database, demo *demo) error {
	sources, err := db.ListSources(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-12s%s\n", name, value) }
	b.WriteString("\nRecall is running.\n\n")
	line("Admin UI", g.admin)
	if g.password != "" {
		line("Log in", firstUser+"  "+g.password)
		line("", "shown this once: change it under Account, or with: "+program()+" user password "+firstUser)
	}
	line("Callbacks", g.receiver+"/callbacks/"+slugs(sources))
	line("Database", g.database(db))
	if demo != nil {
		line("Demo", "source "+demoSource+"; destinations "+demoGood+" (answers 200) and "+demoFailing+" (answers 503)")
	}
	if !g.app.cfg.LogLevelSet && demo != nil {
		line("Log", "warnings only; RECALL_LOG_LEVEL=info shows each callback and attempt")
	}
	line("Stop", "Ctrl-C")
	switch {
	case demo != nil:
		b.WriteString("\nSend a signed callback from another terminal:\n\n" + curl(g.receiver+"/callbacks/"+demoSource, demo.secret) + "\n")
	case len(sources) == 0:
		b.WriteString("\nAdd a source, with the secret that plenigo shows for its callback:\n\n  " +
			program() + ` source add --slug shop --name "Shop" --secret -` + "\n")
	case hasDemo(sources):
		b.WriteString("\nThe source of an earlier demo still takes callbacks, and its secret was shown on a screen. Remove it:\n\n  " +
			program() + " demo remove\n")
	}
	b.WriteString("\n")
	fmt.Fprint(g.app.out, b.String()) // nobody may be there to read it
	return nil
}

// database names the database without its password.
func (g *greeting) database(db *database) string {
	if db.cluster != nil {
		return "private PostgreSQL in " + g.app.cfg.DataDir
	}
	config, err := pgxpool.ParseConfig(g.app.cfg.DatabaseURL)
	if err != nil {
		return "of RECALL_DATABASE_URL"
	}
	return config.ConnConfig.Database + " on " + config.ConnConfig.Host + ", of RECALL_DATABASE_URL"
}

// curl is a line for a shell that sends a callback signed at that moment. The secret in it is a demo's.
func curl(url, secret string) string {
	return `t=$(date +%s); id=$(date +%s%N); body='{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"'$id'","entity":{"customerId":"'$id'","email":"you@example.org"}}'; ` +
		`curl -i ` + url + ` -H 'content-type: application/json' -H 'x-plenigo-api-version: ` + defaultAPIVersion + `' ` +
		`-H "plenigo-signature: t=$t,s=$(printf %s "$t.$body" | openssl dgst -sha256 -hmac ` + secret + ` -r | cut -d' ' -f1)" --data-binary "$body"`
}

// slugs is the last part of the URLs at which callbacks are taken.
func slugs(sources []*store.Source) string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.Slug
	}
	switch {
	case len(names) == 0:
		return "SOURCE"
	case len(names) == 1:
		return names[0]
	case len(names) > 8:
		names = append(names[:8], "…")
	}
	return "{" + strings.Join(names, ", ") + "}"
}

func hasDemo(sources []*store.Source) bool {
	for _, s := range sources {
		if s.Demo {
			return true
		}
	}
	return false
}

// program is how this program was called, for lines to be pasted.
func program() string { return os.Args[0] }
