package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints what a shell needs to complete commands and flags. It is made from the commands themselves.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish. For bash: source <(recall completion bash)."`
}

func (c *completionCmd) Run(a *app, model *kong.Application) error {
	switch c.Shell {
	case "fish":
		writeFish(a.out, completions(model.Node))
	case "zsh":
		fmt.Fprintln(a.out, "autoload -U +X bashcompinit && bashcompinit")
		fallthrough
	default:
		writeBash(a.out, completions(model.Node))
	}
	return nil
}

// completion is what may follow a command: its sub-commands, or what else its first argument may be, and its flags.
type completion struct {
	path         string // recall source add
	words, flags []completionWord
}

type completionWord struct{ text, help string }

// completions are those of a command and of all below it.
func completions(n *kong.Node) []completion {
	c := completion{path: commandPath(n)}
	for _, p := range n.Positional {
		for _, value := range p.EnumSlice() {
			if value != "" {
				c.words = append(c.words, completionWord{value, ""})
			}
		}
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			c.flags = append(c.flags, completionWord{"--" + f.Name, f.Help})
		}
	}
	var below []completion
	for _, child := range n.Children {
		if !child.Hidden {
			c.words = append(c.words, completionWord{child.Name, child.Help})
			below = append(below, completions(child)...)
		}
	}
	return append([]completion{c}, below...)
}

// commandPath is a command as it is written, without arguments and flags.
func commandPath(n *kong.Node) string {
	if n.Parent == nil {
		return n.Name
	}
	return commandPath(n.Parent) + " " + n.Name
}

func texts(words []completionWord) string {
	var all []string
	for _, w := range words {
		all = append(all, w.text)
	}
	return strings.Join(all, " ")
}

// writeBash: the words before the cursor name the command as far as they are sub-commands of one another.
func writeBash(w io.Writer, all []completion) {
	fmt.Fprint(w, `_recall() {
	local current=${COMP_WORDS[COMP_CWORD]} path=recall words=() flags=() word
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case "$path $word" in
`)
	var paths []string
	for _, c := range all[1:] {
		paths = append(paths, `"`+c.path+`"`)
	}
	fmt.Fprintf(w, "\t\t%s) path=\"$path $word\" ;;\n\t\tesac\n\tdone\n\tcase $path in\n", strings.Join(paths, "|"))
	for _, c := range all {
		fmt.Fprintf(w, "\t%q) words=(%s) flags=(%s) ;;\n", c.path, texts(c.words), texts(c.flags))
	}
	fmt.Fprint(w, `	esac
	case $current in
	-*) words=("${flags[@]}") ;;
	esac
	COMPREPLY=($(compgen -W "${words[*]}" -- "$current"))
}
complete -o bashdefault -o default -F _recall recall
`)
}

func writeFish(w io.Writer, all []completion) {
	fmt.Fprint(w, `function __recall_path
	set -l path recall
	for word in (commandline -opc)[2..]
		switch "$path $word"
`)
	var paths []string
	for _, c := range all[1:] {
		paths = append(paths, "'"+c.path+"'")
	}
	fmt.Fprintf(w, "\t\t\tcase %s\n\t\t\t\tset path \"$path $word\"\n\t\tend\n\tend\n\techo $path\nend\n", strings.Join(paths, " "))
	for _, c := range all {
		at := fmt.Sprintf("complete -c recall -n 'test (__recall_path) = \"%s\"'", c.path)
		for _, word := range c.words {
			fmt.Fprintf(w, "%s -f -a %s -d %s\n", at, word.text, fishQuote(word.help))
		}
		for _, f := range c.flags {
			fmt.Fprintf(w, "%s -l %s -d %s\n", at, strings.TrimPrefix(f.text, "--"), fishQuote(f.help))
		}
	}
}

func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
