package main

import "testing"

// TestSearchCommands: the index is looked at and made anew by command; the audit list says by whom.
func TestSearchCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "search", "status").want(t, 0, "0 events in 0 segments; it is about to be made from the events.")
	index := func() {
		t.Helper()
		if err := h.db.IndexEvents(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	index()
	h.run("", "search", "status").want(t, 0, "up to date as of ")
	h.run("", "search", "status", "--json").want(t, 0, `"building":false`, `"built_to":null`, `"indexed_at":"`)
	h.run("", "search", "reindex", "--reason", "case 7").want(t, 0, "made anew")
	if got := h.audited("search index"); got != "search.reindex" {
		t.Errorf("noted: %q", got)
	}
	h.run("", "search", "status").want(t, 0, "it is about to be made")
	index()
	h.run("", "search", "status").want(t, 0, "up to date as of ")
}
