package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"

	"recall/oidc"
	"recall/seal"
	"recall/store"
	"recall/web"
)

// commonSettings are the settings of every command, as they were given. All are texts, so that every wrong one can be
// named in one message (newConfig), and so that none is quoted by the parser, which does not know which are secret.
type commonSettings struct {
	DatabaseURL     string `env:"RECALL_DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use, as postgres://user:password@host:5432/database. Without it a private one is run in the data folder. A flag can be seen by others on the machine: prefer the variable, or the file."`
	DatabaseURLFile string `env:"RECALL_DATABASE_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	DirectURL       string `env:"RECALL_DATABASE_DIRECT_URL" placeholder:"URL" help:"Way past a pooler in transaction mode, such as PgBouncer, that RECALL_DATABASE_URL leads through; none where there is no way past it."`
	DirectURLFile   string `env:"RECALL_DATABASE_DIRECT_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	ReadURL         string `env:"RECALL_DATABASE_READ_URL" placeholder:"URL" help:"A standby of the same database, which the pages' heavy reads are left to while it is near enough behind."`
	ReadURLFile     string `env:"RECALL_DATABASE_READ_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	OwnerURL        string `name:"database-owner-url" env:"RECALL_DATABASE_OWNER_URL" placeholder:"URL" help:"The same database as the role that owns the tables. With it the role of RECALL_DATABASE_URL can only add to the audit list and to events, and this one migrates and removes by retention. Without it one role does all."`
	OwnerURLFile    string `name:"database-owner-url-file" env:"RECALL_DATABASE_OWNER_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	DataDir         string `env:"RECALL_DATA_DIR" default:"./data" help:"Folder of the private database and the key."`
	Key             string `env:"RECALL_KEY" placeholder:"KEY" help:"Key that seals secrets and signs sessions, 64 hex digits (openssl rand -hex 32). Without it one is made in the data folder. A flag can be seen by others on the machine."`
	KeyFile         string `env:"RECALL_KEY_FILE" placeholder:"FILE" help:"File that holds the same."`
	PreviousKey     string `name:"key-previous" env:"RECALL_KEY_PREVIOUS" placeholder:"KEY" help:"Key of before, which still opens what it sealed, until recall key status says that nothing is left. A flag can be seen by others on the machine."`
	PreviousKeyFile string `name:"key-previous-file" env:"RECALL_KEY_PREVIOUS_FILE" placeholder:"FILE" help:"File that holds the same."`
	PostgresBin     string `env:"RECALL_POSTGRES_BIN" placeholder:"DIR" help:"Folder of PostgreSQL's server programs, for the private database. Without it they are looked for."`
	ReasonAbove     string `env:"RECALL_REASON_ABOVE" default:"10" help:"Sending more events again than this asks for a reason. 0: none does."`
	LogLevel        string `env:"RECALL_LOG_LEVEL" placeholder:"LEVEL" help:"debug, info, warn or error. Without it serve logs from info, serve --demo and other commands from warn."`
	LogFormat       string `env:"RECALL_LOG_FORMAT" placeholder:"FORMAT" help:"text or json. Without it text on a terminal, json otherwise."`
}

