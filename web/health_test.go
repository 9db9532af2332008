package web

import (
	"context"
	"strings"
	"testing"

	"recall/store"
)

func TestHealthPage(t *testing.T) {
	t.Parallel()
	said := Health{Version: "1.2.3", Ready: true, Checks: []HealthCheck{
		{Check: "spool", State: "ok", Detail: "empty"},
		{Check: "key fits", State: "warn", Detail: "one <b>secret</b>", Do: "set it anew"},
		{Check: "database", State: "fail", Detail: "it is away", Do: "let PostgreSQL run"},
	}}
	s := newSite(t, func(o *Options) { o.Health = func(context.Context) Health { return said } })
	s.addUser(t, "vera", store.RoleViewer)
	vera := s.as(t, "vera")
	page := vera.show("/health")
	var order []string
	for _, row := range page.all("tbody tr") {
		order = append(order, row.text())
	}
	text := strings.Join(order, " | ")
	for i, want := range []string{"database Failed it is away What to do: let PostgreSQL run", "key fits To be looked at one <b>secret</b> What to do: set it anew", "spool All well empty"} {
		if i >= len(order) || order[i] != want {
			t.Errorf("row %d of %q, want %q", i, text, want)
		}
	}
	if text := page.text(); !strings.Contains(text, "This instance takes callbacks") || !strings.Contains(text, "1.2.3") {
		t.Errorf("the page says %s", text)
	}
	said.Ready = false
	if text := vera.show("/health").text(); !strings.Contains(text, "This instance cannot take callbacks") {
		t.Errorf("the page says %s", text)
	}
	said.Stopping = true
	if text := vera.show("/health").text(); !strings.Contains(text, "This instance is stopping") {
		t.Errorf("the page says %s", text)
	}
}
