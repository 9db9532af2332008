package main

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// settingsCmd prints docs/settings.md, made from the settings themselves; `make generate` keeps it, and a test compares.
type settingsCmd struct{}

func (settingsCmd) Run(a *app, model *kong.Application) error {
	writeSettings(a.out, model)
	return nil
}

const settingsHead = `# Settings

This page is made from the program by ` + "`make generate`" + `: change the settings in ` + "`cmd/recall/settings.go`" + `, not here.

Each setting is a variable, and a flag of the same name; the flag wins. Variables are read from the environment: with systemd
from ` + "`/etc/recall.env`" + `, see [deploy.md](deploy.md). A variable set to nothing is not set. All are checked at the start, and
every wrong one is named in one message, with what is right; one that looks like a setting and is none is named in the log,
with the nearest that there is.

Secrets belong into the variable, or better into the file that the ` + "`…_FILE`" + ` variable names: a flag can be seen by others on the
machine. Only one of the two may be set. Times are written as ` + "`90s`, `15m`, `72h`" + `, sizes in bytes or as ` + "`512KiB`, `1MiB`" + `, lists with
commas between.

What is not here is kept in the database and set on pages or by commands, without a restart: sources, destinations, masking,
retention, users, alert channels. Traces are switched on by the standard variables of OpenTelemetry ([operations.md](operations.md#traces)). The few settings that everybody looks at are in the [README](../README.md#settings).
`

func writeSettings(w io.Writer, model *kong.Application) {
	fmt.Fprint(w, settingsHead)
	takes := whatSettingsTake()
	also := map[string][]string{} // variable → commands other than serve that have it as a flag of their own
	var serve *kong.Node
	_ = kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		if command, is := node.(*kong.Node); is && command.Name == "serve" {
			serve = command
			return nil
		}
		if command, is := node.(*kong.Node); is && command.Type == kong.CommandNode {
			for _, f := range command.Flags {
				for _, variable := range f.Envs {
					also[variable] = append(also[variable], "`"+commandPath(command)+"`")
				}
			}
		}
		return next(nil)
	})
	title := ""
	for _, f := range slices.Concat(model.Flags, serve.Flags) {
		if len(f.Envs) == 0 {
			continue
		}
		if f.Group.Title != title {
			title = f.Group.Title
			heading := strings.TrimPrefix(title, "Settings: ")
			fmt.Fprintf(w, "\n## %s\n\n", strings.ToUpper(heading[:1])+heading[1:])
			if f.Group.Title != settingsOfAll {
				fmt.Fprint(w, "Of `recall serve`.\n\n")
			}
			fmt.Fprint(w, "| variable | flag | default | it takes | |\n| --- | --- | --- | --- | --- |\n")
		}
		variable, help := f.Envs[0], f.Help
		if len(also[variable]) > 0 {
			help += " Also of " + strings.Join(also[variable], ", ") + "."
		}
		fmt.Fprintf(w, "| `%s` | `--%s` | %s | %s | %s |\n", variable, f.Name, code(f.Default), takes[variable], strings.ReplaceAll(help, "|", `\|`))
	}
}

// code sets a text as code, and nothing as nothing.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// saysWhatIsRight finds, in what is said of a wrong setting, what a right one is.
var saysWhatIsRight = regexp.MustCompile(`(RECALL_[A-Z_]+): "\?" must be (?:an? )?([^,\n]*)`)

// whatSettingsTake asks newConfig what it says of a wrong value of each setting, so that the bounds of this page are those
// that are checked.
func whatSettingsTake() map[string]string {
	var common commonSettings
	var serve serveSettings
	fill(reflect.ValueOf(&common).Elem())
	fill(reflect.ValueOf(&serve).Elem())
	_, err := newConfig(common, serve)
	takes := map[string]string{}
	for _, said := range saysWhatIsRight.FindAllStringSubmatch(fmt.Sprint(err), -1) {
		takes[said[1]] = said[2]
	}
	return takes
}

// fill sets every text of a struct, and of those in it, to one that no setting takes.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Struct {
			fill(f)
		} else {
			f.SetString("?")
		}
	}
}