// serveSettings are the settings of serve, as they were given.
type serveSettings struct {
	ReceiverAddr     string `env:"RECALL_RECEIVER_ADDR" default:"127.0.0.1:8080" help:"Where callbacks are taken; the only address that has to be public."`
	AdminAddr        string `env:"RECALL_ADMIN_ADDR" default:"127.0.0.1:8081" help:"Where the admin UI is."`
	PublicURL        string `env:"RECALL_PUBLIC_URL" placeholder:"URL" help:"How plenigo reaches the receiver, such as https://callbacks.example.org. Without it the receiver's own address."`
	AdminURL         string `env:"RECALL_ADMIN_URL" placeholder:"URL" help:"How people reach the admin UI; with https its cookies are sent over TLS only. Without it the admin UI's own address."`
	TLSCertFile      string `name:"tls-cert-file" env:"RECALL_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate, with those between it and its root, as PEM: both listeners then speak TLS. Changed files are taken over while it runs. Without it a proxy has to do that."`
	TLSKeyFile       string `name:"tls-key-file" env:"RECALL_TLS_KEY_FILE" placeholder:"FILE" help:"The key of that certificate, as PEM."`
	AdminTLSCertFile string `name:"admin-tls-cert-file" env:"RECALL_ADMIN_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate of the admin UI, where it has one of its own or is the only one to speak TLS."`
	AdminTLSKeyFile  string `name:"admin-tls-key-file" env:"RECALL_ADMIN_TLS_KEY_FILE" placeholder:"FILE" help:"The key of that certificate."`
	TrustedProxies   string `env:"RECALL_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8."`
	MaxBody          string `env:"RECALL_MAX_BODY" default:"1MiB" help:"Largest body of a callback, in bytes or as 512KiB, 1MiB."`
	EgressAllow      string `env:"RECALL_EGRESS_ALLOW" placeholder:"CIDR,…" help:"Private addresses that events may be sent to. Without it none."`
	EgressProxy      string `env:"RECALL_EGRESS_PROXY" default:"off" help:"off sends directly; environment sends through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name, which then has to refuse private addresses itself."`
	Workers          string `env:"RECALL_WORKERS" default:"64" help:"Attempts made at the same time; 0 takes callbacks in and sends nothing."`
	SpoolMax         string `env:"RECALL_SPOOL_MAX" default:"1024MiB" help:"Disk that callbacks may take which wait while the database is away; past it they are answered 503."`
	SpoolMaxAge      string `env:"RECALL_SPOOL_MAX_AGE" default:"72h" help:"With a callback older than this waiting, no more are taken."`
	APIRate          string `env:"RECALL_API_RATE" name:"api-rate" default:"600" help:"Requests a minute that one token of the API may make of this instance; more are answered 429. 0: no limit."`
	RatePerSource    string `env:"RECALL_RATE_PER_SOURCE" default:"0" help:"Callbacks a second that a source may get, after ten seconds' worth at once; more are answered 429. 0: no limit."`
	RatePerAddress   string `env:"RECALL_RATE_PER_ADDRESS" default:"0" help:"The same for each address they come from."`
	RejectedPerHour  string `env:"RECALL_REJECTED_PER_HOUR" default:"10000" help:"Rejected callbacks of one sender that a source keeps in an hour, unless one was accepted from it; more are answered and counted only. 0: no limit."`
	MetricsToken     string `env:"RECALL_METRICS_TOKEN" placeholder:"TOKEN" help:"Token with which programs may read /metrics and /health/details, at least 16 characters (openssl rand -hex 16). Without it only who is logged in. A flag can be seen by others on the machine."`
	MetricsTokenFile string `env:"RECALL_METRICS_TOKEN_FILE" placeholder:"FILE" help:"File that holds the same."`
	AlertWindow      string `env:"RECALL_ALERT_WINDOW" default:"1m" help:"How long further alerts are waited for before one message goes out for all."`
	AlertRepeat      string `env:"RECALL_ALERT_REPEAT" default:"1h" help:"When an alert that lasts, and that nobody has acknowledged, is told again; each time after twice as long, up to a day."`
	AlertZone        string `env:"RECALL_ALERT_ZONE" default:"UTC" help:"Time zone by whose hours and weekdays a source's usual rhythm is judged, such as Europe/Berlin."`
	SessionIdle      string `env:"RECALL_SESSION_IDLE" default:"2h" help:"How long a log-in lasts that is not used."`
	SessionAge       string `env:"RECALL_SESSION_AGE" default:"12h" help:"How long a log-in lasts, whatever is done in between."`
	providerSettings `embed:""`
	RevealFor        string `env:"RECALL_REVEAL_FOR" default:"15m" help:"How long what is hidden stays revealed to who asked for it."`
	ShutdownDelay    string `env:"RECALL_SHUTDOWN_DELAY" default:"0s" help:"How long callbacks are still taken after the signal to stop, while /health/ready says no already: as long as a load balancer needs to notice."`
	ShutdownGrace    string `env:"RECALL_SHUTDOWN_GRACE" default:"8s" help:"How long requests and attempts that are under way may take to end when serve stops."`
}

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
	AlertWindow     time.Duration
	AlertRepeat     time.Duration
	AlertZone       *time.Location
	Sessions        store.SessionLimits
	Provider        *oidc.Options // nil: people log in here only
	PasswordLogin   web.PasswordLogin
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
	c.Provider, c.PasswordLogin = p.provider(serve.providerSettings, c.AdminURL, c.EgressProxy)
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

