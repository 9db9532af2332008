package receive

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// firstRoom is what a body gets before any of it has come: more than a usual callback (REFERENCE §8), and little enough
// that ten thousand clients which announce much and send nothing cost little.
const firstRoom = 4 << 10

// roomWait is how long a callback waits for others to be done when too much is held already.
const roomWait = 2 * time.Second

var (
	errTooLarge = errors.New("the body is larger than the limit")
	errNoRoom   = errors.New("too many bytes of callbacks are held already")
)

// readBody reads the whole body into memory, at most maxBody bytes, and takes from r's room as the bytes come, so that
// what is held is bounded by what was really sent. It returns what was read so far with any error. A body that is
// announced as too large is not read at all, so a client that asks (Expect: 100-continue) need not send it.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, room *room) ([]byte, error) {
	declared := r.ContentLength // -1: chunked
	if declared > h.maxBody {
		return nil, errTooLarge
	}
	most := h.maxBody + 1 // one byte too many tells that it is too large
	if declared >= 0 {
		most = declared
	}
	reader := http.MaxBytesReader(w, r.Body, h.maxBody)
	var body []byte
	for int64(len(body)) < most {
		if len(body) == cap(body) {
			size := min(max(firstRoom, 2*int64(cap(body))), most)
			if !room.take(r.Context(), size-int64(cap(body))) {
				return body, errNoRoom
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := reader.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return body, errTooLarge
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		}
	}
	return body, nil
}

// room is one callback's part of the bytes that may be held at once.
type room struct {
	all   *semaphore.Weighted
	taken int64
}

// take asks for more, and waits a little for it.
func (r *room) take(ctx context.Context, n int64) bool {
	if !r.all.TryAcquire(n) {
		ctx, cancel := context.WithTimeout(ctx, roomWait)
		defer cancel()
		if r.all.Acquire(ctx, n) != nil {
			return false
		}
	}
	r.taken += n
	return true
}

func (r *room) giveBack() { r.all.Release(r.taken) }
