package main

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"recall/oidc"
	"recall/seal"
	"recall/store"
	"recall/web"
)

// config is what the settings mean. It holds no wrong value.
type config struct {
	DatabaseURL string // "": a private PostgreSQL in the data folder
	DirectURL   string // "": no pooler; store.NoDirect: no way past it
	ReadURL     string // "": no standby to read from
	OwnerURL    string // "": the role of DatabaseURL owns the tables
	DataDir     string
	Key         seal.Key // zero: in the data folder
	PostgresBin string
	ReasonAbove int
	LogLevel    slog.Level
	LogLevelSet bool
	LogFormat   string // "": by whether it is a terminal

	ReceiverAddr    string
	AdminAddr       string
	PublicURL       string   // "": the receiver's own address
	AdminURL        string   // "": the admin UI's own address
	TLS             tlsFiles // of the receiver
	AdminTLS        tlsFiles
	TrustedProxies  []string
	MaxBody         int64
	EgressAllow     []netip.Prefix
	EgressProxy     bool // as the environment says
	Workers         int
	SpoolMax        int64
	SpoolMaxAge     time.Duration
	APIRate         int // a minute; 0: no limit
	RatePerSource   float64
	RatePerAddress  float64
	RejectedPerHour int
	MetricsToken    string // "": none
	BackupFile      string // touched by the backup; "": nobody tells
	BackupMaxAge    time.Duration
	AlertWindow     time.Duration
	AlertRepeat     time.Duration
	AlertZone       *time.Location
	Sessions        store.SessionLimits
	Provider        *oidc.Options // nil: people log in here only
	PasswordLogin   web.PasswordLogin
	ProviderLogOut  web.ProviderLogOut
	RevealFor       time.Duration
	ShutdownDelay   time.Duration
	ShutdownGrace   time.Duration
}

