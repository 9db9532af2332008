package verify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Every comparison with a secret takes the same way, whatever the length of what was sent: digests are compared by
// hmac.Equal and have one length (parse refuses others), everything else as sums, whose length is part of their type.
// This test reads the room's source: hmac.Equal is called in three places, and what stops at a first difference is not
// called on anything that may be secret.
func TestComparisonsAreConstantTime(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{ // function and what it calls
		"anyEqual hmac.Equal": true, // digests of one length
		"fits hmac.Equal":     true, // the beginnings of digests
		"equal hmac.Equal":    true, // sums

		"checkBasic strings.EqualFold": true, // the word Basic
		"readBasic strings.EqualFold":  true, // the word Basic
		"loose strings.EqualFold":      true, // names of elements
		"authHeader strings.EqualFold": true, // names of headers
		"make bytes.Equal":             true, // body against body
		"reorder bytes.Equal":          true, // body against body
	}
	stops := map[string]bool{
		"hmac.Equal": true, "subtle.ConstantTimeCompare": true, "bytes.Equal": true, "bytes.EqualFold": true, "bytes.Compare": true,
		"strings.EqualFold": true, "strings.Compare": true, "slices.Equal": true, "slices.Compare": true, "reflect.DeepEqual": true,
		"cmp.Compare": true, "maps.Equal": true,
	}
	secret := map[string]bool{"Key": true, "Password": true, "Value": true, "User": true, "s": true, "key": true, "basic": true}
	used := map[string]bool{}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					call := selector(n)
					if !stops[call] || f.Name.Name == "members" || f.Name.Name == "value" && call == "strings.Compare" { // keys of JSON
						return true
					}
					used[f.Name.Name+" "+call] = true
					if !allowed[f.Name.Name+" "+call] {
						t.Errorf("%s: %s calls %s", set.Position(n.Pos()), f.Name.Name, call)
					}
				case *ast.BinaryExpr:
					if n.Op != token.EQL && n.Op != token.NEQ {
						return true
					}
					for _, side := range []ast.Expr{n.X, n.Y} {
						if s, ok := side.(*ast.SelectorExpr); ok && secret[s.Sel.Name] && !constant(n.X) && !constant(n.Y) && !ours[set.Position(n.Pos()).Filename+" "+f.Name.Name] {
							t.Errorf("%s: %s compares %s with %s", set.Position(n.Pos()), f.Name.Name, selector(s), n.Op)
						}
					}
				}
				return true
			})
		}
	}
	for place := range allowed {
		if !used[place] {
			t.Errorf("%s is allowed and not there", place)
		}
	}
}

// ours are comparisons of our own settings with our own settings.
var ours = map[string]bool{"try_secret.go spelledKeys": true}

func selector(s *ast.SelectorExpr) string {
	if x, ok := s.X.(*ast.Ident); ok {
		return x.Name + "." + s.Sel.Name
	}
	return "…." + s.Sel.Name
}

func constant(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return x.Name == "nil"
	}
	return false
}

// A digest of the wrong length never reaches a comparison; anything else of the wrong length has the same status as what
// is wrong at its own length.
func TestWrongLengthsTakeTheSamePath(t *testing.T) {
	c := genuine()
	p, err := NewPolicy(c.settings)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"empty": "", "one byte": "x", "shorter": tokenValue[:len(tokenValue)-1], "wrong": strings.Repeat("x", len(tokenValue)), "longer": tokenValue + "x", "long": strings.Repeat(tokenValue, 1000),
	} {
		c := genuine()
		c.basic("Shop:" + value)
		c.header.Set("X-Token", value)
		r := p.Check(c.header, c.body, c.at)
		if r.Basic != Mismatch || r.Header != Mismatch {
			t.Errorf("%s: %s %s", name, r.Basic, r.Header)
		}
	}
	digits := strings.TrimPrefix(Sign(secret, signedAt, []byte(sent)), "t="+unixText+",s=")
	for n := range 2*len(digits) + 1 {
		sig, err := plenigo.read(http.Header{HeaderSignature: {"t=" + unixText + ",s=" + (digits + digits)[:n]}})
		if (err == nil) != (n == len(digits)) {
			t.Errorf("%d digits: %v", n, err)
		}
		for _, s := range sig.s {
			if len(s) != plenigo.size {
				t.Errorf("%d digits: a digest of %d bytes", n, len(s))
			}
		}
	}
}
