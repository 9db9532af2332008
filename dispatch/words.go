package dispatch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// Errors of net/http and below may quote the URL with its query, header values, or what the destination sent. What is
// written down says the same in words of ours, with host names and addresses at most.

const interrupted = "Recall was stopped during the attempt; the destination may have received it"

// noAnswer says why a request got none.
func noAnswer(ctx context.Context, err error, timeout time.Duration) string {
	if words := ended(ctx, fmt.Sprintf("no answer within %s", timeout)); words != "" {
		return words
	}
	for _, explain := range []func(error) string{egressWords, proxyWords, nameWords, certificateWords, tlsWords, connectionWords} {
		if words := explain(err); words != "" {
			return words
		}
	}
	text := err.Error() // of net/http, which has no types for these
	switch {
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return "the destination does not speak TLS there; its URL may have to begin with http://"
	case strings.Contains(text, "response headers exceeded"):
		return fmt.Sprintf("the headers of the answer are longer than %d KiB", maxAnswerHeader>>10)
	case strings.Contains(text, "malformed"):
		return "the answer is not valid HTTP"
	case strings.Contains(text, "TLS handshake timeout"):
		return fmt.Sprintf("TLS was not agreed on within %s", connectWait)
	case strings.Contains(text, "server closed idle connection"), strings.Contains(text, "connection broken"):
		return "the connection was closed before an answer came"
	case strings.Contains(text, "http2:") || strings.Contains(text, "stream error:"):
		return "the HTTP/2 connection failed before an answer came"
	}
	return fmt.Sprintf("the request failed (%T)", innermost(err))
}

// brokenAnswer says why an answer did not come whole.
func brokenAnswer(ctx context.Context, err error, timeout time.Duration) string {
	if words := ended(ctx, fmt.Sprintf("the answer was not complete within %s", timeout)); words != "" {
		return words
	}
	return "the answer broke off before its end"
}

// ended tells our own ends of a request from others.
func ended(ctx context.Context, timeUp string) string {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return ""
	case errors.Is(cause, errTimeUp):
		return timeUp
	}
	return interrupted
}

// redirected says where an answer points to, without what may be secret in it.
func redirected(resp *http.Response) string {
	words := fmt.Sprintf("answered %d", resp.StatusCode)
	if to, err := resp.Location(); err == nil {
		if shown := plainURL(to.String()); shown != "" && len(shown) <= 300 {
			words += " and pointed to " + shown
		}
	}
	return words + "; redirects are not followed"
}

func egressWords(err error) string {
	var refused *egressError
	if errors.As(err, &refused) {
		return "not sent: " + refused.Error()
	}
	return ""
}

func nameWords(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsNotFound:
		return fmt.Sprintf("the name %.253s could not be resolved: there is no such name", dns.Name)
	case dns.IsTimeout:
		return fmt.Sprintf("the name %.253s could not be resolved: the name server did not answer in time", dns.Name)
	}
	return fmt.Sprintf("the name %.253s could not be resolved: the name server gave no usable answer", dns.Name)
}

func certificateWords(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is not valid for the name %.253s", name.Host)
	case errors.As(err, &authority):
		return "the certificate is not signed by an authority that this machine trusts"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired, or is not valid yet"
	case errors.As(err, &invalid), errors.As(err, &verification):
		return "the certificate is not valid"
	}
	return ""
}

func tlsWords(err error) string {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &record):
		return "the destination does not speak TLS there"
	case errors.As(err, &alert):
		return "TLS could not be agreed on: " + strings.TrimPrefix(alert.Error(), "tls: ")
	case strings.Contains(err.Error(), "remote error: tls:"), strings.Contains(err.Error(), ": tls: "):
		return "TLS could not be agreed on"
	}
	return ""
}

func connectionWords(err error) string {
	var op *net.OpError
	var errno syscall.Errno
	if errors.As(err, &op) && op.Op == "dial" {
		where := "the destination"
		if op.Addr != nil {
			where = op.Addr.String()
		}
		switch {
		case errors.As(err, &errno):
			return fmt.Sprintf("could not connect to %s: %s", where, errno.Error())
		case op.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Sprintf("could not connect to %s within %s", where, connectWait)
		}
		return "could not connect to " + where
	}
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset before an answer came"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before an answer came"
	case errors.As(err, &errno):
		return "the connection failed before an answer came: " + errno.Error()
	}
	return ""
}

// innermost is the error at the bottom, for its type.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
