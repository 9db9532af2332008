package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// block is a piece of a document that is set as code.
type block struct {
	info  string // what stands behind the fence: "sh", "sh not-run", "text"
	text  string
	place string // page:line
}

// notRun marks a block that a test cannot run: it needs root, a network, systemd or docker. Its recall commands are read all
// the same, as far as kong reads them. Whoever looks at the page sees nothing of the mark.
const notRun = "sh not-run"

// document reads the blocks of a page. Commands stand in blocks with a fence, so that none is overlooked.
func document(t *testing.T, path string) (text string, blocks []block) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var within *block
	indent, number := "", 0
	for line := range strings.Lines(string(content)) {
		number++
		fence := strings.TrimLeft(line, " ")
		switch {
		case within == nil && strings.HasPrefix(fence, "```"):
			indent = line[:len(line)-len(fence)]
			within = &block{info: strings.TrimSpace(fence[3:]), place: fmt.Sprintf("%s:%d", filepath.Base(path), number)}
		case within != nil && strings.TrimSpace(line) == "```":
			blocks = append(blocks, *within)
			within = nil
		case within != nil:
			within.text += strings.TrimPrefix(line, indent)
		default:
			text += line
			if strings.HasPrefix(line, "    ") && regexp.MustCompile(`^(recall|curl|export|pg_\w+) `).MatchString(fence) && !strings.HasPrefix(fence, "recall COMMAND") {
				t.Errorf("%s:%d: a command in a block without a fence", filepath.Base(path), number)
			}
		}
	}
	return text, blocks
}

func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(pages, "../../README.md", "../../SECURITY.md")
}

// TestDocumentsRun runs the commands of each page one after the other, by a shell, as somebody does who copies them: with the
// real program, on a database in which things are as the page says, and where it asks for a server with that.
func TestDocumentsRun(t *testing.T) {
	bin := commandFolder(t)
	ran := 0
	for _, path := range documents(t) {
		_, blocks := document(t, path)
		var run []block
		for i, b := range blocks {
			if b.info == "sh" {
				run = append(run, b)
				ran++
			} else if b.info == "text output" && (i == 0 || blocks[i-1].info != "sh") {
				t.Errorf("%s: the output of nothing that is run", b.place)
			}
		}
		if len(run) > 0 {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				runBlocks(t, bin, blocks)
			})
		}
	}
	if ran < 40 {
		t.Errorf("%d blocks are run", ran)
	}
}

// TestDocumentsParse: every recall command that a page shows, in a block or within a line, is one, with flags that it has.
func TestDocumentsParse(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, path := range documents(t) {
		text, blocks := document(t, path)
		for _, b := range blocks {
			switch b.info {
			case "sh", notRun:
				for _, line := range recallCommands(b.text) {
					if read++; strings.HasPrefix(line, "--version") {
						continue // it is no command
					}
					if parser, err := kong.New(&cli{}, kong.Vars{"version": ""}, kong.Writers(io.Discard, io.Discard)); err != nil { // a parser remembers what it has read
						t.Fatal(err)
					} else if _, err := parser.Parse(words(line)); err != nil {
						t.Errorf("%s: recall %s: %v", b.place, line, err)
					}
				}
			case "text output", "text", "yaml", "json", "sql", "go", "http", "arrows", "env", "", "caddy":
			default:
				t.Errorf("%s: a block of %q is neither run nor read", b.place, b.info)
			}
		}
		for _, code := range regexp.MustCompile("`recall ([^`\n]+)`").FindAllStringSubmatch(text, -1) {
			read++
			if err := named(parser.Model.Node, strings.ReplaceAll(code[1], `\|`, "|")); err != nil {
				t.Errorf("%s: `recall %s`: %v", filepath.Base(path), code[1], err)
			}
		}
	}
	if read < 150 {
		t.Errorf("%d commands were read", read)
	}
}

