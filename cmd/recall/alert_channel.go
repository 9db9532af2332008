package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"recall/store"
)

type alertChannelCmd struct {
	List   alertChannelListCmd   `cmd:"" help:"List the channels."`
	Add    alertChannelAddCmd    `cmd:"" help:"Add a channel."`
	Set    alertChannelSetCmd    `cmd:"" help:"Change a channel."`
	Remove alertChannelRemoveCmd `cmd:"" help:"Remove a channel, with what it has not sent."`
}

// channelFlags are a channel's settings; nil is not given.
type channelFlags struct {
	Mail         *string  `placeholder:"HOST[:PORT]" help:"Send mail by this server."`
	Security     *string  `placeholder:"starttls" help:"starttls (port 587 unless told otherwise), tls (465), or none (25)."`
	User         *string  `placeholder:"NAME" help:"Log in to the mail server as."`
	Password     *string  `placeholder:"P" help:"The password; \"-\" reads standard input. Other users of this machine can see a flag."`
	PasswordFile *string  `placeholder:"FILE" help:"The same from a file."`
	From         *string  `placeholder:"ADDRESS" help:"Sender of the mails."`
	To           []string `placeholder:"ADDRESS" help:"A recipient, once for each, or with commas between."`
	Webhook      *string  `placeholder:"URL" help:"Post to this URL; \"-\" reads standard input. Who knows the URL of a Slack channel may write there, and other users of this machine can see a flag."`
	WebhookFile  *string  `placeholder:"FILE" help:"The same from a file."`
	Format       *string  `placeholder:"json" help:"json: a text, and the same as data. slack: a text alone, for Slack, Mattermost, Rocket.Chat and others."`
	Header       *string  `sep:"none" placeholder:"'Name: value'" help:"A header to send along, such as Authorization; \"-\" reads standard input. Other users of this machine can see a flag."`
	HeaderFile   *string  `placeholder:"FILE" help:"The same from a file."`
	Alerts       *string  `placeholder:"KINDS" help:"Only these kinds of alerts, with commas between; all for every one."`
	Paused       *bool    `negatable:"" help:"Send nothing for now."`
}

// apply makes a channel as the flags say, as far as they say anything.
func (f *channelFlags) apply(a *app, c *store.AlertChannel) error {
	r := secretReader{in: a.in}
	password, givenPassword, err := r.line("--password", f.Password, f.PasswordFile)
	if err != nil {
		return err
	}
	url, givenURL, err := r.line("--webhook", f.Webhook, f.WebhookFile)
	if err != nil {
		return err
	}
	header, givenHeader, err := r.line("--header", f.Header, f.HeaderFile)
	if err != nil {
		return err
	}
	mail := f.Mail != nil || f.Security != nil || f.User != nil || givenPassword || f.From != nil || len(f.To) > 0
	hook := givenURL || f.Format != nil || givenHeader
	switch {
	case mail && hook:
		return usagef("a channel sends mail or posts to a webhook: give the flags of one of them")
	case mail && c.Kind == store.ChannelWebhook, hook && c.Kind == store.ChannelMail:
		return usagef("the channel %s is of the kind %s; remove it, and add another", c.Name, c.Kind)
	case mail:
		c.Kind = store.ChannelMail
	case hook:
		c.Kind = store.ChannelWebhook
	case c.Kind == "":
		return usagef("say where to: --mail with --from and --to, or --webhook")
	}
	if f.Mail != nil {
		c.Mail.Host, c.Mail.Port = *f.Mail, 0
		if host, port, err := net.SplitHostPort(*f.Mail); err == nil {
			n, err := strconv.Atoi(port)
			if err != nil || n < 1 {
				return usagef("--mail: %.20q is no port", port)
			}
			c.Mail.Host, c.Mail.Port = host, n
		}
	}
	set(&c.Mail.Security, f.Security)
	set(&c.Mail.User, f.User)
	set(&c.Mail.From, f.From)
	if givenPassword {
		c.Mail.Password = password
	}
	if c.Mail.User == "" && !givenPassword {
		c.Mail.Password = ""
	}
	if len(f.To) > 0 {
		c.Mail.To = f.To
	}
	if givenURL {
		c.Webhook.URL = url
	}
	set(&c.Webhook.Format, f.Format)
	if givenHeader {
		headers, err := parseHeaders("--header", []string{header})
		if err != nil {
			return err
		}
		c.Webhook.HeaderName, c.Webhook.HeaderValue = headers[0].Name, headers[0].Value
	}
	if f.Alerts != nil {
		if c.Kinds, err = channelKinds(*f.Alerts); err != nil {
			return err
		}
	}
	set(&c.Paused, f.Paused)
	if err := c.Validate(); err != nil {
		return usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

type alertChannelAddCmd struct {
	Name string `required:"" placeholder:"NAME" help:"Name of the channel: lower-case letters, digits and hyphens."`
	channelFlags
}

func (alertChannelAddCmd) Help() string {
	return `Examples:

    recall alert channel add --name ops --mail smtp.example.org --user recall --password-file password --from recall@example.org --to ops@example.org
    recall alert channel add --name slack --webhook-file url --format slack
    recall alert channel add --name pager --webhook-file url --header-file authorization --alerts database_away,switch_off_near,silence`
}

func (c *alertChannelAddCmd) Run(ctx context.Context, a *app) error {
	channel := &store.AlertChannel{Name: c.Name}
	if err := c.apply(a, channel); err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.SaveAlertChannel(ctx, channel, store.AuditEntry{Actor: actor()}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "The channel %s was added. Try it: %s alert test %s\n", c.Name, program(), c.Name)
		return err
	})
}