// problems collects what is wrong, one sentence each.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p problems) err() error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return usageError(p[0])
	}
	return usagef("%d settings are wrong:\n  %s", len(p), strings.Join(p, "\n  "))
}

// tlsFiles: a certificate is nothing without its key. Whether they fit is seen when serve opens them; other commands may not
// be let to read them.
func (p *problems) tlsFiles(prefix, cert, key string) tlsFiles {
	if (cert == "") != (key == "") {
		p.add("%s_CERT_FILE and %s_KEY_FILE go together: set both, or neither", prefix, prefix)
		return tlsFiles{}
	}
	if cert == "" {
		return tlsFiles{}
	}
	return tlsFiles{setting: prefix + "_CERT_FILE", cert: cert, key: key}
}

// secret reads a setting that may be in a file instead. name is where it was found, for what else may be wrong with it.
func (p *problems) secret(variable, value, file string) (text, name string) {
	fileVariable := variable + "_FILE"
	switch {
	case file == "":
		return value, variable
	case value != "":
		p.add("%s and %s are both set: set one of them", variable, fileVariable)
		return "", ""
	}
	content, err := os.ReadFile(file)
	if err != nil {
		p.add("%s: %v", fileVariable, err)
		return "", ""
	}
	if text = strings.TrimSpace(string(content)); text == "" {
		p.add("%s: the file %s is empty", fileVariable, file)
	}
	return text, fileVariable
}

// keys reads the key, with the previous one beside it.
func (p *problems) keys(common commonSettings) seal.Key {
	key := p.key("RECALL_KEY", common.Key, common.KeyFile)
	previous := p.key("RECALL_KEY_PREVIOUS", common.PreviousKey, common.PreviousKeyFile)
	switch {
	case previous == (seal.Key{}):
	case key == (seal.Key{}):
		p.add("RECALL_KEY_PREVIOUS stands beside RECALL_KEY, which is not set")
	case key == previous:
		p.add("RECALL_KEY_PREVIOUS is the same as RECALL_KEY: leave it out")
	}
	return key.WithPrevious(previous)
}

func (p *problems) key(variable, value, file string) seal.Key {
	text, name := p.secret(variable, value, file)
	if text == "" {
		return seal.Key{}
	}
	key, err := seal.ParseKey(text)
	if err != nil {
		p.add("%s: %v", name, err)
	}
	return key
}

// leastToken is the shortest token that is not worth guessing at.
const leastToken = 16

func (p *problems) token(variable, value, file string) string {
	text, name := p.secret(variable, value, file)
	if text != "" && (len(text) < leastToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })) {
		p.add("%s must be at least %d letters, digits and signs, without spaces: make one with openssl rand -hex 16", name, leastToken)
		return ""
	}
	return text
}

func (p *problems) zone(variable, value string) *time.Location {
	zone, err := time.LoadLocation(value)
	if err != nil {
		p.add("%s: there is no time zone %.60q; write it as Europe/Berlin, or UTC", variable, value)
		return time.UTC
	}
	return zone
}

