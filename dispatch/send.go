package dispatch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"recall/store"
)

// Bounds of an answer.
const (
	maxAnswer       = 64 << 10 // read of its body; the rest is left
	maxKept         = 16 << 10 // stored of its body
	maxAnswerHeader = 32 << 10
	idleWait        = 30 * time.Second // for which a connection is kept that nothing is sent over
	connectWait     = 30 * time.Second // for a connection, and again for TLS; the destination's time-out may be shorter
)

// errTimeUp is why a request ends when the destination's time-out is over.
var errTimeUp = errors.New("time is up")

// send makes the one HTTP request of an attempt and fills in what came of it. Its Error stays empty where a whole answer
// came that leads nowhere else.
func (d *Dispatcher) send(ctx context.Context, req *http.Request, timeout time.Duration, a *store.Attempt) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeUp)
	defer cancel()
	resp, err := d.http.Do(req.WithContext(ctx))
	if err != nil {
		a.Error = noAnswer(ctx, err, timeout)
		return
	}
	defer resp.Body.Close()
	a.Status, a.ResponseHeader = resp.StatusCode, resp.Header
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	a.ResponseBody, a.ResponseTruncated = body, len(body) > maxKept
	if a.ResponseTruncated {
		a.ResponseBody = body[:maxKept:maxKept]
	}
	switch {
	case err != nil: // whatever the status said: what was under way there may have ended with it
		a.Error = brokenAnswer(ctx, err, timeout)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		a.Error = redirected(resp)
	}
}
