package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
)

var errGuess = errors.New("wrong")

func wrong() error { return errGuess }
func right() error { return nil }

func TestThrottle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	throttle := newThrottle(func() time.Time { return now })
	anna := []throttleKey{{address: "203.0.113.7", account: "anna"}}
	for range freeTogether - 1 {
		throttle.try(anna, errGuess, wrong)
	}
	if text := throttle.next(anna); text != "" {
		t.Fatalf("after %d failures: %s", freeTogether-1, text)
	}
	want := firstLock
	for range 12 {
		if err := throttle.try(anna, errGuess, wrong); !errors.Is(err, errGuess) {
			t.Fatal(err)
		}
		var locked *lockedError
		if err := throttle.try(anna, errGuess, right); !errors.As(err, &locked) || locked.wait != want {
			t.Fatalf("%v, want %s", err, want)
		}
		now = now.Add(want)
		want = min(2*want, longestLock)
	}
	for name, keys := range map[string][]throttleKey{
		"another address": {{address: "203.0.113.8", account: "anna"}},
		"another account": {{address: "203.0.113.7", account: "ben"}},
		"a known device":  {{device: "x"}},
	} {
		if err := throttle.try(keys, errGuess, right); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := throttle.try(anna, errGuess, right); err != nil {
		t.Errorf("after the lock: %v", err)
	}
	throttle.succeeded(anna)
	for range freeTogether - 1 {
		if err := throttle.try(anna, errGuess, wrong); !errors.Is(err, errGuess) {
			t.Errorf("after a success: %v", err)
		}
	}
}

// What ends otherwise than wrong leaves nothing behind, not even a lock in its way.
func TestThrottleTakesBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	throttle := newThrottle(func() time.Time { return now })
	keys := []throttleKey{{address: "203.0.113.7", account: "anna"}}
	for range freeTogether {
		throttle.try(keys, errGuess, wrong)
	}
	now = now.Add(firstLock)
	for range 50 {
		if err := throttle.try(keys, errGuess, right); err != nil {
			t.Fatal(err)
		}
	}
}

// Many guesses at once are worth no more than one after the other.
func TestThrottleAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	throttle := newThrottle(func() time.Time { return now })
	var looked, all sync.WaitGroup
	begun := make(chan struct{}, 100)
	looked.Add(1)
	for range 100 {
		all.Go(func() {
			throttle.try([]throttleKey{{address: "203.0.113.7", account: "anna"}}, errGuess, func() error {
				begun <- struct{}{}
				looked.Wait()
				return errGuess
			})
		})
	}
	for range freeTogether {
		<-begun
	}
	looked.Done()
	all.Wait()
	if n := len(begun); n != 0 {
		t.Errorf("%d guesses more than %d were looked at", n, freeTogether)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	throttle := newThrottle(func() time.Time { return now })
	for i := range maxThrottled + 3 {
		now = now.Add(time.Millisecond)
		throttle.try([]throttleKey{{address: "203.0.113.7", account: fmt.Sprint(i)}}, errGuess, wrong)
	}
	if n := len(throttle.keys); n != maxThrottled {
		t.Errorf("%d keys, want %d", n, maxThrottled)
	}
	now = now.Add(2 * failureMemory)
	throttle.try([]throttleKey{{address: "203.0.113.7", account: "last"}}, errGuess, wrong)
	if n := len(throttle.keys); n != 1 {
		t.Errorf("%d keys after they were forgotten, want 1", n)
	}
}

// Strangers guess at anna's password from one address and from many: they are slowed down, and she is not.
func TestGuessingLocksNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ben", store.RoleViewer)
	handler := s.server.handler()
	login := func(address, name, password string, cookies []*http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(url.Values{"name": {name}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = address
		for _, c := range cookies {
			if strings.HasSuffix(c.Name, "-device") {
				r.AddCookie(c)
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	guess := strings.Repeat("x", store.MaxPassword+1) // wrong without a hash being made
	ok := func(what string, w *httptest.ResponseRecorder, want int) {
		t.Helper()
		if w.Code != want {
			t.Errorf("%s: %d, want %d", what, w.Code, want)
		}
	}

	desk := login("198.51.100.4:50", "anna", testPassword, nil)
	ok("the first log-in", desk, http.StatusSeeOther)
	known := desk.Result().Cookies()

	for range freeTogether {
		ok("a guess", login("203.0.113.7:1234", "anna", guess, nil), http.StatusUnauthorized)
	}
	w := login("203.0.113.7:1234", "anna", testPassword, nil)
	ok("a guess too many", w, http.StatusTooManyRequests)
	if w.Header().Get("Retry-After") != "10" || !strings.Contains(w.Body.String(), "Try again in 10 s") {
		t.Errorf("Retry-After %q: %s", w.Header().Get("Retry-After"), parsePage(t, w.Body).one(t, "[role=alert]").text())
	}
	ok("in capitals", login("203.0.113.7:1234", "ANNA", testPassword, nil), http.StatusTooManyRequests)
	ok("somebody else there", login("203.0.113.7:1234", "ben", testPassword, nil), http.StatusSeeOther)
	ok("anna elsewhere", login("198.51.100.9:1", "anna", testPassword, nil), http.StatusSeeOther)
	ok("her browser behind the same address", login("203.0.113.7:1234", "anna", testPassword, known), http.StatusSeeOther)
	s.ahead.Add(int64(firstLock))
	ok("after ten seconds", login("203.0.113.7:1234", "anna", testPassword, nil), http.StatusSeeOther)

	for i := range freeAccount {
		login(fmt.Sprintf("[2001:db8:%x::1]:1234", i), "anna", guess, nil)
	}
	ok("a stranger after guesses from many addresses", login("[2001:db8:ffff::1]:1", "anna", testPassword, nil), http.StatusTooManyRequests)
	ok("her browser after guesses from many addresses", login("[2001:db8:ffff::1]:1", "anna", testPassword, known), http.StatusSeeOther)
	ok("another account meanwhile", login("[2001:db8:ffff::1]:1", "ben", testPassword, nil), http.StatusSeeOther)

	for i := range freeAddress {
		login(fmt.Sprintf("[2001:db8:0:1::%x]:1234", i), fmt.Sprintf("name%d", i), guess, nil)
	}
	ok("any name from a range that guessed at many", login("[2001:db8:0:1::ffff]:1", "ben", testPassword, nil), http.StatusTooManyRequests)

	// The cookie of one account is worth nothing for another, and only a few guesses for its own.
	ok("another account by her cookie", login("[2001:db8:0:1::ffff]:1", "ben", testPassword, known), http.StatusTooManyRequests)
	for range freeTogether {
		ok("a guess by her cookie", login("192.0.2.9:1", "anna", guess, known), http.StatusUnauthorized)
	}
	ok("a guess too many by her cookie", login("192.0.2.9:1", "anna", testPassword, known), http.StatusTooManyRequests)
	forged := []*http.Cookie{{Name: "recall-device", Value: known[0].Value[:len(known[0].Value)-4] + "AAAA"}}
	ok("a forged cookie", login("[2001:db8:0:1::ffff]:1", "anna", testPassword, forged), http.StatusTooManyRequests)
}
