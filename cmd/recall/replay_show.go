package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"recall/store"
)

// writePlan says what is on the list, and what is not.
func writePlan(a *app, r *store.Replay) error {
	rows := [][]string{
		{"Replay", fmt.Sprint(r.ID)},
		{"State", replayState(r)},
		{"Events", or(harmless(r.Filter), "all") + ", received until " + utc(r.Until)},
		{"Destination", harmless(r.Destination)},
		{"Which", replayWhich(r)},
		{"Found", fmt.Sprint(r.Looked)},
		{"To be sent", fmt.Sprint(r.Events)},
	}
	for _, kind := range first(store.Sorted(r.Counts.Types), 8) {
		rows = append(rows, []string{"", fmt.Sprintf("%d %s", r.Counts.Types[kind], harmless(kind))})
	}
	if n := len(r.Counts.Types); n > 8 {
		rows = append(rows, []string{"", fmt.Sprintf("and of %d other types", n-8)})
	}
	for i, why := range store.Sorted(r.Counts.LeftOut) {
		name := ""
		if i == 0 {
			name = "Left out"
		}
		rows = append(rows, []string{name, fmt.Sprintf("%d %s", r.Counts.LeftOut[why], store.LeftInWords(why))})
	}
	if r.State == store.ReplayPlanned && r.Events > 0 {
		rows = append(rows, []string{"Takes", fmt.Sprintf("about %s at %g a second, reached by and by; %d first", r.Left(a.now()), r.Rate, min(int64(r.Canary), r.Events))})
	}
	if r.Reason != "" {
		rows = append(rows, []string{"Reason", harmless(r.Reason)})
	}
	return writeTable(a.out, rows)
}

func first(list []string, n int) []string { return list[:min(n, len(list))] }

func replayWhich(r *store.Replay) string {
	text := "all, in the order of arrival"
	if r.Latest {
		text = "the newest state of each entity"
	}
	if r.Again {
		return text + "; also what was delivered before"
	}
	return text + "; what was not delivered yet"
}

func replayState(r *store.Replay) string {
	if r.Why != "" {
		return string(r.State) + ": " + harmless(r.Why)
	}
	return string(r.State)
}

// writeProgress says what has become of the list.
func writeProgress(a *app, r *store.Replay) error {
	if r.StartedAt == nil {
		return nil
	}
	text := fmt.Sprintf("\nReplay %d is %s. Of %d: %d delivered", r.ID, replayState(r), r.Events, r.Succeeded)
	for _, part := range []struct {
		n    int64
		what string
	}{{r.UnderWay(), "on their way"}, {r.Retrying, "failed at first, and are tried again"}, {r.Failed, "given up"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	for _, why := range store.Sorted(r.Skipped) {
		text += fmt.Sprintf(", %d not sent: %s", r.Skipped[why], store.LeftInWords(why))
	}
	_, err := fmt.Fprintln(a.out, text+".")
	return err
}

func writeReplays(w io.Writer, list []*store.Replay) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There is no replay.")
		return err
	}
	rows := [][]string{{"NUMBER", "STATE", "DESTINATION", "EVENTS", "DELIVERED", "FAILING", "BY", "PLANNED", "FILTER"}}
	for _, r := range list {
		rows = append(rows, []string{
			fmt.Sprint(r.ID), string(r.State), harmless(r.Destination), fmt.Sprint(r.Events), fmt.Sprint(r.Succeeded), fmt.Sprint(r.Retrying + r.Failed),
			harmless(r.RequestedBy), utc(r.CreatedAt), cut(or(harmless(r.Filter), "all"), 60),
		})
	}
	return writeTable(w, rows)
}

// followReplay waits until a replay is in none of some states any more. A terminal shows how far it is.
func (a *app) followReplay(ctx context.Context, db *store.DB, id int64, states ...store.ReplayState) (*store.Replay, error) {
	shows := isTerminal(a.errw)
	for {
		r, err := db.FindReplay(ctx, id)
		if err != nil {
			return nil, err
		}
		if shows {
			fmt.Fprintf(a.errw, "\r%-78s", replayBar(r, a.now()))
		}
		if !slices.Contains(states, r.State) {
			if shows {
				fmt.Fprintf(a.errw, "\r%78s\r", "")
			}
			return r, nil
		}
		if !every(ctx, followEvery) {
			return nil, ctx.Err()
		}
	}
}

// replayBar is one line of how far a replay is, at most 78 columns wide.
func replayBar(r *store.Replay, now time.Time) string {
	if r.State == store.ReplayPlanning {
		return fmt.Sprintf("planning: %d found, %d on the list", r.Looked, r.Events)
	}
	const width = 20
	done := 0
	if r.Events > 0 {
		done = int(width * r.Passed() / r.Events)
	}
	text := fmt.Sprintf("[%s%s] %d of %d", strings.Repeat("#", done), strings.Repeat(".", width-done), r.Passed(), r.Events)
	switch {
	case r.State == store.ReplayCanary:
		text += "  the first few"
	case r.Why != "":
		text += "  " + r.Why
	default:
		rate := cmp.Or(r.RateOfLate(), r.RateAt(now)) // what was measured, once it was
		text += fmt.Sprintf("  %g/s  %s left", math.Round(rate*10)/10, r.Left(now))
	}
	if failing := r.Retrying + r.Failed; failing > 0 {
		text += fmt.Sprintf("  %d failing", failing)
	}
	return cut(harmless(text), 78)
}
