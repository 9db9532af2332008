package main

import (
	"context"
	"fmt"
	"strings"

	"recall/store"
)

// alertChannels looks whether people can be told of alerts.
func alertChannels(ctx context.Context, db *store.DB) finding {
	channels, err := db.ListAlertChannels(ctx)
	if err != nil {
		return fail(again, "%v", err)
	}
	var failing []string
	for _, c := range channels {
		switch {
		case c.Unreadable:
			failing = append(failing, c.Name+": what is secret of it cannot be opened with this program's key")
		case !c.Paused && !c.FailingSince.IsZero():
			failing = append(failing, fmt.Sprintf("%s since %s: %s", c.Name, utc(c.FailingSince), c.Error))
		}
	}
	switch {
	case len(channels) == 0:
		return ok("nobody is told of any: there is no channel (`recall alert channel add`)")
	case len(failing) > 0:
		return warn("mend the channel on the page Alerts, or by `recall alert channel set`, and try it by `recall alert test`", "people are not told by %s", strings.Join(failing, "; "))
	}
	return ok("told by %s", counted(len(channels), "channel", "channels"))
}
