package receive

import (
	"errors"
	"io"
	"net/http"

	"recall/plenigo"
)

// firstRoom is what a body gets before any of it has come: more than a usual callback (REFERENCE §8), and little enough
// that ten thousand clients which announce much and send nothing cost little.
const firstRoom = 4 << 10

var (
	errTooLarge = errors.New("the body is larger than the limit")
	errNoRoom   = errors.New("too many bytes of callbacks are held already")
)

// readBody reads the whole body into memory, at most maxBody bytes, and takes room as the bytes come, so that
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

// unpack returns the body in clear, nothing where it cannot be unpacked or would be too large. Only the envelope is read
// from it: what is verified and kept are the bytes that came.
func (h *Handler) unpack(header http.Header, body []byte) []byte {
	plain, _ := plenigo.Unpack(header, body, h.maxBody)
	return plain
}