// recallCommands are those of a shell's text, without "recall": each up to what ends a command there.
func recallCommands(text string) []string {
	text = regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(strings.ReplaceAll(text, "\\\n", " "), "")
	text = strings.ReplaceAll(text, "sudo -u recall ", "")
	var all []string
	for _, found := range regexp.MustCompile(`(?m)(?:^|[\s(])(?:\./bin/|/usr/local/bin/)?recall ((?:'[^']*'|"[^"]*"|[^'"|;&)<>#\n])+)`).FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`^(--|[a-z]+( |$|-))`).MatchString(found[1]) {
			continue // a file of this name, a user, …
		}
		all = append(all, found[1])
	}
	return all
}

// named follows what a sentence says of a command as far as it names commands and flags: "source add|list", "doctor --json".
func named(at *kong.Node, text string) error {
	nodes := []*kong.Node{at}
	for _, word := range strings.Fields(text) {
		word = strings.Trim(word, "[]…,")
		if flag, is := strings.CutPrefix(word, "--"); is {
			name, _, _ := strings.Cut(flag, "=")
			for _, n := range nodes {
				if !slices.ContainsFunc(slices.Concat(n.AllFlags(false)...), func(f *kong.Flag) bool { return f.Name == name }) {
					return fmt.Errorf("%s has no flag --%s", commandPath(n), name)
				}
			}
			continue
		}
		var next []*kong.Node
		for _, n := range nodes {
			if len(n.Children) == 0 {
				next = append(next, n) // the word is an argument
				continue
			}
			for name := range strings.SplitSeq(word, "|") {
				i := slices.IndexFunc(n.Children, func(c *kong.Node) bool { return c.Name == name })
				switch {
				case i >= 0:
					next = append(next, n.Children[i])
				case name != "COMMAND":
					return fmt.Errorf("%s has no command %q", commandPath(n), name)
				}
			}
		}
		if nodes = next; len(nodes) == 0 {
			return nil
		}
	}
	return nil
}

// words splits a line as a shell does, up to a comment.
func words(line string) (list []string) {
	var word strings.Builder
	quote, within := rune(0), false
	for _, r := range line + "\n" {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, within = r, true
		case quote == 0 && unicode.IsSpace(r):
			if within {
				list = append(list, word.String())
			}
			word.Reset()
			within = false
		case quote == 0 && r == '#' && !within:
			return list
		default:
			word.WriteRune(r)
			within = true
		}
	}
	return list
}

// The names that the pages use of what has to be there before their commands are given.
const (
	docEvent    = "0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b" // an event that was accepted
	docRejected = "0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6c" // one whose signature did not fit
	docCustomer = "48213"
	docSecret   = "example-callback-secret"
)

// docPrelude: a shell that ends at the first failure and names it. Somebody types the passwords; time goes by in which a running
// serve sees a new source and works on cases of erasure; and what doctor finds on a
// machine of tests, where nothing is durable, is no failure of the page.
const docPrelude = `set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
worked() {
	until command recall erasure run && command recall erasure show 1 | grep -q "is $1\."; do sleep 0.1; done # it waits for older transactions
}
recall() {
	case "$1 ${2-}" in
	"user add" | "user password") command recall "$@" <password ;;
	"source add")
		command recall "$@"
		while [ -n "${RECEIVER-}" ] && { curl -X POST "$RECEIVER/callbacks/shop" 2>&1 || true; } | grep -qw 404; do sleep 0.1; done
		;;
	"erasure open") command recall "$@" && worked open ;;
	"erasure confirm") command recall "$@" && worked closed ;;
	doctor*) command recall "$@" || [ $? = 1 ] ;;
	*) command recall "$@" ;;
	esac
}
`

