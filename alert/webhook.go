package alert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"recall/store"
)

// payload is what a webhook is sent. Programs for people, such as Slack, read the text; others what stands beside it.
type payload struct {
	Text string `json:"text"`
	json.RawMessage
}

// MarshalJSON puts the text first.
func (p payload) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(p.Text)
	if err != nil || len(p.RawMessage) < 3 {
		return append(append([]byte(`{"text":`), text...), '}'), err
	}
	return append(append(append([]byte(`{"text":`), text...), ','), bytes.TrimSpace(p.RawMessage)[1:]...), nil
}

// slackText is a message as Slack and those like it want it: a bold title, and the three signs escaped that mean something.
func slackText(m *store.AlertMessage) string {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	return "*" + strings.ReplaceAll(escape.Replace(m.Title), "*", "∗") + "*\n" + strings.TrimSpace(escape.Replace(m.Body))
}

func (o Outgoing) post(ctx context.Context, c *store.AlertChannel, m *store.AlertMessage) error {
	p := payload{Text: m.Title + "\n\n" + strings.TrimSpace(m.Body), RawMessage: m.Data}
	if c.Webhook.Format == store.FormatSlack {
		p = payload{Text: slackText(m)}
	}
	body, err := json.Marshal(p)
	if err != nil {
		return errors.New("the message could not be written as JSON")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Webhook.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Recall")
	if m.ID != 0 {
		r.Header.Set("Idempotency-Key", fmt.Sprintf("recall-alert-%d", m.ID))
	}
	if c.Webhook.HeaderName != "" {
		r.Header.Set(c.Webhook.HeaderName, c.Webhook.HeaderValue)
	}
	answer, err := o.HTTP.Do(r)
	if err != nil {
		return o.why(ctx, err, "the webhook")
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 200)) // what Slack says in a word
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		words := fmt.Sprintf("the webhook answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
		if text := strings.TrimSpace(string(said)); text != "" && strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
			words += ": " + text
		}
		return errors.New(words)
	}
	return nil
}

// why says why something failed, with names and addresses at most: errors of net/http quote the URL.
func (o Outgoing) why(ctx context.Context, err error, by string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s did not answer within %s", by, cmp.Or(o.time, sendTime))
	}
	if o.Words != nil {
		if words := o.Words(err, by); words != "" {
			return errors.New(words)
		}
	}
	return fmt.Errorf("%s could not be spoken to (%T)", by, err)
}
