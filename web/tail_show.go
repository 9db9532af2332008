package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"recall/filter"
	"recall/store"
)

const (
	tailMost     = 100              // live lists at a time
	tailMostUser = 12               // of one user; a browser opens no more than six
	tailBeat     = 5 * time.Second  // a list is told at least so often that nothing is new
	tailAgain    = 10 * time.Second // so often it is looked whether the session goes on
	tailWrite    = 10 * time.Second // a browser that takes longer to take a message is gone
)

// tailPlaces counts the live lists.
type tailPlaces struct {
	mu    sync.Mutex
	all   int
	users map[int64]int
}

func (p *tailPlaces) take(user int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= tailMost || p.users[user] >= tailMostUser {
		return false
	}
	if p.users == nil {
		p.users = map[int64]int{}
	}
	p.all++
	p.users[user]++
	return true
}

func (p *tailPlaces) leave(user int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.users[user]--; p.users[user] == 0 {
		delete(p.users, user)
	}
}

// tailURL is where a list is told what comes after a cursor.
func tailURL(q eventQuery, since string) string {
	address := q.at("/events/tail")
	if strings.Contains(address, "?") {
		return address + "&since=" + since
	}
	return address + "?since=" + since
}

// tailMessage is what a live list is told; recall's own list.js reads it.
type tailMessage struct {
	Rows   string `json:"rows,omitempty"` // the newest ones, as a body of the table for each day
	Count  int    `json:"count"`          // of all events that are new
	More   int    `json:"more"`           // of them without a row
	Heard  string `json:"heard"`          // when the database last said what is new; "" it has not yet
	Away   bool   `json:"away,omitempty"`
	Reload bool   `json:"reload,omitempty"` // more was missed than can be told
}

// eventTail tells a live list what is new, as server-sent events, until the reader or the session goes. The id of a message
// is a cursor: a browser that comes back says it, and misses nothing.
func (s *server) eventTail(w http.ResponseWriter, r *http.Request) error {
	q, err := parseEventQuery(r.URL.Query())
	if err != nil {
		return err
	}
	f, err := filter.Parse(q.Text, s.Now())
	if err != nil {
		return mistake("The filter in the address has a mistake: " + err.Error())
	}
	if zone, known := readZone(q.Zone); known && q.Zone != "" {
		h := habitsOf(r.Context())
		h.Zone = zone
		r = h.with(r)
	}
	since := r.Header.Get("Last-Event-ID")
	if since == "" {
		since = r.URL.Query().Get("since")
	}
	if since == "" {
		if _, since, err = s.DB.CommittedSince(r.Context(), "", 0); err != nil {
			return fmt.Errorf("beginning to follow: %w", err)
		}
	}
	user := userOf(r).ID
	if !s.tailPlaces.take(user) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many lists are live. Close one, and try again.", http.StatusServiceUnavailable)
		return nil
	}
	defer s.tailPlaces.leave(user)

	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // a proxy is to pass on each message at once
	out := &tailWriter{w: w, control: http.NewResponseController(w)}
	if err := out.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err // the server's limit for reading a request would end this one
	}
	if err := out.write("retry: 3000\n\n"); err != nil {
		return nil
	}
	list := s.tail.follow(f, since)
	defer s.tail.leave(list)
	told, checked := time.Time{}, s.Now()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-s.Stopping:
			return nil // the browser comes back to whoever serves then
		case <-list.ready:
		}
		now := s.Now()
		if now.Sub(checked) >= tailAgain {
			if checked = now; !s.goesOn(r) {
				out.write("event: end\ndata: {}\n\n")
				return nil
			}
		}
		if !s.tail.worthTelling(list) && now.Sub(told) < tailBeat {
			continue
		}
		told = now
		if err := s.tellTail(r, out, s.tail.take(list), q); err != nil {
			return nil // the reader has gone
		}
	}
}

// goesOn tells whether the session still holds. While the database cannot say, it does.
func (s *server) goesOn(r *http.Request) bool {
	again, err := s.withUser(r.Clone(context.WithValue(r.Context(), userKey{}, (*store.User)(nil))))
	return err != nil || userOf(again) != nil
}

func (s *server) tellTail(r *http.Request, out *tailWriter, n tailNews, q eventQuery) error {
	m := tailMessage{Count: n.Count, More: n.Count - len(n.Events), Away: n.Away, Reload: n.Reload}
	if !n.Heard.IsZero() {
		m.Heard = machine(n.Heard)
	}
	if len(n.Events) > 0 {
		var b bytes.Buffer
		days := eventDays(n.Events, q, s.Now(), habitsOf(r.Context()))
		if err := eventRows(days, readColumns(q.Columns)).Render(r.Context(), &b); err != nil {
			return err
		}
		m.Rows = b.String()
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	id := ""
	if n.Cursor != "" {
		id = "id: " + n.Cursor + "\n"
	}
	return out.write(id + "data: " + string(data) + "\n\n")
}

// tailWriter writes past the time limit of whole answers: each message has its own.
type tailWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o *tailWriter) write(text string) error {
	deadline := time.Now().Add(tailWrite)
	if err := o.control.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}
