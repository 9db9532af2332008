package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// certificateWarn is how long before its end a certificate should have been renewed.
const certificateWarn = 14 * 24 * time.Hour

// certificates looks at what the listeners prove themselves with, where they speak TLS.
func (d *doctor) certificates(ctx context.Context) {
	receiver, admin := d.app.cfg.TLS, d.app.cfg.AdminTLS
	if receiver.on() {
		d.say("TLS", d.certificate(ctx, receiver, d.app.cfg.ReceiverAddr))
	}
	if admin.on() && admin != receiver {
		d.say("TLS admin", d.certificate(ctx, admin, d.app.cfg.AdminAddr))
	}
}

func (d *doctor) certificate(ctx context.Context, files tlsFiles, addr string) finding {
	pair, _, err := files.pair()
	used, away := d.used(ctx, files, addr)
	if err != nil {
		do := "put a certificate (with those between it and its root) and the key that fits it into the files, as PEM and readable for the user of serve"
		if away == nil {
			return fail(do, "%v; serve goes on with the one of before, until %s", err, utc(used.NotAfter))
		}
		return fail(do, "%v", err)
	}
	leaf, now := pair.Leaf, d.app.now()
	text := "the certificate in " + files.cert + certificateNames(leaf)
	const renew = "renew it, and put it into the files: serve takes it over within seconds"
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		return fail(renew, "%s ended on %s", text, utc(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fail("wait, or look at this machine's clock", "%s begins on %s", text, utc(leaf.NotBefore))
	case away == nil && !bytes.Equal(used.Raw, leaf.Raw):
		return warn("if the files changed just now, ask again in a few seconds; else see the log of serve, or start it anew", "serve on %s uses another one than %s, until %s", addr, text, utc(used.NotAfter))
	case left < certificateWarn:
		return warn(renew, "%s ends on %s, in %s", text, utc(leaf.NotAfter), counted(int(left/(24*time.Hour)), "day", "days"))
	default:
		return ok("%s ends on %s, in %s", text, utc(leaf.NotAfter), counted(int(left/(24*time.Hour)), "day", "days"))
	}
}

// used is the certificate that serve has in use: from within it is known, from without it is asked for.
func (d *doctor) used(ctx context.Context, files tlsFiles, addr string) (*x509.Certificate, error) {
	for _, c := range d.certs {
		if c.files == files {
			return c.held.Load().Leaf, nil
		}
	}
	return servedCertificate(ctx, localAddr(addr))
}

// certificateNames are those that a certificate is for, as words behind it.
func certificateNames(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return ""
	}
	if len(names) > 4 {
		names = append(names[:4:4], "…")
	}
	return ", for " + strings.Join(names, ", ") + ","
}