// databaseURL: what pgx has to say about a wrong one may quote the password in it, so it is not repeated.
func (p *problems) databaseURL(variable, value, file string) string {
	text, name := p.secret(variable, value, file)
	if text == "" || text == store.NoDirect && variable == "RECALL_DATABASE_DIRECT_URL" {
		return text
	}
	if _, err := pgxpool.ParseConfig(text); err != nil {
		p.add("%s cannot be read: write it as postgres://user:password@host:5432/database, with signs such as @ / # %% in the password as %%40 %%2F %%23 %%25", name)
		return ""
	}
	return text
}

// folder is made absolute, so that messages show where a relative one leads.
func (p *problems) folder(name, value string) string {
	path, err := filepath.Abs(value)
	if err != nil {
		p.add("%s: %v", name, err)
	}
	return path
}

func (p *problems) logLevel(value string) slog.Level {
	var level slog.Level
	switch value {
	case "":
	case "debug", "info", "warn", "error":
		level.UnmarshalText([]byte(value)) // one of the four
	default:
		p.add("RECALL_LOG_LEVEL: %q is no level: debug, info, warn or error", value)
	}
	return level
}

func (p *problems) addr(name, value string) string {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		p.add("%s: %q is no address to listen on: write it as 127.0.0.1:8080, or :8080 for every address of this machine", name, value)
	}
	return value
}

func (p *problems) webURL(name, value string) string {
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		p.add("%s is no address of a web server: write it as https://recall.example.org", name)
		return ""
	}
	return strings.TrimRight(value, "/")
}

// prefixes reads ranges of addresses; a bare address is a range of one.
func (p *problems) prefixes(name, value string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range split(value) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				p.add("%s: %q is no range of addresses: write it as 10.0.0.0/8, several with commas between", name, text)
				continue
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, prefix.Masked())
	}
	return all
}

func (p *problems) size(name, value string, least, most int64) int64 {
	n, err := parseSize(value)
	if err != nil || n < least || n > most {
		p.add("%s: %q must be a size from %d to %d bytes, such as 1048576, 512KiB or 1MiB", name, value, least, most)
	}
	return n
}

func (p *problems) number(name, value string, least, most int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		p.add("%s: %q must be a whole number from %d to %d", name, value, least, most)
	}
	return n
}

func (p *problems) duration(name, value string, least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		p.add("%s: %q must be a time from %s to %s, such as 8s or 1m30s", name, value, least, most)
	}
	return d
}

// parseSize reads bytes, or KiB or MiB of them.
func parseSize(text string) (int64, error) {
	unit := int64(1)
	if number, found := strings.CutSuffix(text, "KiB"); found {
		text, unit = number, 1<<10
	} else if number, found := strings.CutSuffix(text, "MiB"); found {
		text, unit = number, 1<<20
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 40) // far from an overflow
	return n * unit, err
}

// split parts a list at its commas and leaves empty elements out.
func split(list string) []string {
	var all []string
	for element := range strings.SplitSeq(list, ",") {
		if element = strings.TrimSpace(element); element != "" {
			all = append(all, element)
		}
	}
	return all
}

// applyDefaults: a setting that is set to nothing, as compose files do, is not set. It returns every variable there is.
func applyDefaults(parser *kong.Kong) (known []string) {
	kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Envs) > 0 {
			known = append(known, flag.Envs...)
			if flag.Target.Kind() == reflect.String && flag.Target.String() == "" {
				flag.Target.SetString(flag.Default)
			}
		}
		return next(nil)
	})
	return known
}

// warnUnknown names variables that look like settings and are none, which is how a misspelt one is noticed.
func (a *app) warnUnknown(known []string) {
	is := map[string]bool{}
	for _, name := range known {
		is[name] = true
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "RECALL_") && !is[name] {
			a.log.Warn("unknown setting", "variable", name, "nearest", nearest(name, known))
		}
	}
}

// nearest is the known name that the fewest changed letters lead to.
func nearest(name string, known []string) string {
	best, least := "", len(name)+1
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
