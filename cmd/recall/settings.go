package main

// commonSettings are the settings of every command, as they were given. All are texts, so that every wrong one can be
// named in one message (newConfig), and so that none is quoted by the parser, which does not know which are secret.
type commonSettings struct {
	DatabaseURL     string `env:"RECALL_DATABASE_URL" placeholder:"URL" help:"PostgreSQL 15 or newer to use, as postgres://user:password@host:5432/database; with several hosts and target_session_attrs it follows a failover. Without it a private one is run in the data folder. A flag can be seen by others on the machine: prefer the variable, or the file."`
	DatabaseURLFile string `env:"RECALL_DATABASE_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	DirectURL       string `name:"database-direct-url" env:"RECALL_DATABASE_DIRECT_URL" placeholder:"URL" help:"Way past a pooler in transaction mode, such as PgBouncer, that RECALL_DATABASE_URL leads through; none where there is no way past it."`
	DirectURLFile   string `name:"database-direct-url-file" env:"RECALL_DATABASE_DIRECT_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	ReadURL         string `name:"database-read-url" env:"RECALL_DATABASE_READ_URL" placeholder:"URL" help:"A standby of the same database, which the pages' heavy reads (lists, searches, histories, exports, volume) are left to while it is at most 10 s behind."`
	ReadURLFile     string `name:"database-read-url-file" env:"RECALL_DATABASE_READ_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	OwnerURL        string `name:"database-owner-url" env:"RECALL_DATABASE_OWNER_URL" placeholder:"URL" help:"The same database as the role that owns the tables. With it the role of RECALL_DATABASE_URL can only add to the audit list and to events, and this one migrates and removes by retention. Without it one role does all."`
	OwnerURLFile    string `name:"database-owner-url-file" env:"RECALL_DATABASE_OWNER_URL_FILE" placeholder:"FILE" help:"File that holds the same."`
	DataDir         string `env:"RECALL_DATA_DIR" default:"./data" help:"Folder of the private database, the key and the spool. Each instance has its own."`
	Key             string `env:"RECALL_KEY" placeholder:"KEY" help:"Key that seals secrets and signs sessions, 64 hex digits (openssl rand -hex 32). Without it one is made in the data folder. A flag can be seen by others on the machine."`
	KeyFile         string `env:"RECALL_KEY_FILE" placeholder:"FILE" help:"File that holds the same."`
	PreviousKey     string `name:"key-previous" env:"RECALL_KEY_PREVIOUS" placeholder:"KEY" help:"Key of before, which still opens what it sealed, until recall key status says that nothing is left. A flag can be seen by others on the machine."`
	PreviousKeyFile string `name:"key-previous-file" env:"RECALL_KEY_PREVIOUS_FILE" placeholder:"FILE" help:"File that holds the same."`
	PostgresBin     string `env:"RECALL_POSTGRES_BIN" placeholder:"DIR" help:"Folder of PostgreSQL's server programs, for the private database. Without it they are looked for."`
	ReasonAbove     string `env:"RECALL_REASON_ABOVE" default:"10" help:"Sending more events again than this asks for a reason. 0: none does."`
	LogLevel        string `env:"RECALL_LOG_LEVEL" placeholder:"LEVEL" help:"debug, info, warn or error. Without it serve logs from info, serve --demo and other commands from warn."`
	LogFormat       string `env:"RECALL_LOG_FORMAT" placeholder:"FORMAT" help:"text or json. Without it text on a terminal, json otherwise."`
}

// serveSettings are the settings of serve, as they were given. The groups are the headings of its help and of docs/settings.md.
type serveSettings struct {
	addressSettings   `embed:"" group:"Settings: addresses and TLS"`
	receivingSettings `embed:"" group:"Settings: receiving"`
	sendingSettings   `embed:"" group:"Settings: sending"`
	watchingSettings  `embed:"" group:"Settings: metrics and alerts"`
	pageSettings      `embed:"" group:"Settings: pages and API"`
	providerSettings  `embed:"" group:"Settings: an identity provider"`
	stoppingSettings  `embed:"" group:"Settings: stopping"`
}

// addressSettings: where serve listens, and how it is reached.
type addressSettings struct {
	ReceiverAddr     string `env:"RECALL_RECEIVER_ADDR" default:"127.0.0.1:8080" help:"Where callbacks are taken; the only address that has to be public."`
	AdminAddr        string `env:"RECALL_ADMIN_ADDR" default:"127.0.0.1:8081" help:"Where the admin UI is."`
	PublicURL        string `env:"RECALL_PUBLIC_URL" placeholder:"URL" help:"How plenigo reaches the receiver, such as https://callbacks.example.org. Without it the receiver's own address."`
	AdminURL         string `env:"RECALL_ADMIN_URL" placeholder:"URL" help:"How people reach the admin UI; with https its cookies are sent over TLS only. Without it the admin UI's own address."`
	TrustedProxies   string `env:"RECALL_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8."`
	TLSCertFile      string `name:"tls-cert-file" env:"RECALL_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate, with those between it and its root, as PEM: both listeners then speak TLS. Changed files are taken over while it runs. Without it a proxy has to do that."`
	TLSKeyFile       string `name:"tls-key-file" env:"RECALL_TLS_KEY_FILE" placeholder:"FILE" help:"The key of that certificate, as PEM."`
	AdminTLSCertFile string `name:"admin-tls-cert-file" env:"RECALL_ADMIN_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate of the admin UI, where it has one of its own or is the only one to speak TLS."`
	AdminTLSKeyFile  string `name:"admin-tls-key-file" env:"RECALL_ADMIN_TLS_KEY_FILE" placeholder:"FILE" help:"The key of that certificate."`
}

// receivingSettings: what is taken in, and how much of it.
type receivingSettings struct {
	MaxBody         string `env:"RECALL_MAX_BODY" default:"1MiB" help:"Largest body of a callback, in bytes or as 512KiB, 1MiB."`
	SpoolMax        string `env:"RECALL_SPOOL_MAX" default:"1024MiB" help:"Disk that callbacks may take which wait while the database is away; past it they are answered 503."`
	SpoolMaxAge     string `env:"RECALL_SPOOL_MAX_AGE" default:"72h" help:"With a callback older than this waiting, no more are taken."`
	RatePerSource   string `env:"RECALL_RATE_PER_SOURCE" default:"0" help:"Callbacks a second that a source may get, after ten seconds' worth at once; more are answered 429. 0: no limit."`
	RatePerAddress  string `env:"RECALL_RATE_PER_ADDRESS" default:"0" help:"The same for each address they come from."`
	RejectedPerHour string `env:"RECALL_REJECTED_PER_HOUR" default:"10000" help:"Rejected callbacks of one sender that a source keeps in an hour, unless one was accepted from it; more are answered and counted only. 0: no limit."`
}

// sendingSettings: how events go out.
type sendingSettings struct {
	Workers     string `env:"RECALL_WORKERS" default:"64" help:"Attempts made at the same time; 0 takes callbacks in and sends nothing."`
	EgressAllow string `env:"RECALL_EGRESS_ALLOW" placeholder:"CIDR,…" help:"Private addresses that events may be sent to. Without it none."`
	EgressProxy string `env:"RECALL_EGRESS_PROXY" default:"off" help:"off sends directly; environment sends through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name, which then has to refuse private addresses itself."`
}

// watchingSettings: how serve is watched, and whom it tells what.
type watchingSettings struct {
	MetricsToken     string `env:"RECALL_METRICS_TOKEN" placeholder:"TOKEN" help:"Token with which programs may read /metrics and /health/details, at least 16 characters (openssl rand -hex 16). Without it only who is logged in. A flag can be seen by others on the machine."`
	MetricsTokenFile string `env:"RECALL_METRICS_TOKEN_FILE" placeholder:"FILE" help:"File that holds the same."`
	BackupFile       string `env:"RECALL_BACKUP_FILE" placeholder:"FILE" help:"File that your backup touches when it has ended well: recall doctor and the page of health then tell its age."`
	BackupMaxAge     string `env:"RECALL_BACKUP_MAX_AGE" default:"26h" help:"When that file is too old."`
	AlertWindow      string `env:"RECALL_ALERT_WINDOW" default:"1m" help:"How long further alerts are waited for before one message goes out for all."`
	AlertRepeat      string `env:"RECALL_ALERT_REPEAT" default:"1h" help:"When an alert that lasts, and that nobody has acknowledged, is told again; each time after twice as long, up to a day."`
	AlertZone        string `env:"RECALL_ALERT_ZONE" default:"UTC" help:"Time zone by whose hours and weekdays a source's usual rhythm is judged, such as Europe/Berlin."`
}

// pageSettings: pages and API.
type pageSettings struct {
	SessionIdle string `env:"RECALL_SESSION_IDLE" default:"2h" help:"How long a log-in lasts that is not used."`
	SessionAge  string `env:"RECALL_SESSION_AGE" default:"12h" help:"How long a log-in lasts, whatever is done in between."`
	RevealFor   string `env:"RECALL_REVEAL_FOR" default:"15m" help:"How long what is hidden stays revealed to who asked for it."`
	APIRate     string `env:"RECALL_API_RATE" name:"api-rate" default:"600" help:"Requests a minute that one token of the API may make of this instance; more are answered 429. 0: no limit."`
}

// stoppingSettings: how serve stops.
type stoppingSettings struct {
	ShutdownDelay string `env:"RECALL_SHUTDOWN_DELAY" default:"0s" help:"How long callbacks are still taken after the signal to stop, while /health/ready says no already: as long as a load balancer needs to notice."`
	ShutdownGrace string `env:"RECALL_SHUTDOWN_GRACE" default:"8s" help:"How long requests and attempts that are under way may take to end when serve stops."`
}
