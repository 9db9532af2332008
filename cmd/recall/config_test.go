package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"recall/seal"
	"recall/store"
	"recall/web"
)

// Each wrong setting gives one sentence that names its variable, says what is right and shows no secret.
func TestWrongSettings(t *testing.T) {
	empty := fileWith(t, "\n")
	secret := fileWith(t, "geheim")
	for _, test := range []struct {
		name, variable, value, want string
	}{
		{"database of another kind", "RECALL_DATABASE_URL", "mysql://u:geheim@h/d", `RECALL_DATABASE_URL cannot be read: write it as postgres://user:password@host:5432/database, with signs such as @ / # % in the password as %40 %2F %23 %25`},
		{"database with a bad port", "RECALL_DATABASE_URL", "postgres://u:geheim/x@h:5432/d", "RECALL_DATABASE_URL cannot be read: write it as postgres://user:password@host:5432/database, with signs such as @ / # % in the password as %40 %2F %23 %25"},
		{"database in a file that is missing", "RECALL_DATABASE_URL_FILE", "/nowhere/url", "RECALL_DATABASE_URL_FILE: open /nowhere/url: no such file or directory"},
		{"database in an empty file", "RECALL_DATABASE_URL_FILE", empty, "RECALL_DATABASE_URL_FILE: the file " + empty + " is empty"},
		{"database in a file that is wrong", "RECALL_DATABASE_URL_FILE", secret, "RECALL_DATABASE_URL_FILE cannot be read: write it as postgres://user:password@host:5432/database, with signs such as @ / # % in the password as %40 %2F %23 %25"},
		{"key too short", "RECALL_KEY", "geheim", "RECALL_KEY: the key must be 32 bytes, written as 64 hex digits or as base64; make one with: openssl rand -hex 32"},
		{"key in a file that is missing", "RECALL_KEY_FILE", "/nowhere/key", "RECALL_KEY_FILE: open /nowhere/key: no such file or directory"},
		{"key in a file that is wrong", "RECALL_KEY_FILE", secret, "RECALL_KEY_FILE: the key must be 32 bytes, written as 64 hex digits or as base64; make one with: openssl rand -hex 32"},
		{"log level", "RECALL_LOG_LEVEL", "loud", `RECALL_LOG_LEVEL: "loud" is no level: debug, info, warn or error`},
		{"log format", "RECALL_LOG_FORMAT", "xml", `RECALL_LOG_FORMAT: "xml" is no format: text or json`},
		{"address without port", "RECALL_RECEIVER_ADDR", "127.0.0.1", `RECALL_RECEIVER_ADDR: "127.0.0.1" is no address to listen on: write it as 127.0.0.1:8080, or :8080 for every address of this machine`},
		{"address with a name as port", "RECALL_ADMIN_ADDR", ":http", `RECALL_ADMIN_ADDR: ":http" is no address to listen on: write it as 127.0.0.1:8080, or :8080 for every address of this machine`},
		{"address with too high a port", "RECALL_ADMIN_ADDR", ":65536", `RECALL_ADMIN_ADDR: ":65536" is no address to listen on: write it as 127.0.0.1:8080, or :8080 for every address of this machine`},
		{"both on one port", "RECALL_ADMIN_ADDR", "127.0.0.1:8080", "RECALL_RECEIVER_ADDR and RECALL_ADMIN_ADDR are both 127.0.0.1:8080: each needs a port of its own"},
		{"public URL without scheme", "RECALL_PUBLIC_URL", "callbacks.example.org", "RECALL_PUBLIC_URL is no address of a web server: write it as https://recall.example.org"},
		{"admin URL with a password", "RECALL_ADMIN_URL", "https://u:geheim@example.org", "RECALL_ADMIN_URL is no address of a web server: write it as https://recall.example.org"},
		{"proxy by name", "RECALL_TRUSTED_PROXIES", "10.0.0.0/8, proxy", `RECALL_TRUSTED_PROXIES: "proxy" is no range of addresses: write it as 10.0.0.0/8, several with commas between`},
		{"egress proxy by URL", "RECALL_EGRESS_PROXY", "http://u:geheim@proxy", `RECALL_EGRESS_PROXY: it can be off, or environment; the proxy itself is named by HTTP_PROXY and HTTPS_PROXY`},
		{"range too narrow", "RECALL_EGRESS_ALLOW", "10.0.0.0/33", `RECALL_EGRESS_ALLOW: "10.0.0.0/33" is no range of addresses: write it as 10.0.0.0/8, several with commas between`},
		{"size with another unit", "RECALL_MAX_BODY", "1MB", `RECALL_MAX_BODY: "1MB" must be a size from 1024 to 67108864 bytes, such as 1048576, 512KiB or 1MiB`},
		{"size too small", "RECALL_MAX_BODY", "0", `RECALL_MAX_BODY: "0" must be a size from 1024 to 67108864 bytes, such as 1048576, 512KiB or 1MiB`},
		{"size past every bound", "RECALL_MAX_BODY", "999999999999MiB", `RECALL_MAX_BODY: "999999999999MiB" must be a size from 1024 to 67108864 bytes, such as 1048576, 512KiB or 1MiB`},
		{"workers", "RECALL_WORKERS", "many", `RECALL_WORKERS: "many" must be a whole number from 0 to 500`},
		{"grace without unit", "RECALL_SHUTDOWN_GRACE", "8", `RECALL_SHUTDOWN_GRACE: "8" must be a time from 1s to 10m0s, such as 8s or 1m30s`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(test.variable, test.value)
			got := command(t, "", "serve")
			if got.status != 2 || got.out != "" || got.errs != "recall: "+test.want+"\n" {
				t.Errorf("exit status %d\n got %s\nwant recall: %s", got.status, got.out+got.errs, test.want)
			}
			if strings.Contains(got.errs, "geheim") {
				t.Error("it shows the secret")
			}
		})
	}
}

