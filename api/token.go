package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"recall/store"
)

type tokenKey struct{}

// tokenOf is the token that a request came with.
func tokenOf(ctx context.Context) *store.Token {
	return ctx.Value(tokenKey{}).(*store.Token)
}

// actor is whom the audit list names.
func actor(ctx context.Context) string { return tokenOf(ctx).Actor() }

// withToken lets in who shows a token, as often as the limit allows.
func (s *server) withToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, bearer := bearerToken(r)
		if !bearer || !store.IsToken(text) {
			s.askForToken(w, r, "Send a token as Authorization: Bearer "+store.TokenPrefix+"…; one is made under Account, or by recall token add.")
			return
		}
		address := clientAddress(r)
		if wait := s.limits.strange(address, s.Now()); wait > 0 {
			s.fail(w, r, tooMany(wait))
			return
		}
		token, err := s.DB.FindToken(r.Context(), text, address)
		switch {
		case errors.Is(err, store.ErrNotFound):
			s.limits.failed(address, s.Now())
			s.askForToken(w, r, "This token lets nobody in: it is not known, was revoked, is past its end, or its user was removed. Make a new one.")
			return
		case err != nil:
			s.fail(w, r, err)
			return
		}
		if wait := s.limits.take(w, token.ID, s.Now()); wait > 0 {
			s.fail(w, r, tooMany(wait))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
	})
}

func bearerToken(r *http.Request) (string, bool) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(text), strings.EqualFold(scheme, "Bearer")
}

func (s *server) askForToken(w http.ResponseWriter, r *http.Request, detail string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="Recall"`)
	s.fail(w, r, &Problem{Status: http.StatusUnauthorized, Type: "token", Detail: detail})
}

// let lets only tokens through that have a right now.
func (s *server) let(need store.Right) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := allow(ctx.Context(), need); err != nil {
			s.write(ctx, err)
			return
		}
		next(ctx)
	}
}

// allow tells whether the request's token has a right, or why not.
func allow(ctx context.Context, need store.Right) *Problem {
	token := tokenOf(ctx)
	if token.May(need) {
		return nil
	}
	detail := fmt.Sprintf("This needs the right %s, which the token was not given. Make one that has it.", need)
	for _, lost := range token.Lost() {
		if lost == need {
			detail = fmt.Sprintf("The token was given the right %s, but its user %s is %s now, and may not do this any more.", need, token.User, token.Role)
		}
	}
	return &Problem{Status: http.StatusForbidden, Type: "right", Detail: detail}
}

func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
