package dispatch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWords: the errors that a test's receiver cannot easily cause, and that none of them is quoted.
func TestWords(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 443}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"no name server", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "shop.example", Server: "kept", IsTimeout: true}}, "the name shop.example could not be resolved: the name server did not answer in time"},
		{"name server fails", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "shop.example", Err: "kept"}}, "the name shop.example could not be resolved: the name server gave no usable answer"},
		{"no route", &net.OpError{Op: "dial", Addr: addr, Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "could not connect to 198.51.100.7:443: no route to host"},
		{"silent", &net.OpError{Op: "dial", Addr: addr, Err: os.ErrDeadlineExceeded}, "could not connect to 198.51.100.7:443 within 30s"},
		{"other dial", &net.OpError{Op: "dial", Err: errors.New("kept")}, "could not connect to the destination"},
		{"expired", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired, Detail: "kept"}}, "the certificate has expired, or is not valid yet"},
		{"not for servers", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}}, "the certificate is not valid"},
		{"other certificate", &tls.CertificateVerificationError{Err: errors.New("kept")}, "the certificate is not valid"},
		{"alert", &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, "TLS could not be agreed on: handshake failure"},
		{"no TLS", tls.RecordHeaderError{Msg: "kept"}, "the destination does not speak TLS there"},
		{"slow TLS", errors.New("net/http: TLS handshake timeout"), "TLS was not agreed on within 30s"},
		{"HTTP/2", errors.New("http2: server sent GOAWAY and closed the connection; DebugData=kept"), "the HTTP/2 connection failed before an answer came"},
		{"stream", errors.New("stream error: stream ID 1; INTERNAL_ERROR; kept"), "the HTTP/2 connection failed before an answer came"},
		{"pipe", &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, "the connection was reset before an answer came"},
		{"other fault", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ENETDOWN)}, "the connection failed before an answer came: network is down"},
		{"half an answer", io.ErrUnexpectedEOF, "the connection was closed before an answer came"},
		{"idle", fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", errors.New("kept")), "the connection was closed before an answer came"},
		{"unknown", fmt.Errorf("kept: %w", errors.New("kept")), "the request failed (*errors.errorString)"},
	} {
		err := &url.Error{Op: "Post", URL: "https://shop.example/?token=kept", Err: c.err}
		if got := noAnswer(t.Context(), err, time.Second); got != c.want || strings.Contains(got, "kept") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, words := range []string{noAnswer(stopped, stopped.Err(), time.Second), brokenAnswer(stopped, stopped.Err(), time.Second)} {
		if words != interrupted {
			t.Errorf("stopped: %q", words)
		}
	}
}
