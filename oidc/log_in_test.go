package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"recall/oidc"
	"recall/store"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// liar is a provider that answers whatever a test wants, which no real one does: see web's tests for one of those.
type liar struct {
	*httptest.Server
	key, other *rsa.PrivateKey
	token      map[string]any // claims of the next ID token
	userinfo   map[string]any
	signer     func(t *testing.T, l *liar, claims []byte) string
	raw        string // instead of the token endpoint's whole answer
	namesIss   bool
	down       bool
	asked      int // for its description
	exchanged  url.Values
}

// rsaKeys take long to make.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

func signed(key func(*liar) any, algorithm jose.SignatureAlgorithm) func(*testing.T, *liar, []byte) string {
	return func(t *testing.T, l *liar, claims []byte) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key(l)}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
		must(t, err)
		object, err := signer.Sign(claims)
		must(t, err)
		text, err := object.CompactSerialize()
		must(t, err)
		return text
	}
}

func newLiar(t *testing.T) *liar {
	t.Helper()
	l := &liar{key: rsaKeys()[0], other: rsaKeys()[1], signer: signed(func(l *liar) any { return l.key }, jose.RS256)}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		if l.asked++; l.down {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		answer(w, map[string]any{
			"issuer": l.URL, "authorization_endpoint": l.URL + "/auth", "token_endpoint": l.URL + "/token", "jwks_uri": l.URL + "/keys",
			"userinfo_endpoint": l.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
			"authorization_response_iss_parameter_supported": l.namesIss,
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: l.key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		l.exchanged = r.PostForm
		if l.raw != "" {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(l.raw))
			return
		}
		claims, err := json.Marshal(l.token)
		must(t, err)
		answer(w, map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": l.signer(t, l, claims)})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer opaque" || l.userinfo == nil {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		answer(w, l.userinfo)
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func (l *liar) provider(t *testing.T, change ...func(*oidc.Options)) *oidc.Provider {
	t.Helper()
	o := oidc.Options{
		Issuer: l.URL, ClientID: "recall", ClientSecret: "s3cret", RedirectURL: "https://recall.example/login/oidc/callback", RoleClaim: "groups",
		Roles: []oidc.RoleRule{{Value: "admins", Role: store.RoleAdmin}, {Value: "ops", Role: store.RoleOperator}}, Now: func() time.Time { return now },
	}
	for _, f := range change {
		f(&o)
	}
	p, err := oidc.New(o)
	must(t, err)
	return p
}

// good are the claims of a token as it has to be.
func (l *liar) good(a oidc.Attempt) map[string]any {
	return map[string]any{
		"iss": l.URL, "aud": "recall", "sub": "1", "nonce": a.Nonce, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"preferred_username": "anna", "groups": []string{"ops"},
	}
}

// Each answer differs in one thing from one that lets in.
func TestAnswersToDistrust(t *testing.T) {
	const trusted = ""
	none := func(*liar) {}
	claim := func(name string, value any) func(*liar) {
		return func(l *liar) {
			if l.token[name] = value; value == nil {
				delete(l.token, name)
			}
		}
	}
	signer := func(key func(*liar) any, algorithm jose.SignatureAlgorithm) func(*liar) {
		return func(l *liar) { l.signer = signed(key, algorithm) }
	}
	for name, test := range map[string]struct {
		change func(*liar)
		want   string // in the error
	}{
		"as it has to be":          {none, trusted},
		"another nonce":            {claim("nonce", "another"), "nonce"},
		"no nonce":                 {claim("nonce", nil), "nonce"},
		"another audience":         {claim("aud", "shop"), "expected audience"},
		"no audience":              {claim("aud", nil), "expected audience"},
		"several audiences":        {claim("aud", []string{"recall", "shop"}), "another client"},
		"several, of another":      {func(l *liar) { l.token["aud"], l.token["azp"] = []string{"recall", "shop"}, "shop" }, "another client"},
		"several, of this client":  {func(l *liar) { l.token["aud"], l.token["azp"] = []string{"recall", "shop"}, "recall" }, trusted},
		"of another client":        {claim("azp", "shop"), "another client"},
		"expired":                  {claim("exp", now.Add(-time.Second).Unix()), "expired"},
		"without an end":           {claim("exp", nil), "expired"},
		"not yet valid":            {claim("nbf", now.Add(time.Hour).Unix()), "not before"},
		"another issuer":           {claim("iss", "https://evil.example"), "different provider"},
		"the issuer with a slash":  {func(l *liar) { l.token["iss"] = l.URL + "/" }, "different provider"},
		"no subject":               {claim("sub", nil), "subject"},
		"an endless subject":       {claim("sub", strings.Repeat("1", 256)), "subject"},
		"another access token":     {claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "access token hash"},
		"another key":              {signer(func(l *liar) any { return l.other }, jose.RS256), "verify signature"},
		"signed by our own secret": {signer(func(l *liar) any { return []byte(strings.Repeat("s3cret", 6)) }, jose.HS256), "malformed jwt"},
		"not signed": {func(l *liar) {
			l.signer = func(t *testing.T, l *liar, claims []byte) string {
				parts := strings.Split(signed(func(l *liar) any { return l.key }, jose.RS256)(t, l, claims), ".")
				return "eyJhbGciOiJub25lIn0." + parts[1] + "."
			}
		}, "malformed jwt"},
		"a payload of another token": {func(l *liar) {
			l.signer = func(t *testing.T, l *liar, claims []byte) string {
				sign := signed(func(l *liar) any { return l.key }, jose.RS256)
				mine, theirs := strings.Split(sign(t, l, []byte(`{}`)), "."), strings.Split(sign(t, l, claims), ".")
				return mine[0] + "." + theirs[1] + "." + mine[2]
			}
		}, "verify signature"},
		"no ID token":            {func(l *liar) { l.raw = `{"access_token":"opaque","token_type":"Bearer"}` }, "no ID token"},
		"an ID token of no text": {func(l *liar) { l.raw = `{"access_token":"opaque","token_type":"Bearer","id_token":7}` }, "no ID token"},
		"claims of somebody else": {func(l *liar) {
			delete(l.token, "groups")
			l.userinfo = map[string]any{"sub": "2", "groups": []string{"admins"}}
		}, "somebody else"},
		"claims of nobody": {func(l *liar) { delete(l.token, "groups"); l.userinfo = map[string]any{"groups": []string{"admins"}} }, "somebody else"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			p := l.provider(t)
			a, _, err := p.Begin(t.Context())
			must(t, err)
			l.token = l.good(a)
			test.change(l)
			who, err := p.Finish(t.Context(), a, url.Values{"state": {a.State}, "code": {"c"}})
			if test.want == trusted {
				must(t, err)
				if is := *who; is.Token == "" || is != (oidc.Identity{Issuer: l.URL, Subject: "1", Name: "anna", Role: store.RoleOperator, Token: is.Token}) {
					t.Errorf("is %+v", who)
				}
				if l.exchanged.Get("code_verifier") != a.Verifier || l.exchanged.Get("redirect_uri") != p.RedirectURL {
					t.Errorf("exchanged by %v", l.exchanged)
				}
				return
			}
			if who != nil || !errors.Is(err, oidc.ErrUntrusted) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v; want distrust because of %q", who, err, test.want)
			}
		})
	}
}

// What is looked at before anything is asked of the provider.
func TestAnswersThatAreNotLookedAt(t *testing.T) {
	l := newLiar(t)
	clock := now
	p := l.provider(t, func(o *oidc.Options) { o.Now = func() time.Time { return clock } })
	a, address, err := p.Begin(t.Context())
	must(t, err)
	l.token = l.good(a)
	if to, err := url.Parse(address); err != nil || to.Query().Get("state") != a.State || strings.Contains(address, a.Verifier) {
		t.Errorf("goes to %s, %v", address, err)
	}
	for name, test := range map[string]struct {
		attempt oidc.Attempt
		answer  url.Values
		later   time.Duration
		iss     bool
		want    error
	}{
		"another state":             {a, url.Values{"state": {"x"}, "code": {"c"}}, 0, false, oidc.ErrStale},
		"no state":                  {a, url.Values{"code": {"c"}}, 0, false, oidc.ErrStale},
		"no attempt":                {oidc.Attempt{}, url.Values{"state": {""}, "code": {"c"}}, 0, false, oidc.ErrStale},
		"too late":                  {a, url.Values{"state": {a.State}, "code": {"c"}}, oidc.AttemptAge + time.Second, false, oidc.ErrStale},
		"another provider's":        {a, url.Values{"state": {a.State}, "code": {"c"}, "iss": {"https://evil.example"}}, 0, false, oidc.ErrUntrusted},
		"another provider's error":  {a, url.Values{"state": {a.State}, "error": {"e"}, "iss": {"https://evil.example"}}, 0, false, oidc.ErrUntrusted},
		"of nobody, where it signs": {a, url.Values{"state": {a.State}, "code": {"c"}}, 0, true, oidc.ErrUntrusted},
		"no code":                   {a, url.Values{"state": {a.State}}, 0, false, oidc.ErrUntrusted},
	} {
		l.namesIss, l.exchanged, clock = test.iss, nil, now
		p := l.provider(t, func(o *oidc.Options) { o.Now = func() time.Time { return clock } })
		clock = now.Add(test.later)
		who, err := p.Finish(t.Context(), test.attempt, test.answer)
		if who != nil || !errors.Is(err, test.want) || l.exchanged != nil {
			t.Errorf("%s: %+v, %v, exchanged %v", name, who, err, l.exchanged)
		}
	}
	_, err = p.Finish(t.Context(), a, url.Values{"state": {a.State}, "error": {"access_denied"}, "error_description": {"not today"}})
	var refused *oidc.RefusedError
	if !errors.As(err, &refused) || refused.Error() != "access_denied: not today" {
		t.Errorf("refused: %v", err)
	}
}

func TestRoles(t *testing.T) {
	for name, test := range map[string]struct {
		claim  string
		claims string
		byInfo string // claims of the userinfo endpoint
		rules  string
		role   store.Role // by default
		want   store.Role
	}{
		"one of several":             {"groups", `{"groups":["a","ops"]}`, "", "ops=operator,admins=admin", "", store.RoleOperator},
		"the one that may the most":  {"groups", `{"groups":["admins","ops"]}`, "", "admins=admin,ops=operator", "", store.RoleAdmin},
		"whatever the order":         {"groups", `{"groups":["ops","admins"]}`, "", "ops=operator,admins=admin", "", store.RoleAdmin},
		"none":                       {"groups", `{"groups":["a"]}`, "", "ops=operator", "", ""},
		"none, with a default":       {"groups", `{"groups":["a"]}`, "", "ops=operator", store.RoleViewer, store.RoleViewer},
		"less than the default":      {"groups", `{"groups":["r"]}`, "", "r=viewer", store.RoleOperator, store.RoleViewer},
		"no claim":                   {"groups", `{}`, `{}`, "ops=operator", "", ""},
		"the claim at userinfo":      {"groups", `{}`, `{"groups":["ops"]}`, "ops=operator", "", store.RoleOperator},
		"the token's comes first":    {"groups", `{"groups":["a"]}`, `{"groups":["ops"]}`, "ops=operator", "", ""},
		"a text":                     {"role", `{"role":"ops"}`, "", "ops=operator", "", store.RoleOperator},
		"a text that holds another":  {"role", `{"role":"devops"}`, "", "ops=operator", "", ""},
		"other case":                 {"role", `{"role":"OPS"}`, "", "ops=operator", "", ""},
		"inside of others":           {"realm_access.roles", `{"realm_access":{"roles":["ops"]}}`, "", "ops=operator", "", store.RoleOperator},
		"a name with dots":           {"https://x.example/roles", `{"https://x.example/roles":["ops"]}`, "", "ops=operator", "", store.RoleOperator},
		"an object's names":          {"urn:roles", `{"urn:roles":{"ops":{"1":"corp"}}}`, "", "ops=operator", "", store.RoleOperator},
		"neither texts nor a list":   {"groups", `{"groups":[7,null,{"ops":1},["ops"],true]}`, "", "ops=operator", "", ""},
		"a number":                   {"groups", `{"groups":7}`, "", "7=operator", "", ""},
		"a value with an equal sign": {"groups", `{"groups":["cn=ops"]}`, "", "cn=ops=operator", "", store.RoleOperator},
		"no rules":                   {"groups", `{"groups":["ops"]}`, "", "", store.RoleViewer, store.RoleViewer},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := oidc.ParseRoles(test.rules)
			must(t, err)
			l := newLiar(t)
			p := l.provider(t, func(o *oidc.Options) { o.RoleClaim, o.Roles, o.DefaultRole = test.claim, rules, test.role })
			a, _, err := p.Begin(t.Context())
			must(t, err)
			l.token = l.good(a)
			delete(l.token, "groups")
			var more map[string]any
			must(t, json.Unmarshal([]byte(test.claims), &more))
			maps.Copy(l.token, more)
			if test.byInfo != "" {
				must(t, json.Unmarshal([]byte(test.byInfo), &l.userinfo))
				l.userinfo["sub"] = "1"
			}
			who, err := p.Finish(t.Context(), a, url.Values{"state": {a.State}, "code": {"c"}})
			must(t, err)
			if who.Role != test.want {
				t.Errorf("is %q, want %q", who.Role, test.want)
			}
		})
	}
}

// A provider that cannot be asked for claims does not make somebody lose a role.
func TestUserInfoThatIsAway(t *testing.T) {
	l := newLiar(t)
	p := l.provider(t)
	a, _, err := p.Begin(t.Context())
	must(t, err)
	l.token = l.good(a)
	delete(l.token, "groups")
	if who, err := p.Finish(t.Context(), a, url.Values{"state": {a.State}, "code": {"c"}}); !errors.Is(err, oidc.ErrUnreachable) {
		t.Errorf("is %+v, %v", who, err)
	}
}

// The description is kept, asked for anew after an hour, kept on while the provider is away, and no provider is asked in a row.
func TestDiscovery(t *testing.T) {
	l := newLiar(t)
	clock := now
	p := l.provider(t, func(o *oidc.Options) { o.Now = func() time.Time { return clock } })
	begin := func() error {
		_, _, err := p.Begin(t.Context())
		return err
	}
	l.down = true
	if l.asked != 0 {
		t.Error("asked before anybody wants to log in")
	}
	for range 3 {
		if err := begin(); !errors.Is(err, oidc.ErrUnreachable) {
			t.Errorf("down: %v", err)
		}
	}
	if l.asked != 1 || p.Reachable(t.Context()) {
		t.Errorf("asked %d times in a row", l.asked)
	}
	l.down, clock = false, clock.Add(11*time.Second)
	for range 3 {
		must(t, begin())
	}
	if l.asked != 2 || !p.Reachable(t.Context()) {
		t.Errorf("asked %d times", l.asked)
	}
	l.down, clock = true, clock.Add(time.Minute)
	must(t, begin())
	if l.asked != 2 || p.Reachable(t.Context()) || l.asked != 3 {
		t.Errorf("away after it was there: asked %d times", l.asked)
	}
	clock = clock.Add(2 * time.Hour)
	must(t, begin()) // with the old one
	l.down, clock = false, clock.Add(time.Minute)
	if !p.Reachable(t.Context()) {
		t.Error("back, and not noticed")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := oidc.Options{Issuer: "https://login.example", ClientID: "recall", RedirectURL: "https://recall.example/", DefaultRole: store.RoleViewer}
	if p, err := oidc.New(good); err != nil || p.Name != "login.example" || p.Host() != "login.example" || p.ManagesRoles() || p.Scopes[0] != "openid" {
		t.Errorf("made %+v, %v", p, err)
	}
	for name, change := range map[string]func(*oidc.Options){
		"no issuer":      func(o *oidc.Options) { o.Issuer = "" },
		"no client":      func(o *oidc.Options) { o.ClientID = "" },
		"no way back":    func(o *oidc.Options) { o.RedirectURL = "" },
		"no role at all": func(o *oidc.Options) { o.DefaultRole = "" },
	} {
		o := good
		change(&o)
		if _, err := oidc.New(o); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	for _, text := range []string{"admins", "=admin", "admins=", "admins=root", "a=admin,b"} {
		if rules, err := oidc.ParseRoles(text); err == nil {
			t.Errorf("%q is read as %v", text, rules)
		}
	}
}
