package main

import (
	"context"
	"slices"

	"recall/store"
)

// retention looks whether somebody has said for how long things are kept, and whether it is then done.
func (d *doctor) retention(ctx context.Context, db *store.DB) finding {
	rules, err := db.RetentionRules(ctx)
	if err != nil {
		return fail(again, "%v", err)
	}
	sources, err := db.ListSources(ctx)
	if err != nil {
		return fail(again, "%v", err)
	}
	state, err := db.RetentionState(ctx)
	if err != nil {
		return fail(again, "%v", err)
	}
	const start = "let `recall serve` run with a role that owns the tables (or RECALL_DATABASE_OWNER_URL), or run `recall retention run` once a day; its log says what hinders it"
	removes := slices.ContainsFunc(rules, func(r store.RetentionRule) bool { return r.Days > 0 })
	undecided := rules.Undecided(sources)
	const decide = "agree with your data protection officer for how long, and say it: `recall retention set accepted 400d`, and likewise rejected and audit; where for ever is meant, `recall retention set accepted ever`"
	switch {
	case state.Error != "":
		return warn("see the log of serve for what hinders it, then `recall retention run`", "the last run failed at %s, so that more is kept than the rules say: %s", utc(state.EndedAt), state.Error)
	case removes && state.DoneAt.IsZero():
		return warn(start, "there are rules, and no run has come to its end yet, so that more is kept than they say")
	case removes && state.Late(d.app.now()):
		return warn(start, "no run has come to its end since %s, so that more is kept than the rules say", utc(state.DoneAt))
	case len(rules) == 0:
		return warn(decide, "no rule is set: everything is kept for ever, personal data too")
	case len(undecided) > 0:
		return warn(decide, "kept for ever, since nobody has said for how long: %s", classList(undecided))
	case !removes:
		return ok("everything is kept for ever, as somebody said")
	}
	return ok("by %s; all that was due was removed at %s", counted(len(rules), "rule", "rules"), utc(state.DoneAt))
}
