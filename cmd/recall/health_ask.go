package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthCmd asks the serve of this machine whether it is ready: a health check for images that have no other program.
type healthCmd struct {
	AdminAddr string `env:"RECALL_ADMIN_ADDR" default:"127.0.0.1:8081" help:"Where serve listens; 0.0.0.0 is asked at 127.0.0.1."`
	TLSCert   string `env:"RECALL_TLS_CERT_FILE" name:"tls-cert-file" placeholder:"FILE" help:"As serve has it: it is then asked by https."`
	AdminCert string `env:"RECALL_ADMIN_TLS_CERT_FILE" name:"admin-tls-cert-file" placeholder:"FILE" help:"The same."`
	Live      bool   `help:"Ask only whether it runs and answers."`
}

func (c *healthCmd) Run(ctx context.Context, a *app) error {
	if _, _, err := net.SplitHostPort(c.AdminAddr); err != nil {
		return usagef("RECALL_ADMIN_ADDR must be an address and a port, such as 127.0.0.1:8081")
	}
	scheme := "http"
	if c.TLSCert != "" || c.AdminCert != "" {
		scheme = "https"
	}
	path := "/health/ready"
	if c.Live {
		path = "/health/live"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+localAddr(c.AdminAddr)+path, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: localTransport()}).Do(request)
	if err != nil {
		return fmt.Errorf("nobody answers: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	fmt.Fprintln(a.out, strings.TrimSpace(string(text)))
	if answer.StatusCode != http.StatusOK {
		return errSaid
	}
	return nil
}
