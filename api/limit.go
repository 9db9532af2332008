package api

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	strangeRate  = 30      // unknown tokens a minute that are looked up for one address
	maxRemember  = 1 << 14 // tokens and addresses that are counted apart
	limitsWindow = time.Minute
)

// limits count requests by token, and unknown tokens by address, in this process.
type limits struct {
	perMinute int // 0: no limit by token

	mu        sync.Mutex
	tokens    map[int64]*rate.Limiter
	strangers map[string]*rate.Limiter
}

func newLimits(perMinute int) *limits {
	return &limits{perMinute: perMinute, tokens: map[int64]*rate.Limiter{}, strangers: map[string]*rate.Limiter{}}
}

// take counts a request, says in the headers what is left, and how long to wait where nothing is.
func (l *limits) take(w http.ResponseWriter, token int64, now time.Time) time.Duration {
	if l.perMinute == 0 {
		return 0
	}
	limiter := limiterOf(l, l.tokens, token, l.perMinute, now)
	allowed := limiter.AllowN(now, 1)
	left := max(0, limiter.TokensAt(now))
	wait := time.Duration(0)
	if !allowed {
		wait = time.Duration((1 - left) / float64(limiter.Limit()) * float64(time.Second))
	}
	full := (float64(l.perMinute) - left) / float64(limiter.Limit())
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"token";q=%d;w=%d`, l.perMinute, int(limitsWindow.Seconds())))
	w.Header().Set("RateLimit", fmt.Sprintf(`"token";r=%d;t=%d`, int(left), int(full+0.999)))
	return wait
}

// strange is how long an address must wait that has shown too many unknown tokens.
func (l *limits) strange(address string, now time.Time) time.Duration {
	limiter := limiterOf(l, l.strangers, address, strangeRate, now)
	if left := limiter.TokensAt(now); left < 1 {
		return time.Duration((1 - left) / float64(limiter.Limit()) * float64(time.Second))
	}
	return 0
}

// failed counts an unknown token.
func (l *limits) failed(address string, now time.Time) {
	limiterOf(l, l.strangers, address, strangeRate, now).AllowN(now, 1)
}

func limiterOf[K comparable](l *limits, all map[K]*rate.Limiter, key K, perMinute int, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := all[key]
	if limiter == nil {
		if len(all) >= maxRemember { // those that are full again tell nothing
			for other, old := range all {
				if old.TokensAt(now) >= float64(old.Burst()) || len(all) >= maxRemember {
					delete(all, other)
				}
			}
		}
		limiter = rate.NewLimiter(rate.Limit(float64(perMinute)/limitsWindow.Seconds()), perMinute)
		all[key] = limiter
	}
	return limiter
}

func tooMany(wait time.Duration) *Problem {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	return &Problem{
		Status: http.StatusTooManyRequests, Type: "rate", retryAfter: seconds,
		Detail: fmt.Sprintf("Too many requests. Wait %d s before the next one; the limit is RECALL_API_RATE.", seconds),
	}
}
