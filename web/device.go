package web

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"recall/seal"
)

// A device cookie says that an account was logged in in this browser before. It lets nobody in: it only keeps the failures of
// strangers from counting against this browser (throttle.go). OWASP describes it under this name.
const (
	deviceAge  = 180 * 24 * time.Hour
	maxDevices = 5 // accounts that one browser remembers
)

// deviceOf is an account and the random name of this browser for it.
type deviceOf struct{ Account, ID string }

func newDeviceCodec(key seal.Key) *securecookie.SecureCookie {
	codec := securecookie.New(key.Derive("web: signing of device cookies", 32), key.Derive("web: encryption of device cookies", 32))
	return codec.MaxAge(int(deviceAge.Seconds())).SetSerializer(securecookie.JSONEncoder{})
}

func (s *server) deviceCookie() string { return cookieName(s.Secure) + "-device" }

func (s *server) devices(r *http.Request) []deviceOf {
	var list []deviceOf
	if c, err := r.Cookie(s.deviceCookie()); err == nil {
		if s.deviceCodec.Decode(s.deviceCookie(), c.Value, &list) != nil {
			return nil
		}
	}
	return list
}

// device returns the name of this browser for an account that was logged in in it before, or "".
func (s *server) device(r *http.Request, account string) string {
	for _, d := range s.devices(r) {
		if strings.EqualFold(d.Account, account) {
			return d.ID
		}
	}
	return ""
}

// rememberDevice makes the browser known for an account that has just logged in. A name that it had is given anew: a copy of
// the old one is worth no more guesses than its own.
func (s *server) rememberDevice(w http.ResponseWriter, r *http.Request, account string) error {
	list := []deviceOf{{strings.ToLower(account), rand.Text()}}
	for _, d := range s.devices(r) {
		if !strings.EqualFold(d.Account, account) && len(list) < maxDevices {
			list = append(list, d)
		}
	}
	value, err := s.deviceCodec.Encode(s.deviceCookie(), list)
	if err != nil {
		return fmt.Errorf("remembering the browser: %w", err)
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.deviceCookie(), Value: value, Path: "/", MaxAge: int(deviceAge.Seconds()), HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	})
	return nil
}
