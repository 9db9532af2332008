package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
	"golang.org/x/net/http/httpguts"
)

// What a channel is.
const (
	ChannelMail    = "mail"
	ChannelWebhook = "webhook"
)

// How a mail server is spoken to.
const (
	SecuritySTARTTLS = "starttls" // TLS is asked for, and nothing is sent without
	SecurityTLS      = "tls"      // TLS from the first byte
	SecurityNone     = "none"
)

// What a webhook is sent.
const (
	FormatJSON  = "json"  // a text, and the same as data
	FormatSlack = "slack" // a text alone, marked up as Slack and those like it want it
)

// AlertChannel is a way by which people are told of alerts, with its secrets in clear.
type AlertChannel struct {
	ID           int64
	Name         string
	Kind         string
	Mail         MailSettings
	Webhook      WebhookSettings
	Kinds        []string // of alerts that go there; none: all
	Paused       bool
	Revision     int
	CreatedAt    time.Time
	SentAt       time.Time // of the last message that arrived; zero: none has
	FailingSince time.Time // zero: the last one arrived
	Error        string    // why the last one did not
	Unreadable   bool      // what is secret could not be opened with the program's key: nothing is sent
}

// MailSettings are those of a channel that sends mail.
type MailSettings struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security string   `json:"security"`
	User     string   `json:"user,omitempty"` // "": no log-in
	From     string   `json:"from"`
	To       []string `json:"to"`
	Password string   `json:"-"`
}

// WebhookSettings are those of a channel that posts. The whole URL is secret: who knows that of a Slack channel may write there.
type WebhookSettings struct {
	Format      string `json:"format"`
	Shown       string `json:"shown"` // the URL's scheme and host
	URL         string `json:"-"`
	HeaderName  string `json:"header_name,omitempty"` // sent along; "": none
	HeaderValue string `json:"-"`
}

// channelSecrets is what is sealed.
type channelSecrets struct {
	Password    string `json:"password,omitempty"`
	URL         string `json:"url,omitempty"`
	HeaderValue string `json:"header_value,omitempty"`
}

const (
	maxChannels   = 50
	maxRecipients = 50
)

// ChannelError says which setting of a channel is wrong.
type ChannelError struct {
	Field string // name, host, port, security, user, password, from, to, url, format, header_name, header_value
	Words string
}

func (e *ChannelError) Error() string { return e.Words }

// Validate checks all settings, fills in what may be left out, and returns every *ChannelError joined.
func (c *AlertChannel) Validate() error {
	var wrong []error
	add := func(field, format string, args ...any) {
		wrong = append(wrong, &ChannelError{field, fmt.Sprintf(format, args...)})
	}
	if !nameForm.MatchString(c.Name) {
		add("name", "the name %s", nameFormInWords)
	}
	switch c.Kind {
	case ChannelMail:
		c.Mail.validate(add)
	case ChannelWebhook:
		c.Webhook.validate(add)
	default:
		add("kind", "a channel is mail or webhook, not %.40q", c.Kind)
	}
	return errors.Join(wrong...)
}

func (m *MailSettings) validate(add func(field, format string, args ...any)) {
	if m.Security == "" {
		m.Security = SecuritySTARTTLS
	}
	if m.Port == 0 {
		m.Port = map[string]int{SecuritySTARTTLS: 587, SecurityTLS: 465, SecurityNone: 25}[m.Security]
	}
	if m.Host == "" || len(m.Host) > 253 || strings.ContainsFunc(m.Host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/@?#", r) }) {
		add("host", "the mail server must be a name or an address, such as smtp.example.org")
	}
	if m.Port < 1 || m.Port > 65535 {
		add("port", "the port must be from 1 to 65535")
	}
	if !slices.Contains([]string{SecuritySTARTTLS, SecurityTLS, SecurityNone}, m.Security) {
		add("security", "the connection can be starttls, tls or none, not %.40q", m.Security)
	}
	switch {
	case m.User == "" && m.Password != "":
		add("user", "a password needs a user beside it")
	case m.User != "" && m.Password == "":
		add("password", "a user needs a password beside it")
	case m.User != "" && m.Security == SecurityNone:
		add("security", "a password is sent over TLS only: choose starttls or tls, or leave user and password out")
	case strings.ContainsAny(m.User+m.Password, "\r\n\x00"):
		add("user", "user and password must be one line each")
	}
	if !isAddress(m.From) {
		add("from", "the sender must be one mail address, such as recall@example.org")
	}
	if len(m.To) == 0 || len(m.To) > maxRecipients {
		add("to", "name 1 to %d recipients", maxRecipients)
	}
	for _, to := range m.To {
		if !isAddress(to) {
			add("to", "%.80q is no mail address; write it as ops@example.org", to)
			break
		}
	}
}

func isAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Name == "" && a.Address == text && len(text) <= 254
}

func (w *WebhookSettings) validate(add func(field, format string, args ...any)) {
	if w.Format == "" {
		w.Format = FormatJSON
	}
	if w.Format != FormatJSON && w.Format != FormatSlack {
		add("format", "the body can be json or slack, not %.40q", w.Format)
	}
	u, err := url.Parse(w.URL)
	switch {
	case w.URL == "":
		add("url", "the URL is missing: where to post")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || len(w.URL) > MaxURL:
		add("url", "the URL must be as https://example.org/path, at most %d characters, without user and #", MaxURL) // not quoted: it is secret
	default:
		w.Shown = u.Scheme + "://" + u.Host + "/…"
	}
	switch {
	case w.HeaderName == "" && w.HeaderValue != "":
		add("header_name", "the header's value needs a name beside it")
	case w.HeaderName == "":
	case !httpguts.ValidHeaderFieldName(w.HeaderName) || slices.Contains([]string{"host", "content-type", "content-length", "user-agent", "transfer-encoding", "connection"}, strings.ToLower(w.HeaderName)):
		add("header_name", "%.60q cannot be sent as a header of your own; Authorization can", w.HeaderName)
	case w.HeaderValue == "" || !httpguts.ValidHeaderFieldValue(w.HeaderValue) || len(w.HeaderValue) > 4096:
		add("header_value", "the header's value must be one line of 1 to 4096 characters")
	}
}

// Takes tells whether alerts of a kind go there.
func (c *AlertChannel) Takes(kind string) bool {
	return len(c.Kinds) == 0 || slices.Contains(c.Kinds, kind)
}

// Secrets are what must not stand anywhere.
func (c *AlertChannel) Secrets() (secrets []string) {
	for _, s := range []string{c.Mail.Password, c.Webhook.URL, c.Webhook.HeaderValue} {
		if s != "" {
			secrets = append(secrets, s)
		}
	}
	return secrets
}

func channelPlace(id int64) string { return fmt.Sprintf("alert channel %d", id) }

// noted are a channel's settings for the audit list. Recipients are people: their number is told.
func (c *AlertChannel) noted() map[string]any {
	n := map[string]any{"kind": c.Kind, "paused": c.Paused, "alerts": c.Kinds}
	if c.Kind == ChannelMail {
		n["server"], n["security"], n["log_in"], n["recipients"] = fmt.Sprintf("%s:%d", c.Mail.Host, c.Mail.Port), c.Mail.Security, c.Mail.User != "", len(c.Mail.To)
	} else {
		n["url"], n["format"], n["header"] = c.Webhook.Shown, c.Webhook.Format, c.Webhook.HeaderName
	}
	return n
}

