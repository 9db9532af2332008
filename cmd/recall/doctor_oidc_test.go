package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"recall/oidc"
	"recall/store"
	"recall/web"
)

// What doctor says of a provider for whatever it sees.
func TestDoctorJudgesTheProvider(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p, err := oidc.New(oidc.Options{Issuer: "https://login.example/realm", ClientID: "recall", RedirectURL: "https://recall.example/login/oidc/callback", Name: "Corp", DefaultRole: store.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	good := oidc.Sight{Issuer: "https://login.example/realm", Clock: true, Certificate: now.AddDate(0, 2, 0), Keys: 2, LogsOut: true}
	with := func(change func(*oidc.Sight)) oidc.Sight {
		s := good
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		seen            oidc.Sight
		err             error
		logOut          web.ProviderLogOut
		state, says, do string
	}{
		"as it has to be":                 {good, nil, "", "ok", "Corp answers, calls itself as expected, and has 2 keys; its certificate ends on 2027-01-24", ""},
		"away":                            {oidc.Sight{}, errors.New("connection refused"), "", "fail", "connection refused", "recall user code NAME"},
		"an authority of one's own":       {oidc.Sight{}, fmt.Errorf("Get: %w", x509.UnknownAuthorityError{}), "", "fail", "unknown authority", "SSL_CERT_FILE"},
		"a certificate that has ended":    {oidc.Sight{}, fmt.Errorf("Get: %w", x509.CertificateInvalidError{Reason: x509.Expired}), "", "fail", "expired", "renew"},
		"another's certificate":           {oidc.Sight{}, fmt.Errorf("Get: %w", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "login.example"}), "", "fail", "Corp", "renew"},
		"another issuer":                  {with(func(s *oidc.Sight) { s.Issuer += "/" }), nil, "", "fail", `calls itself "https://login.example/realm/"`, "to the last slash"},
		"no keys":                         {with(func(s *oidc.Sight) { s.Keys = 0 }), nil, "", "fail", "has no keys", "signing keys"},
		"a clock that is fast":            {with(func(s *oidc.Sight) { s.Skew = 90 * time.Second }), nil, "", "warn", "1m30s apart", "NTP"},
		"a clock that is slow":            {with(func(s *oidc.Sight) { s.Skew = -90 * time.Second }), nil, "", "warn", "1m30s apart", "NTP"},
		"a certificate that ends soon":    {with(func(s *oidc.Sight) { s.Certificate = now.AddDate(0, 0, 3) }), nil, "", "warn", "ends on 2026-11-27", "renew"},
		"no log-out, which goes on there": {with(func(s *oidc.Sight) { s.LogsOut = false }), nil, web.LogOutAlways, "warn", "announces no log-out", "RECALL_OIDC_LOGOUT=off"},
		"no log-out, which is offered":    {with(func(s *oidc.Sight) { s.LogsOut = false }), nil, web.LogOutOffer, "ok", "answers", ""},
	} {
		got := providerFinding(p, test.seen, test.err, test.logOut, now)
		if got.State != test.state || !strings.Contains(got.Detail, test.says) || !strings.Contains(got.Do, test.do) {
			t.Errorf("%s: %+v, want %s %q %q", name, got, test.state, test.says, test.do)
		}
	}
}

// The line itself, by the command, of a provider that is there, calls itself otherwise, has another time, and is away.
func TestDoctorAsksTheProvider(t *testing.T) {
	t.Parallel()
	var issuer string
	var ahead time.Duration
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "jwks_uri": "http://" + r.Host + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(`{"keys":[{}]}`)) })
	l := httptest.NewServer(mux)
	t.Cleanup(l.Close)
	_, port, err := net.SplitHostPort(l.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	address := "http://localhost:" + port
	env := []string{
		"RECALL_DATA_DIR=" + t.TempDir(), "RECALL_ADMIN_ADDR=127.0.0.1:1", "RECALL_DATABASE_URL=postgres://127.0.0.1:1/none", "RECALL_ADMIN_URL=https://recall.example",
		"RECALL_OIDC_ISSUER=" + address, "RECALL_OIDC_CLIENT_ID=recall", "RECALL_OIDC_CLIENT_SECRET=" + testSecret, "RECALL_OIDC_ROLES=a=admin", "RECALL_OIDC_NAME=Corp",
	}
	look := func(state, says string) {
		t.Helper()
		r := runBinary(t, env, "doctor", "--json")
		if got := findings(t, r)["provider"]; got.State != state || !strings.Contains(got.Detail, says) {
			t.Errorf("found %+v, want %s %q", got, state, says)
		}
		if strings.Contains(r.out+r.errs, testSecret) {
			t.Error("it tells the client's secret")
		}
	}
	issuer = address
	look("ok", "Corp answers, calls itself as expected, and has 1 key")
	ahead = time.Hour
	look("warn", "apart")
	issuer = address + "/realm"
	look("fail", "calls itself")
	l.Close()
	look("fail", "connection refused")
}