func TestAllWrongSettingsAreNamedAtOnce(t *testing.T) {
	t.Setenv("RECALL_WORKERS", "many")
	t.Setenv("RECALL_KEY", "geheim")
	t.Setenv("RECALL_KEY_FILE", "/nowhere/key")
	command(t, "", "serve", "--max-body=x", "--receiver-addr=x").want(t, 2, "4 settings are wrong:\n",
		"\n  RECALL_WORKERS: ", "\n  RECALL_KEY and RECALL_KEY_FILE are both set: set one of them\n", "\n  RECALL_MAX_BODY: ", "\n  RECALL_RECEIVER_ADDR: ")
}

func TestSettings(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("RECALL_DATA_DIR", folder)
	t.Setenv("RECALL_DATABASE_URL_FILE", fileWith(t, "postgres://u:p@h/d\n"))
	t.Setenv("RECALL_KEY", strings.Repeat("ab", 32))
	t.Setenv("RECALL_RECEIVER_ADDR", ":8080")
	t.Setenv("RECALL_ADMIN_ADDR", "[::1]:9090") // the flag below wins
	t.Setenv("RECALL_PUBLIC_URL", "https://callbacks.example.org/")
	t.Setenv("RECALL_TRUSTED_PROXIES", "10.0.0.1, fd00::/8")
	t.Setenv("RECALL_MAX_BODY", "") // set to nothing: not set
	t.Setenv("RECALL_EGRESS_ALLOW", "10.1.2.3/8,192.0.2.1")
	t.Setenv("RECALL_SHUTDOWN_GRACE", "1m")

	got := settings(t, "serve", "--admin-addr=[::1]:8081", "--workers=7")
	want := config{
		DatabaseURL: "postgres://u:p@h/d", DataDir: folder,
		ReceiverAddr: ":8080", AdminAddr: "[::1]:8081", PublicURL: "https://callbacks.example.org",
		TrustedProxies: []string{"10.0.0.1", "fd00::/8"}, MaxBody: 1 << 20,
		EgressAllow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
		ReasonAbove: 10, Workers: 7, SpoolMax: 1 << 30, SpoolMaxAge: 72 * time.Hour, BackupMaxAge: 26 * time.Hour, RejectedPerHour: 10_000, ShutdownGrace: time.Minute,
		Sessions:    store.SessionLimits{Idle: 2 * time.Hour, Age: 12 * time.Hour},
		AlertWindow: time.Minute, AlertRepeat: time.Hour, AlertZone: time.UTC, RevealFor: 15 * time.Minute, APIRate: 600, PasswordLogin: web.PasswordOn, ProviderLogOut: web.LogOutOffer,
	}
	if got.Key == (seal.Key{}) {
		t.Error("no key")
	}
	got.Key = seal.Key{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDefaults(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := settings(t, "serve")
	want := config{
		DataDir: filepath.Join(here, "data"), ReceiverAddr: "127.0.0.1:8080", AdminAddr: "127.0.0.1:8081",
		MaxBody: 1 << 20, ReasonAbove: 10, Workers: 64, SpoolMax: 1 << 30, SpoolMaxAge: 72 * time.Hour, BackupMaxAge: 26 * time.Hour, RejectedPerHour: 10_000, ShutdownGrace: 8 * time.Second,
		Sessions:    store.SessionLimits{Idle: 2 * time.Hour, Age: 12 * time.Hour},
		AlertWindow: time.Minute, AlertRepeat: time.Hour, AlertZone: time.UTC, RevealFor: 15 * time.Minute, APIRate: 600, PasswordLogin: web.PasswordOn, ProviderLogOut: web.LogOutOffer,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// settings is what a command line and the environment mean.
func settings(t *testing.T, args ...string) config {
	t.Helper()
	var given cli
	parser, err := kong.New(&given, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	applyDefaults(parser)
	c, err := newConfig(given.commonSettings, given.Serve.serveSettings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestUnknownSettingIsNoticed(t *testing.T) {
	t.Setenv("RECALL_RECIEVER_ADDR", "127.0.0.1:1")
	t.Setenv("RECALL_DATA_DIR", filepath.Join(t.TempDir(), "none"))
	command(t, "", "db", "url").want(t, 1, `"variable":"RECALL_RECIEVER_ADDR","nearest":"RECALL_RECEIVER_ADDR"`)
}

func TestSecretsAreInNoHelp(t *testing.T) {
	const password = "geheim"
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"source", "add", "--help"}} {
		got := runBinary(t, []string{"RECALL_DATABASE_URL=postgres://u:" + password + "@h/d", "RECALL_KEY=" + password}, args...)
		got.want(t, 0, "RECALL_DATABASE_URL")
		if strings.Contains(got.out+got.errs, password) {
			t.Errorf("%q shows it:\n%s", args, got.out+got.errs)
		}
	}
}

// verify and simulate work wherever they are, whatever the settings of a server there.
func TestCommandsWithoutSettings(t *testing.T) {
	t.Setenv("RECALL_WORKERS", "many")
	command(t, "{}", "verify", "--secret", "s").want(t, 1, "rejected")
	command(t, "", "db", "url").want(t, 2, "RECALL_WORKERS")
}

func FuzzSize(f *testing.F) {
	for _, text := range []string{"0", "1048576", "512KiB", "1 MiB", "-1", "1KiBMiB", "KiB", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if err == nil && n < 0 && !strings.Contains(text, "-") {
			t.Errorf("%q is %d", text, n)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"RECALL_KEY", "RECALL_KEY_FILE", "RECALL_WORKERS"}
	for name, want := range map[string]string{
		"RECALL_KEYFILE": "RECALL_KEY_FILE", "RECALL_WORKER": "RECALL_WORKERS", "RECALL_KEY_": "RECALL_KEY", "RECALL_ÄÖÜ": "RECALL_KEY",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
