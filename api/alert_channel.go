package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"recall/alert"
	"recall/store"
)

// AlertTester sends a test by a channel; alert.Watcher is one.
type AlertTester interface {
	Test(ctx context.Context, c *store.AlertChannel) error
}

// channelJSON is a way by which people are told. What is secret of it is not in it.
type channelJSON struct {
	Name         string       `json:"name"`
	Kind         string       `json:"kind" enum:"mail,webhook"`
	Mail         *mailJSON    `json:"mail,omitempty" doc:"Where it sends mail."`
	Webhook      *webhookJSON `json:"webhook,omitempty" doc:"Where it posts."`
	Alerts       []string     `json:"alerts" doc:"Kinds of alerts that go there; none: all."`
	Paused       bool         `json:"paused"`
	CreatedAt    time.Time    `json:"created_at"`
	SentAt       *time.Time   `json:"sent_at" doc:"When the last message was taken."`
	FailingSince *time.Time   `json:"failing_since" doc:"Null: the last message was taken."`
	Error        string       `json:"error" doc:"Why it was not."`
	Unreadable   bool         `json:"unreadable" doc:"What is secret of it cannot be opened with the program's key, so nothing is sent: give it anew."`
}

type mailJSON struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security string   `json:"security"`
	User     string   `json:"user"`
	From     string   `json:"from"`
	To       []string `json:"to"`
}

type webhookJSON struct {
	Address    string `json:"address" doc:"Scheme and host of the URL; the rest is secret."`
	Format     string `json:"format"`
	HeaderName string `json:"header_name"`
}

func newChannelJSON(c *store.AlertChannel) channelJSON {
	j := channelJSON{
		Name: c.Name, Kind: c.Kind, Alerts: append([]string{}, c.Kinds...), Paused: c.Paused, CreatedAt: c.CreatedAt,
		SentAt: orNull(c.SentAt), FailingSince: orNull(c.FailingSince), Error: c.Error, Unreadable: c.Unreadable,
	}
	if c.Kind == store.ChannelMail {
		m := c.Mail
		j.Mail = &mailJSON{m.Host, m.Port, m.Security, m.User, m.From, append([]string{}, m.To...)}
	} else {
		j.Webhook = &webhookJSON{c.Webhook.Shown, c.Webhook.Format, c.Webhook.HeaderName}
	}
	return j
}

// ChannelSettings are those of a channel; what is left out stays as it is, or is the default.
type ChannelSettings struct {
	Mail *struct {
		Host     *string   `json:"host,omitempty" maxLength:"253" example:"smtp.example.org"`
		Port     *int      `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"0: the usual one of the security."`
		Security *string   `json:"security,omitempty" enum:"starttls,tls,none"`
		User     *string   `json:"user,omitempty" maxLength:"254" doc:"Empty: no log-in."`
		Password *string   `json:"password,omitempty" maxLength:"1024" writeOnly:"true"`
		From     *string   `json:"from,omitempty" maxLength:"254"`
		To       *[]string `json:"to,omitempty" maxItems:"50"`
	} `json:"mail,omitempty" doc:"Send mail."`
	Webhook *struct {
		URL         *string `json:"url,omitempty" maxLength:"2048" writeOnly:"true" doc:"Where to post. It is secret, whole: who knows that of a Slack channel may write there."`
		Format      *string `json:"format,omitempty" enum:"json,slack"`
		HeaderName  *string `json:"header_name,omitempty" maxLength:"100" doc:"A header to send along, such as Authorization; empty: none."`
		HeaderValue *string `json:"header_value,omitempty" maxLength:"4096" writeOnly:"true"`
	} `json:"webhook,omitempty" doc:"Post to a URL."`
	Alerts *[]string `json:"alerts,omitempty" maxItems:"50" doc:"Kinds of alerts that go there; none: all."`
	Paused *bool     `json:"paused,omitempty"`
}

// apply makes a channel as the settings say, and checks it.
func (in *ChannelSettings) apply(c *store.AlertChannel) error {
	if c.Kind == store.ChannelMail && in.Webhook != nil || c.Kind == store.ChannelWebhook && in.Mail != nil {
		return wrong("body", "the channel is of the kind "+c.Kind+"; remove it, and add another")
	}
	if m := in.Mail; m != nil {
		if m.Security != nil && m.Port == nil {
			c.Mail.Port = 0
		}
		give(&c.Mail.Host, m.Host)
		give(&c.Mail.Port, m.Port)
		give(&c.Mail.Security, m.Security)
		give(&c.Mail.User, m.User)
		give(&c.Mail.From, m.From)
		give(&c.Mail.To, m.To)
		if c.Mail.User == "" {
			c.Mail.Password = ""
		}
		give(&c.Mail.Password, m.Password)
	}
	if w := in.Webhook; w != nil {
		give(&c.Webhook.URL, w.URL)
		give(&c.Webhook.Format, w.Format)
		give(&c.Webhook.HeaderName, w.HeaderName)
		if c.Webhook.HeaderName == "" {
			c.Webhook.HeaderValue = ""
		}
		give(&c.Webhook.HeaderValue, w.HeaderValue)
	}
	if in.Alerts != nil {
		c.Kinds = nil
		for _, kind := range *in.Alerts {
			if !alert.Known(kind) {
				return wrong("body.alerts", "there is no kind of alert of the name that was given; docs/alerts.md has them all")
			}
			c.Kinds = append(c.Kinds, kind)
		}
	}
	give(&c.Paused, in.Paused)
	return channelProblem(c.Kind, c.Validate())
}

