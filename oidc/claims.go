package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"recall/store"
)

// Identity is who logs in, as the provider says.
type Identity struct {
	Issuer  string
	Subject string     // never changes, and is never given to somebody else
	Name    string     // what the provider calls them; may be anything, and "" where it says nothing
	Role    store.Role // "": none, so that they may not come in
	Token   string     // the ID token, which is nobody's business but the provider's: LogOutURL gives it back
}

// claims are what the provider says of somebody.
type claims map[string]any

func readClaims(text []byte) (claims, error) {
	var all claims
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("the claims cannot be read: %w", err)
	}
	if all == nil {
		return nil, errors.New("there are no claims")
	}
	return all, nil
}

// nameClaims are where a name is looked for, the best first.
var nameClaims = []string{"preferred_username", "email", "name"}

// lacks tells whether something is not said that is to be known.
func (p *Provider) lacks(all claims) bool {
	return p.ManagesRoles() && all.find(p.RoleClaim) == nil || all.name() == ""
}

func (p *Provider) identity(subject string, all claims) *Identity {
	return &Identity{Issuer: p.Issuer, Subject: subject, Name: all.name(), Role: p.role(all.find(p.RoleClaim))}
}

func (all claims) name() string {
	for _, claim := range nameClaims {
		if name, _ := all[claim].(string); name != "" {
			return name
		}
	}
	return ""
}

// role is the one that may the most of those that the rules give, or the default.
func (p *Provider) role(claim any) store.Role {
	role, values := p.DefaultRole, values(claim)
	best := -1
	for _, rule := range p.Roles {
		if rank := slices.Index(store.Roles, rule.Role); rank > best && slices.Contains(values, rule.Value) {
			role, best = rule.Role, rank
		}
	}
	return role
}

// find returns a claim by its name, or by the way to it with dots between (realm_access.roles); nil: there is none.
func (all claims) find(name string) any {
	if value, there := all[name]; there {
		return value
	}
	first, rest, more := strings.Cut(name, ".")
	if inner, is := all[first].(map[string]any); is && more {
		return claims(inner).find(rest)
	}
	return nil
}

// values reads a claim as a list: a text is one of one, of an object the names count (as Zitadel writes roles).
func values(claim any) []string {
	var list []string
	switch claim := claim.(type) {
	case string:
		list = append(list, claim)
	case []any:
		for _, value := range claim {
			if text, is := value.(string); is {
				list = append(list, text)
			}
		}
	case map[string]any:
		for name := range claim {
			list = append(list, name)
		}
	}
	return list
}
