package main

import (
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestSettingsReference: docs/settings.md is what the program prints.
func TestSettingsReference(t *testing.T) {
	got := command(t, "", "settings")
	got.want(t, 0)
	kept, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != got.out {
		t.Error("docs/settings.md is not current: run make generate")
	}
}

// TestFlagsAreNamedAsVariables: --max-body is RECALL_MAX_BODY, so that who knows one knows both.
func TestFlagsAreNamedAsVariables(t *testing.T) {
	parser := parse(t, &cli{}, "serve")
	n := 0
	kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if f, is := node.(*kong.Flag); is && len(f.Envs) > 0 {
			n++
			if want := "RECALL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")); f.Envs[0] != want {
				t.Errorf("--%s is %s, want %s", f.Name, f.Envs[0], want)
			}
		}
		return next(nil)
	})
	if n < 50 {
		t.Errorf("%d settings were found", n)
	}
}