// SaveAlertChannel adds a channel (ID 0), or makes the one with its ID as it is, if it is still at its Revision (ErrChanged). A
// name in use gives ErrExists. One that is Unreadable is refused: set what is secret anew and clear that.
func (db *DB) SaveAlertChannel(ctx context.Context, c *AlertChannel, note AuditEntry) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Unreadable {
		return fmt.Errorf("the channel %q cannot be changed: what is secret of it could not be opened with this program's key", c.Name)
	}
	settings, err := json.Marshal(map[string]any{ChannelMail: c.Mail, ChannelWebhook: c.Webhook}[c.Kind])
	if err != nil {
		return err
	}
	secrets, err := json.Marshal(channelSecrets{c.Mail.Password, c.Webhook.URL, c.Webhook.HeaderValue})
	if err != nil {
		return err
	}
	kinds := append([]string{}, c.Kinds...)
	made := *c
	err = db.writeSettings(ctx, func(tx pgx.Tx) error {
		note.Action, note.Subject, note.Detail = "alert.channel.set", c.Name, c.noted()
		if c.ID == 0 {
			note.Action = "alert.channel.add"
			err := tx.QueryRow(ctx, `
				INSERT INTO alert_channels (name, kind, settings, created_at)
				SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM alert_channels) < $5 RETURNING id, created_at`, c.Name, c.Kind, settings, db.Now(), maxChannels).Scan(&made.ID, &made.CreatedAt)
			if errors.Is(err, pgx.ErrNoRows) {
				return invalid(fmt.Errorf("there are %d channels already, which is the most", maxChannels))
			}
			if err != nil {
				return err
			}
			made.Revision = 0
		}
		err := tx.QueryRow(ctx, `
			UPDATE alert_channels SET name = $2, settings = $3, sealed = $4, kinds = $5, paused = $6, revision = revision + 1
			WHERE id = $1 AND ($7 = 0 OR revision = $7) RETURNING revision`,
			made.ID, c.Name, settings, db.sealer().Seal(secrets, channelPlace(made.ID)), kinds, c.Paused, made.Revision).Scan(&made.Revision)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrChanged
		}
		if err != nil {
			return err
		}
		return db.addAudit(ctx, tx, note)
	})
	switch {
	case exists(err):
		return fmt.Errorf("the channel %q %w", c.Name, ErrExists)
	case errors.Is(err, ErrChanged):
		return fmt.Errorf("the channel %q %w", c.Name, err)
	case err != nil:
		return fmt.Errorf("keeping the channel %q: %w", c.Name, err)
	}
	c.ID, c.CreatedAt, c.Revision = made.ID, made.CreatedAt.UTC(), made.Revision
	return nil
}

// RemoveAlertChannel takes a channel away, with the messages that it has not sent. ErrNotFound.
func (db *DB) RemoveAlertChannel(ctx context.Context, name string, note AuditEntry) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM alert_channels WHERE name = $1`, name)
		if err != nil {
			return fmt.Errorf("removing the channel %q: %w", name, err)
		}
		if done.RowsAffected() == 0 {
			return fmt.Errorf("the channel %q: %w", name, ErrNotFound)
		}
		note.Action, note.Subject = "alert.channel.remove", name
		return db.addAudit(ctx, tx, note)
	})
}

// ListAlertChannels returns all channels by name.
func (db *DB) ListAlertChannels(ctx context.Context) ([]*AlertChannel, error) {
	return db.loadAlertChannels(ctx, db.pool, "")
}

// FindAlertChannel returns one, or ErrNotFound.
func (db *DB) FindAlertChannel(ctx context.Context, name string) (*AlertChannel, error) {
	if name == "" {
		return nil, fmt.Errorf("the channel %q: %w", name, ErrNotFound)
	}
	found, err := db.loadAlertChannels(ctx, db.pool, name)
	if err != nil {
		return nil, err
	}
	return only(found, fmt.Sprintf("the channel %q", name))
}

func (db *DB) loadAlertChannels(ctx context.Context, q querier, name string) ([]*AlertChannel, error) {
	rows, err := q.Query(ctx, `
		SELECT id, name, kind, settings, sealed, kinds, paused, revision, created_at, sent_at, failing_since, error
		FROM alert_channels WHERE $1 = '' OR name = $1 ORDER BY name`, name)
	if err != nil {
		return nil, fmt.Errorf("listing alert channels: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*AlertChannel, error) {
		var c AlertChannel
		var settings, sealed []byte
		var sent, failing zeronull.Timestamptz
		if err := row.Scan(&c.ID, &c.Name, &c.Kind, &settings, &sealed, &c.Kinds, &c.Paused, &c.Revision, &c.CreatedAt, &sent, &failing, &c.Error); err != nil {
			return nil, err
		}
		c.CreatedAt, c.SentAt, c.FailingSince = c.CreatedAt.UTC(), utc(sent), utc(failing)
		into := any(&c.Mail)
		if c.Kind == ChannelWebhook {
			into = &c.Webhook
		}
		if err := json.Unmarshal(settings, into); err != nil {
			c.Unreadable = true
		}
		var secrets channelSecrets
		plain, err := db.key.Open(sealed, channelPlace(c.ID))
		if err != nil || json.Unmarshal(plain, &secrets) != nil {
			c.Unreadable = true
		}
		c.Mail.Password, c.Webhook.URL, c.Webhook.HeaderValue = secrets.Password, secrets.URL, secrets.HeaderValue
		return &c, nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing alert channels: %w", err)
	}
	return list, nil
}
