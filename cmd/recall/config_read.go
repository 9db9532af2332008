package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"recall/seal"
	"recall/store"
)

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