// runBlocks runs a page's commands in a world of its own, all in one shell, and compares what they print where the page says it.
func runBlocks(t *testing.T, bin string, blocks []block) {
	var script strings.Builder
	for _, b := range blocks {
		script.WriteString(b.text)
	}
	all := script.String()
	w := newDocWorld(t, all)
	script.Reset()
	script.WriteString(docPrelude)
	var places []string
	for _, b := range blocks {
		if b.info == "sh" {
			fmt.Fprintf(&script, "printf '\\036'; echo '%s' >&2\n%s\n", b.place, w.real(b.text))
			places = append(places, b.place)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script.String())
	shell.Dir = w.folder
	shell.Env = append(os.Environ(), append(w.env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+w.folder)...)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) } // with what it has started
	var out, errs bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &errs
	if err := shell.Run(); err != nil {
		t.Fatalf("%v\n%s\nThe end of its output:\n%s", err, errs.String(), lastBytes(out.String(), 2000))
	}
	outputs := strings.Split(out.String(), "\036")[1:]
	n := -1
	for _, b := range blocks {
		switch b.info {
		case "sh":
			n++
		case "text output":
			pattern := strings.ReplaceAll(regexp.QuoteMeta(w.real(b.text)), "…", ".*")
			if !regexp.MustCompile("(?m)^" + strings.TrimRight(pattern, "\n") + "$").MatchString(outputs[n]) {
				t.Errorf("%s: this is not what %s prints:\n%s\nbut:\n%s", b.place, places[n], w.real(b.text), outputs[n])
			}
		}
	}
}

func lastBytes(text string, n int) string { return text[max(0, len(text)-n):] }

// docWorld is what a page's commands find.
type docWorld struct {
	folder string
	env    []string
	names  *strings.Replacer // what the page calls something, what it is here
}

func (w *docWorld) real(text string) string {
	// What somebody pastes.
	text = regexp.MustCompile(`(--secret -)(\s)`).ReplaceAllString(text, "$1 <secret$2")
	text = regexp.MustCompile(`(--webhook -)(\s)`).ReplaceAllString(text, "$1 <url$2")
	return w.names.Replace(text)
}

