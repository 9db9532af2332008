package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/term"

	"recall/store"
	"recall/verify"
)

// maxSecretFile bounds what is read for one secret flag.
const maxSecretFile = 64 << 10

// secretReader reads what must not stand on a command line, where other users of the machine can see it: from a file, or
// from standard input where a flag says "-". Only one flag can.
type secretReader struct {
	in    io.Reader
	taken string // the flag that has read standard input
}

// text returns what a flag and its twin …-file say together, and whether either was given.
func (r *secretReader) text(flag string, value, file *string) (text string, given bool, err error) {
	switch {
	case value != nil && file != nil:
		return "", false, usagef("%s and %s-file say the same thing; give one of them", flag, flag)
	case value != nil && *value == "-":
		text, err = r.standardInput(flag)
	case value != nil:
		text = *value
	case file != nil:
		text, err = r.file(flag+"-file", *file)
	default:
		return "", false, nil
	}
	if err == nil && text == "" {
		err = usagef("%s is empty", flag)
	}
	return text, true, err
}

// line is text that is a single line.
func (r *secretReader) line(flag string, value, file *string) (text string, given bool, err error) {
	text, given, err = r.text(flag, value, file)
	if err == nil && strings.ContainsAny(text, "\r\n\x00") {
		err = usagef("%s holds more than one line; a single line is wanted", flag)
	}
	return text, given, err
}

// lines joins a repeated flag with its repeated twin …-file; a file, or standard input, holds one value a line.
func (r *secretReader) lines(flag string, values, files []string) ([]string, error) {
	var all []string
	for _, value := range values {
		if value != "-" {
			all = append(all, value)
			continue
		}
		text, err := r.standardInput(flag)
		if err != nil {
			return nil, err
		}
		all = append(all, splitLines(text)...)
	}
	for _, file := range files {
		text, err := r.file(flag+"-file", file)
		if err != nil {
			return nil, err
		}
		all = append(all, splitLines(text)...)
	}
	for _, line := range all {
		if line == "" || strings.ContainsAny(line, "\r\n\x00") {
			return nil, usagef("%s is empty, or holds a line break", flag)
		}
	}
	return all, nil
}

func splitLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func (r *secretReader) standardInput(flag string) (string, error) {
	if r.in == nil {
		return "", usagef("%s: standard input is the body here; use %s-file", flag, flag)
	}
	if r.taken != "" {
		return "", usagef("%s: standard input was read for %s already; use %s-file", flag, r.taken, flag)
	}
	r.taken = flag
	return readSecret(r.in, flag+" from standard input")
}