// newConfig reads the settings, and names every wrong one in one usageError. No secret is in it.
func newConfig(common commonSettings, serve serveSettings) (config, error) {
	var p problems
	c := config{
		DatabaseURL: p.databaseURL("RECALL_DATABASE_URL", common.DatabaseURL, common.DatabaseURLFile),
		DirectURL:   p.databaseURL("RECALL_DATABASE_DIRECT_URL", common.DirectURL, common.DirectURLFile),
		ReadURL:     p.databaseURL("RECALL_DATABASE_READ_URL", common.ReadURL, common.ReadURLFile),
		OwnerURL:    p.databaseURL("RECALL_DATABASE_OWNER_URL", common.OwnerURL, common.OwnerURLFile),
		DataDir:     p.folder("RECALL_DATA_DIR", common.DataDir),
		Key:         p.keys(common),
		PostgresBin: common.PostgresBin,
		ReasonAbove: p.number("RECALL_REASON_ABOVE", common.ReasonAbove, 0, 1_000_000_000),
		LogLevel:    p.logLevel(common.LogLevel),
		LogLevelSet: common.LogLevel != "",
		LogFormat:   common.LogFormat,

		ReceiverAddr:    p.addr("RECALL_RECEIVER_ADDR", serve.ReceiverAddr),
		AdminAddr:       p.addr("RECALL_ADMIN_ADDR", serve.AdminAddr),
		PublicURL:       p.webURL("RECALL_PUBLIC_URL", serve.PublicURL),
		AdminURL:        p.webURL("RECALL_ADMIN_URL", serve.AdminURL),
		TLS:             p.tlsFiles("RECALL_TLS", serve.TLSCertFile, serve.TLSKeyFile),
		AdminTLS:        p.tlsFiles("RECALL_ADMIN_TLS", serve.AdminTLSCertFile, serve.AdminTLSKeyFile),
		TrustedProxies:  split(serve.TrustedProxies),
		MaxBody:         p.size("RECALL_MAX_BODY", serve.MaxBody, 1<<10, 64<<20),
		EgressAllow:     p.prefixes("RECALL_EGRESS_ALLOW", serve.EgressAllow),
		EgressProxy:     serve.EgressProxy == "environment",
		Workers:         p.number("RECALL_WORKERS", serve.Workers, 0, 500),
		SpoolMax:        p.size("RECALL_SPOOL_MAX", serve.SpoolMax, 1<<20, 1<<50),
		SpoolMaxAge:     p.duration("RECALL_SPOOL_MAX_AGE", serve.SpoolMaxAge, time.Minute, 365*24*time.Hour),
		APIRate:         p.number("RECALL_API_RATE", serve.APIRate, 0, 1_000_000),
		RatePerSource:   float64(p.number("RECALL_RATE_PER_SOURCE", serve.RatePerSource, 0, 1_000_000)),
		RatePerAddress:  float64(p.number("RECALL_RATE_PER_ADDRESS", serve.RatePerAddress, 0, 1_000_000)),
		RejectedPerHour: p.number("RECALL_REJECTED_PER_HOUR", serve.RejectedPerHour, 0, 1_000_000_000),
		MetricsToken:    p.token("RECALL_METRICS_TOKEN", serve.MetricsToken, serve.MetricsTokenFile),
		BackupFile:      serve.BackupFile,
		BackupMaxAge:    p.duration("RECALL_BACKUP_MAX_AGE", serve.BackupMaxAge, time.Minute, 365*24*time.Hour),
		AlertWindow:     p.duration("RECALL_ALERT_WINDOW", serve.AlertWindow, time.Second, time.Hour),
		AlertRepeat:     p.duration("RECALL_ALERT_REPEAT", serve.AlertRepeat, time.Minute, 7*24*time.Hour),
		AlertZone:       p.zone("RECALL_ALERT_ZONE", serve.AlertZone),
		Sessions: store.SessionLimits{
			Idle: p.duration("RECALL_SESSION_IDLE", serve.SessionIdle, time.Minute, 30*24*time.Hour),
			Age:  p.duration("RECALL_SESSION_AGE", serve.SessionAge, time.Minute, 30*24*time.Hour),
		},
		RevealFor:     p.duration("RECALL_REVEAL_FOR", serve.RevealFor, time.Minute, 24*time.Hour),
		ShutdownDelay: p.duration("RECALL_SHUTDOWN_DELAY", serve.ShutdownDelay, 0, 10*time.Minute),
		ShutdownGrace: p.duration("RECALL_SHUTDOWN_GRACE", serve.ShutdownGrace, time.Second, 10*time.Minute),
	}
	c.Provider, c.PasswordLogin, c.ProviderLogOut = p.provider(serve.providerSettings, c.AdminURL, c.EgressProxy)
	if c.DatabaseURL == "" && (c.DirectURL != "" || c.ReadURL != "") {
		p.add("RECALL_DATABASE_DIRECT_URL and RECALL_DATABASE_READ_URL stand beside RECALL_DATABASE_URL, which is not set")
	}
	if !c.AdminTLS.on() {
		c.AdminTLS = c.TLS
	}
	if c.AdminTLS.on() && strings.HasPrefix(c.AdminURL, "http://") {
		p.add("RECALL_ADMIN_URL begins with http, and %s has the admin UI speak TLS: write it with https", c.AdminTLS.setting)
	}
	p.prefixes("RECALL_TRUSTED_PROXIES", serve.TrustedProxies)
	if c.OwnerURL != "" && c.DatabaseURL == "" {
		p.add("RECALL_DATABASE_OWNER_URL needs RECALL_DATABASE_URL beside it: the private database has one role")
	}
	if c.LogFormat != "" && c.LogFormat != "text" && c.LogFormat != "json" {
		p.add("RECALL_LOG_FORMAT: %q is no format: text or json", c.LogFormat)
	}
	if serve.EgressProxy != "" && serve.EgressProxy != "off" && serve.EgressProxy != "environment" {
		p.add("RECALL_EGRESS_PROXY: it can be off, or environment; the proxy itself is named by HTTP_PROXY and HTTPS_PROXY") // what was given may hold a password
	}
	if c.ReceiverAddr == c.AdminAddr && !strings.HasSuffix(c.AdminAddr, ":0") {
		p.add("RECALL_RECEIVER_ADDR and RECALL_ADMIN_ADDR are both %s: each needs a port of its own", c.AdminAddr)
	}
	return c, p.err()
}
