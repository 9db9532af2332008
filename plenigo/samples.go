package plenigo

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed samples
var samples embed.FS

// Samples returns the example bodies, documented pairs first, then variants, then inferred ones, each by name.
func Samples() []Sample {
	var all []Sample
	for _, kind := range []struct{ dir, name string }{{"samples", "documented"}, {"samples/variants", "variant"}, {"samples/inferred", "inferred"}} {
		files, err := fs.Glob(samples, kind.dir+"/*.json")
		if err != nil {
			panic(err) // the pattern is ours
		}
		for _, file := range files {
			body, err := samples.ReadFile(file)
			if err != nil {
				panic(err) // embedded
			}
			all = append(all, Sample{Name: strings.TrimSuffix(path.Base(file), ".json"), Kind: kind.name, Body: body})
		}
	}
	return all
}
