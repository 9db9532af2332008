package web

import (
	"net/http"
	"strconv"
)

// eventRaw gives the exact bytes of a body, as a file that no browser tries to show.
func (s *server) eventRaw(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+e.ID.String()+`.body"`)
	h.Set("Content-Length", strconv.Itoa(len(e.Body)))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Write(e.Body)
	return nil
}
