package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"
)

// app is what every command is given.
type app struct {
	cfg       config
	log       *slog.Logger
	in        io.Reader
	out, errw io.Writer
	now       func() time.Time
}

// usageError says that the command was used wrongly: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// errSaid is returned by a command that failed and has said so itself: exit status 1, and nothing more is printed.
var errSaid = errors.New("said already")

func newApp(cfg config, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{cfg: cfg, log: newLog(cfg, stderr), in: stdin, out: stdout, errw: stderr, now: time.Now}
}

// newLog writes text to a terminal and JSON to anything else, unless told otherwise.
func newLog(cfg config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "text" || cfg.LogFormat == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
