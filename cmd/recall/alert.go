package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"recall/alert"
	"recall/store"
)

type alertCmd struct {
	List    alertListCmd    `cmd:"" help:"List what somebody should look at, or what was."`
	Ack     alertAckCmd     `cmd:"" help:"Say that somebody is at it: an alert is not repeated any more."`
	Test    alertTestCmd    `cmd:"" help:"Send a test by a channel, or by all, and show what came of it."`
	Channel alertChannelCmd `cmd:"" help:"Manage the ways by which people are told."`
}

type alertListCmd struct {
	Past  bool `help:"Those that are over, the latest first."`
	Limit int  `default:"100" placeholder:"N" help:"At most so many (${default})."`
	JSON  bool `name:"json" help:"Print one JSON object a line."`
}

// alertLine is an alert as it is printed for programs.
type alertLine struct {
	ID             int64      `json:"id"`
	Kind           string     `json:"kind"`
	Subject        string     `json:"subject"`
	Instance       string     `json:"instance,omitempty"`
	Level          int        `json:"level"`
	Title          string     `json:"title"`
	Words          string     `json:"words"`
	Runbook        string     `json:"runbook"`
	OpenedAt       time.Time  `json:"opened_at"`
	ToldAt         *time.Time `json:"told_at"`
	Told           int        `json:"told"`
	ResolvedAt     *time.Time `json:"resolved_at"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
	Note           string     `json:"note,omitempty"`
}

func newAlertLine(a *store.Alert) alertLine {
	return alertLine{
		a.ID, a.Kind, a.Subject, a.Instance, a.Level, alert.Title(a), a.Words, alert.Runbook(a.Kind), a.OpenedAt,
		timeOrNone(a.ToldAt), a.Told, timeOrNone(a.ResolvedAt), a.AcknowledgedBy, timeOrNone(a.AcknowledgedAt), a.Note,
	}
}

func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (c *alertListCmd) Run(ctx context.Context, a *app) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return usagef("--limit must be from 1 to 1000, not %d", c.Limit)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		list, err := db.ListAlerts(ctx, store.AlertQuery{Past: c.Past, Limit: c.Limit})
		if err != nil {
			return err
		}
		rows := [][]string{{"ID", "SINCE", "STATE", "ALERT", "WHAT"}}
		if c.Past {
			rows[0][1] = "FROM"
		}
		for _, one := range list {
			if c.JSON {
				if err := jsonLine(a.out, newAlertLine(one)); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{fmt.Sprint(one.ID), one.OpenedAt.Format("2006-01-02 15:04 UTC"), alertState(one), harmless(alert.Title(one)), harmless(one.Words)})
		}
		switch {
		case c.JSON:
			return nil
		case len(list) == 0:
			_, err := fmt.Fprintln(a.errw, "There is none.")
			return err
		}
		return writeTable(a.out, rows)
	})
}

func alertState(a *store.Alert) string {
	switch {
	case !a.Open():
		return "over " + a.ResolvedAt.Format("2006-01-02 15:04 UTC")
	case !a.AcknowledgedAt.IsZero():
		return "acknowledged by " + harmless(a.AcknowledgedBy)
	case a.Told == 0:
		return "not told yet"
	}
	return "told " + counted(a.Told, "time", "times")
}

type alertAckCmd struct {
	ID   int64  `arg:"" help:"The alert's id, as recall alert list shows it."`
	Note string `placeholder:"TEXT" help:"What is known or being done, for the page and the audit list."`
}

func (alertAckCmd) Help() string {
	return `That it became worse, or is over, is told all the same.

Example:

    recall alert ack 12 --note "the shop is being moved; nothing comes until noon"`
}

func (c *alertAckCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		err := db.AcknowledgeAlert(ctx, c.ID, actor(), c.Note)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no alert %d", c.ID)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "Alert %d is acknowledged: it is not repeated.\n", c.ID)
		return err
	})
}

type alertTestCmd struct {
	Name string `arg:"" optional:"" help:"The channel's name; all that are not paused where it is left out."`
}

func (alertTestCmd) Help() string {
	return `It is sent from here, by the settings of this command (RECALL_EGRESS_ALLOW, RECALL_EGRESS_PROXY, RECALL_ADMIN_URL). Exit status 1 where
one did not arrive.`
}

func (c *alertTestCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		channels, err := db.ListAlertChannels(ctx)
		if err != nil {
			return err
		}
		var chosen []*store.AlertChannel
		for _, one := range channels {
			if one.Name == c.Name || c.Name == "" && !one.Paused {
				chosen = append(chosen, one)
			}
		}
		if len(chosen) == 0 {
			return missingChannel(c.Name, channels)
		}
		teller := alert.New(a.alerts(a.cfg.AdminURL))
		failed := false
		for _, one := range chosen {
			said := "arrived"
			err := teller.Test(ctx, one)
			if err != nil {
				failed, said = true, err.Error()
			}
			note := store.AuditEntry{Actor: actor()}
			if err := db.NoteAlertTest(ctx, one, errorText(err), note); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: %s\n", one.Name, harmless(said))
		}
		if failed {
			return errSaid
		}
		return nil
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func missingChannel(name string, channels []*store.AlertChannel) error {
	var names []string
	for _, one := range channels {
		names = append(names, one.Name)
	}
	if name == "" {
		return errors.New("there is no channel: add one with recall alert channel add")
	}
	return missing(store.ErrNotFound, "channel", name, names)
}

// channelKinds reads which alerts go to a channel.
func channelKinds(text string) ([]string, error) {
	kinds := []string{}
	for _, word := range split(text) {
		if word == "all" {
			return nil, nil
		}
		if !alert.Known(word) {
			var known []string
			for _, k := range alert.Kinds {
				known = append(known, string(k.Kind))
			}
			return nil, usagef("--alerts: %.40q is no kind of alert; there are %s, and all", word, strings.Join(known, ", "))
		}
		kinds = append(kinds, word)
	}
	return kinds, nil
}

// channelLine is a channel as it is printed for programs, without anything secret.
type channelLine struct {
	Name         string          `json:"name"`
	Kind         string          `json:"kind"`
	Settings     json.RawMessage `json:"settings"`
	Alerts       []string        `json:"alerts"` // none: all
	Paused       bool            `json:"paused"`
	SentAt       *time.Time      `json:"sent_at"`
	FailingSince *time.Time      `json:"failing_since"`
	Error        string          `json:"error,omitempty"`
}
