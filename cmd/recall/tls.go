package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// tlsFiles are where a listener finds what it proves itself with. The zero tlsFiles is a listener without TLS.
type tlsFiles struct {
	setting   string // of the certificate, for messages
	cert, key string
}

func (f tlsFiles) on() bool { return f.cert != "" }

// pair reads the files. It returns what they hold, told apart by sum, and what is wrong with it.
func (f tlsFiles) pair() (pair *tls.Certificate, sum [sha256.Size]byte, err error) {
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), fmt.Errorf("%s: %w", f.setting, err)
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), fmt.Errorf("%s: its key: %w", f.setting, err)
	}
	sum = sha256.Sum256(bytes.Join([][]byte{cert, key}, []byte{0}))
	read, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, sum, fmt.Errorf("%s: the certificate in %s and the key in %s: %w", f.setting, f.cert, f.key, err) // it quotes neither
	}
	return &read, sum, nil
}

// certificateEvery is how soon changed files are noticed.
const certificateEvery = 5 * time.Second

// certificate is what a listener proves itself with. It follows its files; what is not whole leaves the one of before in use.
type certificate struct {
	files tlsFiles
	now   func() time.Time
	log   *slog.Logger

	held atomic.Pointer[tls.Certificate]
	mu   sync.Mutex
	seen [sha256.Size]byte // of the files, as they were looked at last
}

// openCertificate reads the files for the first time; what is wrong with them then is an error.
func openCertificate(files tlsFiles, now func() time.Time, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, now: now, log: log}
	pair, sum, err := files.pair()
	if err != nil {
		return nil, err
	}
	if now().After(pair.Leaf.NotAfter) {
		log.Warn("the certificate has ended, and clients will refuse it", "setting", files.setting, "file", files.cert, "until", pair.Leaf.NotAfter)
	}
	c.held.Store(pair)
	c.seen = sum
	return c, nil
}

// look reads the files anew, and takes over what has changed and is whole. What cannot be used is told once.
func (c *certificate) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, sum, err := c.files.pair()
	if sum == c.seen {
		return
	}
	c.seen = sum
	held := c.held.Load()
	if err == nil && c.now().After(pair.Leaf.NotAfter) && !c.now().After(held.Leaf.NotAfter) {
		err = fmt.Errorf("%s: the certificate in %s ended on %s", c.files.setting, c.files.cert, utc(pair.Leaf.NotAfter))
	}
	if err != nil {
		c.log.Error("a changed certificate cannot be used; the one of before stays in use", "error", err, "until", held.Leaf.NotAfter)
		return
	}
	c.held.Store(pair)
	c.log.Info("a changed certificate is in use", "setting", c.files.setting, "file", c.files.cert, "until", pair.Leaf.NotAfter)
}

func (c *certificate) watch(ctx context.Context) {
	for every(ctx, certificateEvery) {
		c.look()
	}
}

// openCertificates opens those of both listeners, nil for one without TLS; all has each once.
func (a *app) openCertificates() (receiver, admin *certificate, all []*certificate, err error) {
	open := func(files tlsFiles) (*certificate, error) {
		for _, c := range all {
			if c.files == files {
				return c, nil
			}
		}
		if !files.on() {
			return nil, nil
		}
		c, err := openCertificate(files, a.now, a.log)
		if err == nil {
			all = append(all, c)
		}
		return c, err
	}
	if receiver, err = open(a.cfg.TLS); err == nil {
		admin, err = open(a.cfg.AdminTLS)
	}
	return receiver, admin, all, err
}

// config is a listener's. Connections that stand keep the certificate that they began with.
func (c *certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.held.Load(), nil },
	}
}

// over puts TLS on a listener; a nil certificate leaves it as it is.
func (c *certificate) over(l net.Listener, protocols ...string) net.Listener {
	if c == nil {
		return l
	}
	return tls.NewListener(l, c.config(protocols...))
}

// scheme is how a listener with the certificate is asked; a nil certificate is none.
func (c *certificate) scheme() string {
	if c == nil {
		return "http"
	}
	return "https"
}

// ownReceiver is how this program reaches its own receiver.
type ownReceiver struct {
	url     string
	through http.RoundTripper
}

// ownTransport reaches this program's own listener, past every proxy. The certificate is for the name that others use, so
// it is known by being the one in use; a nil certificate is none.
func (c *certificate) ownTransport() *http.Transport {
	t := &http.Transport{DisableKeepAlives: true}
	if c == nil {
		return t
	}
	t.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection asks for more than any name
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, c.held.Load().Leaf.Raw) {
				return errors.New("the receiver has another certificate than this program")
			}
			return nil
		},
	}
	return t
}

// localTransport asks the serve of this machine whether it is well, past every proxy. Nothing that matters is sent and what
// is answered is a word, so the certificate, which is for the name that others use, need not prove anything.
func localTransport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}
}

// servedCertificate is the one in use at an address of this machine.
func servedCertificate(ctx context.Context, addr string) (*x509.Certificate, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 3 * time.Second}, Config: localTransport().TLSClientConfig}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// localAddr is how this machine reaches a listener that may be open on every address.
func localAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
