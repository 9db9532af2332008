package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// manCmd prints the manual page, made from the commands themselves: recall man > recall.1, or recall man | man -l -.
type manCmd struct{}

func (manCmd) Run(a *app, model *kong.Application) error {
	m := manual{a.out}
	m.line(`.TH RECALL 1 "" "%s" "Recall"`, roff(version()))
	m.line(".SH NAME\nrecall \\- %s", roff("receive, keep, show and send again plenigo callbacks"))
	m.line(".SH SYNOPSIS\n.B recall\n.I command\n[flags]")
	m.line(".SH DESCRIPTION\n%s", roff(model.Help))
	m.line(".PP\n%s", roff("Every flag that names a variable can be set by it as well. Exit status: 0 done, 1 failed, 2 wrong use."))
	m.line(".SH COMMANDS")
	m.commands(model.Node)
	m.line(".SH SETTINGS OF EVERY COMMAND")
	for _, f := range model.Flags {
		m.flag(f)
	}
	return nil
}

type manual struct{ w io.Writer }

func (m manual) line(format string, args ...any) { fmt.Fprintf(m.w, format+"\n", args...) }

func (m manual) commands(n *kong.Node) {
	for _, child := range n.Children {
		if child.Hidden {
			continue
		}
		if len(child.Children) > 0 {
			m.commands(child)
			continue
		}
		m.line(".SS %q", roff(strings.TrimPrefix(child.FullPath(), "recall ")+arguments(child)))
		m.line("%s", roff(child.Help))
		for _, p := range child.Positional {
			m.line(".TP\n.I %s\n%s", roff(p.Summary()), roff(p.Help))
		}
		for _, f := range child.Flags {
			m.flag(f)
		}
	}
}

func arguments(n *kong.Node) string {
	var b strings.Builder
	for _, p := range n.Positional {
		b.WriteString(" " + p.Summary())
	}
	return b.String()
}

func (m manual) flag(f *kong.Flag) {
	if f.Hidden || f.Name == "help" {
		return
	}
	name := "--" + f.Name
	if !f.IsBool() {
		name += "=" + strings.Trim(f.FormatPlaceHolder(), `"`)
	}
	help := f.Help
	if len(f.Envs) > 0 {
		help += " ($" + strings.Join(f.Envs, ", $") + ")"
	}
	m.line(".TP\n.B %s\n%s", roff(name), roff(help))
}

// roff escapes a text so that it stands for itself.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
