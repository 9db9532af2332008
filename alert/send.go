package alert

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"recall/store"
)

// Outgoing is the way out; dispatch.Outgoing has one that keeps to RECALL_EGRESS_ALLOW.
type Outgoing struct {
	HTTP  *http.Client
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Words func(err error, by string) string // why a connection failed; "": not known

	time  time.Duration  // that one message may take; 0: sendTime
	roots *x509.CertPool // whose certificates mail servers may have; nil: the machine's
}

const (
	sendTime  = 20 * time.Second // that one message may take
	firstWait = time.Minute      // after a try that failed; doubled each time
	mostWait  = time.Hour
	giveUp    = 24 * time.Hour // after that a message is old: another has told since
)

// send sends one message by one channel. The error says why not, in words without anything secret.
func (o Outgoing) send(ctx context.Context, c *store.AlertChannel, m *store.AlertMessage) error {
	if c.Unreadable {
		return errors.New("what is secret of the channel cannot be opened with this program's key: set it anew")
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.time, sendTime))
	defer cancel()
	var err error
	switch c.Kind {
	case store.ChannelMail:
		err = o.mail(ctx, c, m)
	case store.ChannelWebhook:
		err = o.post(ctx, c, m)
	default:
		err = fmt.Errorf("this program knows no channel %.40q", c.Kind)
	}
	if err == nil {
		return nil
	}
	return errors.New(clean(err.Error(), append(c.Secrets(), c.Mail.To...)))
}

// clean is a text fit to be shown: one line, not long, without secrets.
func clean(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "(kept secret)")
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:299]) + "…"
	}
	return text
}

// end notes in a message what came of a try.
func end(m *store.AlertMessage, err error, now time.Time) {
	m.Error, m.NextAt, m.SentAt = "", time.Time{}, time.Time{}
	if err == nil {
		m.SentAt = now
		return
	}
	m.Error = err.Error()
	if now.Sub(m.MadeAt) < giveUp {
		m.NextAt = now.Add(min(firstWait<<min(m.Tries-1, 10), mostWait))
	}
}
