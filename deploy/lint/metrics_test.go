package lint

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// metric names that are ours.
var ours = regexp.MustCompile(`\brecall_[a-z_]+`)

// known tells whether docs/operations.md has a metric, which a test of the program compares with what it exports.
func known(t *testing.T, name string) bool {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.Contains(string(read(t, "../docs/operations.md")), "`"+name+"`")
}

func TestAlertRules(t *testing.T) {
	groups, errs := rulefmt.Parse(read(t, "prometheus/recall.rules.yml"), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		return
	}
	runbook := string(read(t, "../docs/runbook.md"))
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if !strings.Contains(runbook, "\n## "+rule.Alert+"\n") {
				t.Errorf("docs/runbook.md has no section %s", rule.Alert)
			}
			if want := "docs/runbook.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
				t.Errorf("%s names the runbook %s, want %s", rule.Alert, rule.Annotations["runbook_url"], want)
			}
			if s := rule.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s has the severity %q", rule.Alert, s)
			}
			for _, name := range ours.FindAllString(rule.Expr, -1) {
				if !known(t, name) {
					t.Errorf("%s asks for %s, which there is not", rule.Alert, name)
				}
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	var dashboard struct {
		UID    string
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "grafana/recall.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	p := parser.NewParser(parser.Options{})
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.GridPos.W == 0 || panel.GridPos.X+panel.GridPos.W > 24 || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("the panel %q has no id, place or query of its own", panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			if _, err := p.ParseExpr(strings.ReplaceAll(target.Expr, "$instance", ".*")); err != nil {
				t.Errorf("%s: %v", panel.Title, err)
			}
			for _, name := range ours.FindAllString(target.Expr, -1) {
				if !known(t, name) {
					t.Errorf("%s asks for %s, which there is not", panel.Title, name)
				}
			}
		}
	}
	if len(ids) < 20 {
		t.Errorf("only %d panels", len(ids))
	}
}
