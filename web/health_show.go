package web

import (
	"net/http"
	"time"
)

// Health is what recall doctor finds, from within this instance.
type Health struct {
	Version  string
	Ready    bool // it takes callbacks
	Stopping bool
	Checks   []HealthCheck
}

// HealthCheck is what one check found, and what to do about it.
type HealthCheck struct {
	Check  string
	State  string // ok, warn, fail
	Detail string
	Do     string // ""
}

// healthView is the page of Health.
type healthView struct {
	page
	Says mood
	Rows []healthRow
	At   timeView
	By   string // which program, to go on after the time
}

type healthRow struct {
	Check, Detail, Do string
	State             mood
}

func (s *server) healthShow(w http.ResponseWriter, r *http.Request) error {
	v := healthView{page: s.newPage(r, "Health")}
	v.At = newTime(v.Now.Truncate(time.Second), v.Now)
	if s.Health != nil {
		v.tell(s.Health(r.Context()))
	}
	return s.render(w, r, http.StatusOK, healthPage(v))
}

// tell puts what is wrong first; what is alike stays in the order of the checks.
func (v *healthView) tell(h Health) {
	if h.Version != "" {
		v.By = " by " + h.Version
	}
	v.Says = mood{toneGood, "check", "This instance takes callbacks"}
	switch {
	case h.Stopping:
		v.Says = mood{toneWarn, "clock", "This instance is stopping"}
	case !h.Ready:
		v.Says = mood{toneBad, "cross", "This instance cannot take callbacks"}
	}
	for _, state := range []string{"fail", "warn", "ok"} {
		for _, c := range h.Checks {
			if c.State == state {
				v.Rows = append(v.Rows, healthRow{c.Check, c.Detail, c.Do, healthMood(c.State)})
			}
		}
	}
}

func healthMood(state string) mood {
	switch state {
	case "ok":
		return mood{toneGood, "check", "All well"}
	case "warn":
		return mood{toneWarn, "info", "To be looked at"}
	}
	return mood{toneBad, "cross", "Failed"}
}
