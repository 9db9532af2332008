package alert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"

	"github.com/wneessen/go-mail"

	"recall/store"
)

// mechanisms are the ways to log in, the best first. Those that show the password are used over TLS only.
var mechanisms = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthCramMD5, mail.SMTPAuthPlain, mail.SMTPAuthLogin}

// mail sends one mail to all recipients of a channel. It is plain text.
func (o Outgoing) mail(ctx context.Context, c *store.AlertChannel, m *store.AlertMessage) error {
	s := c.Mail
	msg := mail.NewMsg()
	if err := errors.Join(msg.FromFormat("Recall", s.From), msg.To(s.To...)); err != nil {
		return errors.New("the sender or a recipient is no mail address")
	}
	msg.Subject("[Recall] " + m.Title)
	msg.SetDateWithValue(m.MadeAt)
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no holiday answers
	msg.SetGenHeader("X-Recall-Alerts", "1")
	msg.SetBodyString(mail.TypeTextPlain, m.Body)

	// The connection ends with ctx, whatever the other side does or leaves.
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := o.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if s.Security != store.SecurityTLS {
			return conn, nil
		}
		secured := tls.Client(conn, o.tls(s.Host))
		return secured, secured.HandshakeContext(ctx)
	}
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(sendTime), mail.WithDialContextFunc(dial), mail.WithTLSConfig(o.tls(s.Host)), mail.WithoutNoop()}
	switch s.Security {
	case store.SecurityTLS:
		options = append(options, mail.WithSSL())
	case store.SecurityNone:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" {
		options = append(options, mail.WithOpportunisticSMTPAuth(mechanisms...), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return errors.New("the settings of the mail server cannot be used")
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return o.whyNoMail(ctx, err)
	}
	return nil
}

func (o Outgoing) tls(host string) *tls.Config {
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: o.roots}
}

func (o Outgoing) whyNoMail(ctx context.Context, err error) error {
	const by = "the mail server"
	var said *textproto.Error
	var refused *mail.SendError
	switch {
	case ctx.Err() != nil:
		return o.why(ctx, err, by)
	case errors.As(err, &said):
		return fmt.Errorf("%s answered %d %s", by, said.Code, said.Msg)
	case errors.As(err, &refused):
		text, _, _ := strings.Cut(refused.Error(), ", affected ") // recipients and ids follow
		return fmt.Errorf("%s did not take the mail: %s", by, text)
	}
	if o.Words != nil && o.Words(err, by) != "" {
		return o.why(ctx, err, by)
	}
	return fmt.Errorf("%s could not be used: %s", by, err.Error()) // of go-mail: what the server cannot, or did not, do
}