func (r *secretReader) file(flag, path string) (string, error) {
	if path == "-" {
		return r.standardInput(strings.TrimSuffix(flag, "-file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fileError(flag, err)
	}
	defer f.Close()
	return readSecret(f, flag+" "+path)
}

// fileError is wrong use where there is no such file.
func fileError(flag string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("%s: %v", flag, err)
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// readSecret reads a secret whole, without the line end that editors and echo put after it.
func readSecret(r io.Reader, what string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if len(text) > maxSecretFile {
		return "", usagef("%s: more than %d bytes is no secret", what, maxSecretFile)
	}
	line, _ := strings.CutSuffix(string(text), "\n")
	line, _ = strings.CutSuffix(line, "\r")
	return line, nil
}

// password reads a new password of a user: from a file, from the terminal without echo and twice, or else from standard input.
func (a *app) password(ctx context.Context, user string, file *string) (string, error) {
	var text string
	var err error
	switch {
	case file != nil:
		r := secretReader{in: a.in}
		text, _, err = r.line("--password", nil, file)
	case isTerminal(a.in):
		return a.askPassword(ctx, user)
	default:
		text, err = readSecret(a.in, "the password from standard input")
		if err == nil && strings.ContainsAny(text, "\r\n") {
			err = usagef("standard input must hold the password on one line, and nothing else")
		}
	}
	if err == nil {
		err = checkPassword(user, text)
	}
	return text, err
}

func checkPassword(user, text string) error {
	if err := store.ValidatePassword(user, text); err != nil {
		return usagef("%v", err)
	}
	return nil
}

func (a *app) askPassword(ctx context.Context, user string) (string, error) {
	first, err := a.ask(ctx, "New password: ")
	if err == nil {
		err = checkPassword(user, first)
	}
	if err != nil {
		return "", err
	}
	second, err := a.ask(ctx, "Once more: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ; nothing was changed")
	}
	return first, err
}

// ask reads a line from the terminal without showing it. When ctx ends, the terminal shows again what is typed.
func (a *app) ask(ctx context.Context, prompt string) (string, error) {
	// The reading has a descriptor of its own, as it may go on after this returns, when in is closed and its number is
	// another file's.
	fd, err := syscall.Dup(int(a.in.(*os.File).Fd()))
	if err != nil {
		return "", fmt.Errorf("asking for the password: %w", err)
	}
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("asking for the password: %w", errors.Join(err, syscall.Close(fd)))
	}
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	fmt.Fprint(a.errw, prompt)
	defer fmt.Fprintln(a.errw)
	go func() {
		text, err := term.ReadPassword(fd)
		syscall.Close(fd)
		typed <- line{text, err}
	}()
	select {
	case <-ctx.Done(): // the reading goes on until the process ends, which is soon
		term.Restore(fd, state)
		return "", ctx.Err()
	case l := <-typed:
		if l.err != nil {
			return "", fmt.Errorf("reading the password: %w", l.err)
		}
		return string(l.text), nil
	}
}

// parseBasic reads USER:PASSWORD.
func parseBasic(flag, text string) (*verify.BasicAuth, error) {
	user, password, found := strings.Cut(text, ":")
	if !found || user == "" {
		return nil, usagef("%s: write it as USER:PASSWORD", flag)
	}
	return &verify.BasicAuth{User: user, Password: password}, nil
}

// parseHeaders reads pairs of 'Name: value'. The error counts the pairs, and never shows a value.
func parseHeaders(flag string, pairs []string) ([]verify.Header, error) {
	var headers []verify.Header
	for i, pair := range pairs {
		name, value, found := strings.Cut(pair, ":")
		name, value = strings.TrimSpace(name), strings.Trim(value, " \t")
		switch {
		case !found:
			return nil, usagef("%s: number %d has no colon; write it as 'Name: value'", flag, i+1)
		case !httpguts.ValidHeaderFieldName(name):
			return nil, usagef("%s: %q is not a header name; write it as 'Name: value'", flag, name)
		case !httpguts.ValidHeaderFieldValue(value):
			return nil, usagef("%s: the value of %s holds a control character", flag, name)
		}
		headers = append(headers, verify.Header{Name: name, Value: value})
	}
	return headers, nil
}

// credentialFlags are what a callback carries besides its signature (REFERENCE §1, methods 1 and 2).
type credentialFlags struct {
	Basic      *string  `placeholder:"USER:PASSWORD" help:"Basic authentication (method 1 at plenigo); \"-\" reads standard input. Other users of this machine can see a flag."`
	BasicFile  *string  `placeholder:"FILE" help:"The same from a file."`
	Header     []string `sep:"none" placeholder:"'Name: value'" help:"A header pair (method 2 at plenigo), once for each; \"-\" reads standard input, one pair a line. Other users of this machine can see a flag."`
	HeaderFile []string `sep:"none" placeholder:"FILE" help:"The same from a file, one pair a line."`
}

// read returns nil for what was not given.
func (f credentialFlags) read(r *secretReader) (*verify.BasicAuth, []verify.Header, error) {
	text, given, err := r.line("--basic", f.Basic, f.BasicFile)
	if err != nil {
		return nil, nil, err
	}
	var basic *verify.BasicAuth
	if given {
		if basic, err = parseBasic("--basic", text); err != nil {
			return nil, nil, err
		}
	}
	pairs, err := r.lines("--header", f.Header, f.HeaderFile)
	if err != nil {
		return nil, nil, err
	}
	headers, err := parseHeaders("--header", pairs)
	return basic, headers, err
}

// secretFlags are a callback's secret.
type secretFlags struct {
	Secret     *string `placeholder:"S" help:"The callback's secret, as plenigo shows it; \"-\" reads standard input. Other users of this machine can see a flag."`
	SecretFile *string `placeholder:"FILE" help:"The same from a file."`
}

func (f secretFlags) read(r *secretReader) (secret string, given bool, err error) {
	return r.line("--secret", f.Secret, f.SecretFile)
}