// newDocWorld makes what the commands do not make themselves: a source shop, a destination crm, a user anna, events.
func newDocWorld(t *testing.T, commands string) *docWorld {
	t.Helper()
	h := newHouse(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	t.Cleanup(receiver.Close)
	folder := dataDir(t)
	w := &docWorld{folder: folder, env: []string{
		"RECALL_DATABASE_URL=" + h.args[1], "RECALL_KEY=" + h.args[3], "RECALL_DATA_DIR=" + filepath.Join(folder, "data"),
		"RECALL_EGRESS_ALLOW=127.0.0.0/8",
	}}
	var names []string
	for _, made := range [][]string{
		{"source", "add", "--slug", "shop", "--name", "Shop", "--secret", docSecret},
		{"destination", "add", "--name", "crm", "--url", receiver.URL},
		{"user", "add", "anna", "--role", "admin"},
	} {
		first := strings.Join(made[:min(len(made), 4)], " ")
		if made[0] == "user" {
			first = "user add anna"
		}
		if !strings.Contains(commands, first) {
			h.run("a long password of anna", made...).want(t, 0)
		}
	}
	if source, err := h.db.FindSource(t.Context(), "shop"); err == nil {
		accepted := w.record(t, h.db, source, verify.Verified, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"12841","entity":{"orderId":12841,"invoiceCustomerId":"`+docCustomer+`","invoiceAddress":{"firstName":"Anna"},"giftInfo":{"gifteeEmail":"ben@example.org"},"items":[{"position":1,"deliveryCustomerId":"48999"}]}}`)
		rejected := w.record(t, h.db, source, verify.Rejected, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"`+docCustomer+`","entity":{"customerId":"`+docCustomer+`"}}`)
		names = append(names, docEvent, accepted, docRejected, rejected)
		w.env = append(w.env, "EVENT="+accepted)
	}
	// The pages say replay 7 and alert 12.
	if _, err := h.db.Pool().Exec(t.Context(), "ALTER TABLE replays ALTER COLUMN id RESTART WITH 7; ALTER TABLE alerts ALTER COLUMN id RESTART WITH 12"); err != nil {
		t.Fatal(err)
	}
	err := h.db.ChangeAlerts(t.Context(), func(book *store.AlertBook) error {
		book.Alerts = append(book.Alerts, &store.Alert{Kind: "silence", Subject: "shop", Level: 1, Words: "Nothing was accepted.", OpenedAt: time.Now(), SeenAt: time.Now()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	body := []byte(`{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"48213"}`)
	signed := verify.Sign(docSecret, now, body)
	for name, text := range map[string]string{
		"secret": docSecret, "password": "a long password of somebody", "url": receiver.URL, "body": string(body), "edited.json": string(body),
		"signature": signed, "new-secret": "another-callback-secret", "user-and-password": "plenigo_test:geheim", "headers": "X-Shop: 7\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"data", "etc", "safe"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	names = append(names, "https://crm.example.org/plenigo", receiver.URL, "https://bus.example.org/in", receiver.URL, "/etc/", folder+"/etc/", "/a/safe/place", folder+"/safe")
	if regexp.MustCompile(`\$RECALL/|127\.0\.0\.1:808|callbacks\.example\.org|recall health|recall replay start`).MatchString(commands) {
		s := serve(t, filepath.Join(folder, "data"), w.env)
		receiverURL, _, _ := strings.Cut(s.printed("Callbacks"), "/callbacks/")
		admin := s.printed("Admin UI")
		h.run("a long password", "user", "add", "keeper", "--role", "admin").want(t, 0)
		token := h.run("", "token", "add", "docs", "--user", "keeper", "--right", "metadata,payloads,reveal,redispatch,audit,settings,erase")
		token.want(t, 0)
		w.env = append(w.env, "RECALL="+admin+"/api/v1", "RECEIVER="+receiverURL, "TOKEN="+regexp.MustCompile(`recall_[0-9A-Za-z]{49}`).FindString(token.out))
		names = append(names, "https://callbacks.example.org", receiverURL, "http://127.0.0.1:8080", receiverURL, "http://127.0.0.1:8081", admin)
	}
	w.names = strings.NewReplacer(names...)
	return w
}

func (w *docWorld) record(t *testing.T, db *store.DB, source *store.Source, verdict verify.Verdict, body string) string {
	t.Helper()
	e := &store.Event{
		ID: uuid.Must(uuid.NewV7()), SourceID: source.ID, Answered: 200, Body: []byte(body), Size: int64(len(body)), BodySHA256: sha256.Sum256([]byte(body)),
		Envelope: plenigo.Read([]byte(body)), Sender: netip.MustParseAddr("203.0.113.7"), Header: http.Header{"Content-Type": {"application/json"}},
		Verification: verify.Result{Verdict: verdict, Signature: verify.Valid},
	}
	if verdict == verify.Rejected {
		e.Answered, e.Verification.Signature, e.Verification.Reason = http.StatusUnauthorized, verify.Mismatch, verify.ReasonSignatureMismatch
	}
	if err := db.RecordEvents(t.Context(), []*store.Event{e})[0]; err != nil {
		t.Fatal(err)
	}
	return e.ID.String()
}

// commandFolder has recall, and curl as this test's own program (curlMain): what the pages ask of curl is little, and not every
// machine has it.
func commandFolder(t *testing.T) string {
	t.Helper()
	folder := dataDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"recall": binary, "curl": self} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// curlMain does what curl would, as far as the pages use it, and fails where the answer is no success.
func curlMain(args []string) error {
	method, address, body := http.MethodGet, "", ""
	header, query := http.Header{}, url.Values{}
	for i := 0; i < len(args); i++ {
		value := func() string {
			i++
			if i == len(args) {
				return ""
			}
			return args[i]
		}
		switch args[i] {
		case "-H":
			name, text, _ := strings.Cut(value(), ": ")
			header.Add(name, text)
		case "-X":
			method = value()
		case "--json":
			body = value()
			header.Set("Content-Type", "application/json")
			if method == http.MethodGet {
				method = http.MethodPost
			}
		case "--data-binary":
			body, method = value(), http.MethodPost
		case "--data-urlencode":
			name, text, _ := strings.Cut(value(), "=")
			query.Set(name, text)
		case "--get", "-i", "-s":
		default:
			if strings.HasPrefix(args[i], "-") || address != "" {
				return fmt.Errorf("this curl does not know %q", args[i])
			}
			address = args[i]
		}
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s\n%s", method, address, answer.Status, content)
	}
	os.Stdout.Write(content)
	return err
}
