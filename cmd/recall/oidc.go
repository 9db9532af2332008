package main

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"recall/oidc"
	"recall/store"
	"recall/web"
)

// providerSettings are the settings of log-in at an identity provider, as they were given.
type providerSettings struct {
	Issuer        string `name:"oidc-issuer" env:"RECALL_OIDC_ISSUER" placeholder:"URL" help:"OpenID Connect provider that people log in at, as it writes its own issuer. Without it there is none."`
	ClientID      string `name:"oidc-client-id" env:"RECALL_OIDC_CLIENT_ID" placeholder:"ID" help:"Client under which Recall is registered there, with the address that people come back to: RECALL_ADMIN_URL and /login/oidc/callback."`
	Secret        string `name:"oidc-client-secret" env:"RECALL_OIDC_CLIENT_SECRET" placeholder:"SECRET" help:"The client's secret; none for a public client. A flag can be seen by others on the machine."`
	SecretFile    string `name:"oidc-client-secret-file" env:"RECALL_OIDC_CLIENT_SECRET_FILE" placeholder:"FILE" help:"File that holds the same."`
	Name          string `name:"oidc-name" env:"RECALL_OIDC_NAME" placeholder:"NAME" help:"What the log-in page calls the provider. Without it the issuer's host."`
	Scopes        string `name:"oidc-scopes" env:"RECALL_OIDC_SCOPES" default:"openid,profile,email" help:"What is asked for there."`
	RoleClaim     string `name:"oidc-role-claim" env:"RECALL_OIDC_ROLE_CLAIM" default:"groups" help:"Claim that says what somebody may do, with dots on the way to one inside of another: realm_access.roles."`
	Roles         string `name:"oidc-roles" env:"RECALL_OIDC_ROLES" placeholder:"VALUE=ROLE,…" help:"Roles by the values of that claim, such as recall-admins=admin,recall-ops=operator. Without it the provider says nothing of roles, and they are changed here."`
	DefaultRole   string `name:"oidc-default-role" env:"RECALL_OIDC_DEFAULT_ROLE" default:"none" help:"Role of who has none by RECALL_OIDC_ROLES; none lets nobody in without one."`
	LogOut        string `name:"oidc-logout" env:"RECALL_OIDC_LOGOUT" default:"offer" help:"Whether who logged in at the provider is logged out there, too, where it announces how: offer asks after the log-out here, always goes on by itself, off does not."`
	PasswordLogin string `name:"password-login" env:"RECALL_PASSWORD_LOGIN" default:"on" help:"Whether passwords let in where there is a provider: on, off, or unreachable: while the provider does not answer."`
}

// provider reads where people log in, nil: here only. The admin UI's address is not guessed: the provider has to know it.
func (p *problems) provider(s providerSettings, adminURL string, proxy bool) (*oidc.Options, web.PasswordLogin, web.ProviderLogOut) {
	passwords := web.PasswordLogin(s.PasswordLogin)
	switch passwords {
	case "":
		passwords = web.PasswordOn
	case web.PasswordOn, web.PasswordOff, web.PasswordUnreachable:
	default:
		p.add("RECALL_PASSWORD_LOGIN: %.40q is none of on, off, unreachable", s.PasswordLogin)
	}
	logOut := web.ProviderLogOut(s.LogOut)
	switch logOut {
	case "":
		logOut = web.LogOutOffer
	case web.LogOutOffer, web.LogOutAlways, web.LogOutOff:
	default:
		p.add("RECALL_OIDC_LOGOUT: %.40q is none of offer, always, off", s.LogOut)
	}
	secret, _ := p.secret("RECALL_OIDC_CLIENT_SECRET", s.Secret, s.SecretFile)
	if s.Issuer == "" {
		if s.ClientID != "" || secret != "" || s.Roles != "" {
			p.add("RECALL_OIDC_ISSUER is not set, and the other RECALL_OIDC_ settings stand beside it")
		}
		if passwords != web.PasswordOn {
			p.add("RECALL_PASSWORD_LOGIN=%s needs RECALL_OIDC_ISSUER: without a provider nobody could log in", passwords)
		}
		return nil, passwords, logOut
	}
	p.issuer(s.Issuer)
	o := &oidc.Options{
		Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: secret, RedirectURL: adminURL + "/login/oidc/callback", LoggedOutURL: adminURL + "/login/oidc/out", Name: s.Name,
		Scopes: strings.Fields(strings.ReplaceAll(s.Scopes, ",", " ")), RoleClaim: s.RoleClaim,
	}
	if proxy {
		o.Proxy = http.ProxyFromEnvironment
	}
	if s.ClientID == "" {
		p.add("RECALL_OIDC_CLIENT_ID is not set: register Recall at the provider, which then names one")
	}
	if adminURL == "" {
		p.add("RECALL_ADMIN_URL is not set: with RECALL_OIDC_ISSUER it has to be, since the provider sends people back there")
	}
	if s.RoleClaim == "" {
		o.RoleClaim = "groups"
	}
	var err error
	if o.Roles, err = oidc.ParseRoles(s.Roles); err != nil {
		p.add("RECALL_OIDC_ROLES: %v", err)
	}
	if role := store.Role(s.DefaultRole); role != "" && role != "none" {
		if err := role.Validate(); err != nil {
			p.add("RECALL_OIDC_DEFAULT_ROLE: %v, or none", err)
		}
		o.DefaultRole = role
	}
	if s.Roles == "" && o.DefaultRole == "" {
		p.add("RECALL_OIDC_ROLES and RECALL_OIDC_DEFAULT_ROLE are both not set: nobody who logs in at the provider would have a role")
	}
	return o, passwords, logOut
}

// issuer has to be reached by TLS, unless it is on this machine.
func (p *problems) issuer(text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && isThisMachine(u.Hostname())) {
		p.add("RECALL_OIDC_ISSUER is no address of a provider: write it as https://login.example.org/realm, as the provider's own description does (plain http only on this machine)")
	}
}

func isThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// newProvider makes the provider of the settings, nil: there is none. It asks nothing of it yet.
func (a *app) newProvider() (*oidc.Provider, error) {
	if a.cfg.Provider == nil {
		return nil, nil
	}
	o := *a.cfg.Provider
	o.Now = a.now
	return oidc.New(o)
}
