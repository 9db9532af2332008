package main

import (
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// applyDefaults: a setting that is set to nothing, as compose files do, is not set. It returns every variable there is.
func applyDefaults(parser *kong.Kong) (known []string) {
	kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Envs) > 0 {
			known = append(known, flag.Envs...)
			if flag.Target.Kind() == reflect.String && flag.Target.String() == "" {
				flag.Target.SetString(flag.Default)
			}
		}
		return next(nil)
	})
	return known
}

// warnUnknown names variables that look like settings and are none, which is how a misspelt one is noticed.
func (a *app) warnUnknown(known []string) {
	is := map[string]bool{}
	for _, name := range known {
		is[name] = true
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "RECALL_") && !is[name] {
			a.log.Warn("unknown setting", "variable", name, "nearest", nearest(name, known))
		}
	}
}

// nearest is the known name that the fewest changed letters lead to.
func nearest(name string, known []string) string {
	best, least := "", len(name)+1
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