// channelProblem says what of a channel cannot be, each where it stands.
func channelProblem(kind string, err error) error {
	if err == nil {
		return nil
	}
	list := []error{err}
	if joined, is := err.(interface{ Unwrap() []error }); is {
		list = joined.Unwrap()
	}
	p := wrong("body", err.Error())
	p.Errors = nil
	for _, one := range list {
		at := "body"
		if of := (*store.ChannelError)(nil); errors.As(one, &of) && of.Field == "name" {
			at = "body.name"
		} else if of != nil {
			at = "body." + kind + "." + of.Field
		}
		p.Errors = append(p.Errors, fault{Message: one.Error(), Location: at})
	}
	if len(list) > 1 {
		p.Detail = "Several settings of the channel cannot be: see errors."
	}
	return p
}

type channelList struct {
	Channels []channelJSON `json:"channels"`
}

func (s *server) channelOperations() {
	const all, one = "/alerts/channels", "/alerts/channels/{name}"
	add(s, operation{id: "alert-channel-list", method: http.MethodGet, path: all, need: store.RightSettings, summary: "List the ways by which people are told of alerts; secrets stay hidden"}, s.channelList)
	add(s, operation{id: "alert-channel-add", method: http.MethodPost, path: all, need: store.RightSettings, status: http.StatusCreated, summary: "Add a channel: mail, or a webhook",
		more: "Test it: a channel that nobody tried is none.", fails: []int{409}}, s.channelAdd)
	add(s, operation{id: "alert-channel-show", method: http.MethodGet, path: one, need: store.RightSettings, summary: "Show a channel; secrets stay hidden", fails: []int{404}}, s.channelShow)
	add(s, operation{id: "alert-channel-set", method: http.MethodPatch, path: one, need: store.RightSettings, summary: "Change a channel's settings; what is not named stays as it is", fails: []int{404, 409}}, s.channelSet)
	add(s, operation{id: "alert-channel-test", method: http.MethodPost, path: one + "/test", need: store.RightSettings, summary: "Send a test by a channel now, also a paused one", fails: []int{404}}, s.channelTest)
	add(s, operation{id: "alert-channel-remove", method: http.MethodDelete, path: one, need: store.RightSettings, status: http.StatusNoContent, summary: "Remove a channel, with what it has not sent", fails: []int{404}}, s.channelRemove)
}

func (s *server) channelList(ctx context.Context, _ *none) (*body[channelList], error) {
	found, err := s.DB.ListAlertChannels(ctx)
	list := channelList{Channels: []channelJSON{}}
	for _, c := range found {
		list.Channels = append(list.Channels, newChannelJSON(c))
	}
	return &body[channelList]{list}, err
}

func (s *server) findChannel(ctx context.Context, name string) (*store.AlertChannel, error) {
	c, err := s.DB.FindAlertChannel(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: "There is no channel of this name; " + Prefix + "/alerts/channels lists them."}
	}
	return c, err
}

func (s *server) channelShow(ctx context.Context, in *NamePath) (*body[channelJSON], error) {
	c, err := s.findChannel(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return answer(newChannelJSON(c))
}

func (s *server) channelAdd(ctx context.Context, in *struct {
	Body struct {
		ChannelSettings
		Name string `json:"name" minLength:"1" maxLength:"63" example:"ops" doc:"Lower-case letters, digits and hyphens."`
	}
}) (*body[channelJSON], error) {
	c := &store.AlertChannel{Name: in.Body.Name}
	switch {
	case (in.Body.Mail == nil) == (in.Body.Webhook == nil):
		return nil, wrong("body", "say where to: either mail or webhook")
	case in.Body.Mail != nil:
		c.Kind = store.ChannelMail
	default:
		c.Kind = store.ChannelWebhook
	}
	if err := in.Body.apply(c); err != nil {
		return nil, err
	}
	if err := s.DB.SaveAlertChannel(ctx, c, s.note(ctx, "", "", "", nil)); err != nil {
		return nil, err
	}
	return answer(newChannelJSON(c))
}

func (s *server) channelSet(ctx context.Context, in *struct {
	NamePath
	Body struct {
		ChannelSettings
		ReasonBody
		Rename *string `json:"rename,omitempty" minLength:"1" maxLength:"63" doc:"A new name."`
	}
}) (*body[channelJSON], error) {
	c, err := s.findChannel(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	c.Unreadable = false // what is secret is given anew, or missed
	give(&c.Name, in.Body.Rename)
	if err := in.Body.apply(c); err != nil {
		return nil, err
	}
	if err := s.DB.SaveAlertChannel(ctx, c, s.note(ctx, "", "", in.Body.Reason, nil)); err != nil {
		return nil, err
	}
	return answer(newChannelJSON(c))
}

type channelTested struct {
	Taken bool   `json:"taken" doc:"The mail server, or the webhook, took the message. See whether it arrived."`
	Error string `json:"error" doc:"Why it did not."`
}

func (s *server) channelTest(ctx context.Context, in *NamePath) (*body[channelTested], error) {
	c, err := s.findChannel(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	failed := ""
	if err := s.Alerts.Test(ctx, c); err != nil {
		failed = err.Error()
	}
	if err := s.DB.NoteAlertTest(ctx, c, failed, s.note(ctx, "", "", "", nil)); err != nil {
		return nil, err
	}
	return answer(channelTested{failed == "", failed})
}

func (s *server) channelRemove(ctx context.Context, in *struct {
	NamePath
	Reason string `query:"reason" maxLength:"500" doc:"Why, for the audit list."`
}) (*none, error) {
	if _, err := s.findChannel(ctx, in.Name); err != nil {
		return nil, err
	}
	return nil, s.DB.RemoveAlertChannel(ctx, in.Name, s.note(ctx, "", "", in.Reason, nil))
}
