package receive

import (
	"bytes"
	"context"
	stdlog "log"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Limits of the receiver's server. plenigo's time limit is unknown (REFERENCE §4); these are wide enough for a slow
// line, and narrow enough that a client that never ends costs a connection for half a minute.
const (
	ReadHeaderTimeout = 10 * time.Second
	ReadTimeout       = 30 * time.Second // the whole request
	WriteTimeout      = 60 * time.Second // from the end of the headers: reading the body, waiting for the commit, answering
	IdleTimeout       = 120 * time.Second
	MaxHeaderBytes    = 16 << 10 // plenigo's are below 1 KiB; net/http holds them before anybody counts what is held, on every connection
)

// mostHeader is what really comes through: net/http takes 4 KiB more than it is told.
const mostHeader = MaxHeaderBytes + 4<<10

// NewServer is an HTTP server for a Handler, with every limit set. What the server itself has to say goes to log.
func NewServer(addr string, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: ReadHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      WriteTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    MaxHeaderBytes,
		ErrorLog:          stdlog.New(serverLog{log}, "", 0),
	}
}

// serverLog takes what net/http has to say. Handshakes that fail are no news: whoever looks for open ports, and each load
// balancer that only connects, makes some.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(p []byte) (int, error) {
	level, text := slog.LevelWarn, string(bytes.TrimSpace(p))
	if strings.HasPrefix(text, "http: TLS handshake error") {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, text)
	return len(p), nil
}