type alertChannelSetCmd struct {
	Name string `arg:"" help:"The channel's name."`
	channelFlags
	NoHeader bool `name:"no-header" help:"Send no header along any more."`
}

func (c *alertChannelSetCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		channel, err := db.FindAlertChannel(ctx, c.Name)
		if errors.Is(err, store.ErrNotFound) {
			channels, listErr := db.ListAlertChannels(ctx)
			return errors.Join(listErr, missingChannel(c.Name, channels))
		}
		if err != nil {
			return err
		}
		if c.NoHeader {
			channel.Webhook.HeaderName, channel.Webhook.HeaderValue = "", ""
		}
		channel.Unreadable = false // what is secret is given anew, or Validate asks for it
		if err := c.apply(a, channel); err != nil {
			return err
		}
		if err := db.SaveAlertChannel(ctx, channel, store.AuditEntry{Actor: actor()}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The channel %s was changed.\n", c.Name)
		return err
	})
}

type alertChannelRemoveCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

func (c *alertChannelRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		err := db.RemoveAlertChannel(ctx, c.Name, store.AuditEntry{Actor: actor()})
		if errors.Is(err, store.ErrNotFound) {
			channels, listErr := db.ListAlertChannels(ctx)
			return errors.Join(listErr, missingChannel(c.Name, channels))
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The channel %s was removed.\n", c.Name)
		return err
	})
}

type alertChannelListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

func (c *alertChannelListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		channels, err := db.ListAlertChannels(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "WHERE TO", "ALERTS", "STATE"}}
		for _, one := range channels {
			if c.JSON {
				settings, err := json.Marshal(map[string]any{store.ChannelMail: one.Mail, store.ChannelWebhook: one.Webhook}[one.Kind])
				if err != nil {
					return err
				}
				line := channelLine{one.Name, one.Kind, settings, append([]string{}, one.Kinds...), one.Paused, timeOrNone(one.SentAt), timeOrNone(one.FailingSince), one.Error}
				if err := jsonLine(a.out, line); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{one.Name, harmless(channelWords(one)), or(strings.Join(one.Kinds, ","), "all"), channelState(one)})
		}
		switch {
		case c.JSON:
			return nil
		case len(channels) == 0:
			_, err := fmt.Fprintf(a.errw, "There is no channel, so nobody is told. Add one with %s alert channel add.\n", program())
			return err
		}
		return writeTable(a.out, rows)
	})
}

// channelWords says where a channel leads to.
func channelWords(c *store.AlertChannel) string {
	if c.Kind == store.ChannelMail {
		return fmt.Sprintf("mail to %s by %s:%d (%s)", strings.Join(c.Mail.To, ", "), c.Mail.Host, c.Mail.Port, c.Mail.Security)
	}
	return fmt.Sprintf("webhook %s (%s)", c.Webhook.Shown, c.Webhook.Format)
}

func channelState(c *store.AlertChannel) string {
	switch {
	case c.Unreadable:
		return "its secrets cannot be opened with this program's key"
	case c.Paused:
		return "paused"
	case !c.FailingSince.IsZero():
		return "failing since " + utc(c.FailingSince) + ": " + harmless(c.Error)
	case c.SentAt.IsZero():
		return "nothing sent yet"
	}
	return "last sent " + utc(c.SentAt)
}
