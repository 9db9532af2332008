package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErasureState is where a case stands.
//
//	finding ─▶ open ─▶ running ─▶ closed
//	   │         ▲        ▲
//	   └────▶ waiting ────┘      finding, open, waiting ─▶ cancelled
type ErasureState string

const (
	ErasureFinding   ErasureState = "finding"   // what is held is being looked for
	ErasureOpen      ErasureState = "open"      // a person decides what is doubtful, and confirms
	ErasureWaiting   ErasureState = "waiting"   // runs by itself when its grace time is over
	ErasureRunning   ErasureState = "running"   // it cannot be stopped any more
	ErasureClosed    ErasureState = "closed"    // nothing is left; there is a certificate
	ErasureCancelled ErasureState = "cancelled" // nothing was destroyed
)

// Over tells whether nothing happens any more.
func (s ErasureState) Over() bool { return s == ErasureClosed || s == ErasureCancelled }

// ErasureStep is what a running case is at, in this order.
type ErasureStep string

const (
	StepFind    ErasureStep = "find"    // what came since it was opened
	StepTraces  ErasureStep = "traces"  // filters that name the person
	StepDestroy ErasureStep = "destroy" // events with all that hangs on them
	StepSpool   ErasureStep = "spool"   // files of every instance
	StepSettle  ErasureStep = "settle"  // until no transaction sees them any more
	StepSearch  ErasureStep = "search"  // what the search index holds of them
	StepRewrite ErasureStep = "rewrite" // tables, with their indexes
	StepLog     ErasureStep = "log"     // the database's write-ahead log
)

// ErasureSteps are all steps, in their order.
var ErasureSteps = []ErasureStep{StepFind, StepTraces, StepDestroy, StepSpool, StepSettle, StepSearch, StepRewrite, StepLog}

// Errors of cases. Their messages are fit for the person who asked.
var (
	ErrErasureState   = errors.New("the case is not in a state in which that can be done")
	ErrErasureDoubts  = errors.New("some of what was found is doubtful and not decided yet: erase it, or leave it and say why")
	ErrErasureHeld    = errors.New("a legal hold keeps some of its events, so nothing is erased until it is released")
	ErrErasureReason  = errors.New("say why: it stands in the case, the certificate and the audit list")
	ErrErasurePerson  = errors.New("a customer id has 1 to 64 letters, digits, hyphens and underscores, such as 48213")
	ErrErasurePending = errors.New("there is a case about this already")
)

// ErasureCase is one erasure.
type ErasureCase struct {
	ID          int64
	Person      string    // customer id, while the case is not over and can be read
	Sources     []int64   // that the number belongs to; none: all
	PersonHash  []byte    // nil: of one event
	EventID     uuid.UUID // the one event, or the callback that opened the case
	State       ErasureState
	Since       time.Time // it is in this state
	Step        ErasureStep
	Why         string // it waits, in words
	Reason      string
	OpenedBy    string
	OpenedAt    time.Time
	AutomaticAt time.Time // when it runs by itself; zero: when somebody confirms it
	ConfirmedBy string
	ConfirmedAt time.Time
	FinishedAt  time.Time
	Found       map[string]int64
	Done        map[string]int64
	Leftover    []string // what is left to people, in words
	Steps       []ErasureDone
	Tables      []string // still to be rewritten
	Horizon     string
	Certificate []byte // JSON; nil: it is not closed
}

// ErasureDone is a step that came to its end.
type ErasureDone struct {
	Step ErasureStep `json:"step"`
	At   time.Time   `json:"at"`
	Says string      `json:"says,omitempty"`
}

// ErasureWish is what somebody asks to have erased: a person, at all sources or at some, or one event.
type ErasureWish struct {
	Person  string    // customer id; "": one event
	Sources []int64   // that the number belongs to; none: all. Not of one event
	Event   uuid.UUID // with its equal arrivals; or the callback that opens the case
	Reason  string
}

// Single tells that the case is about one event and not about a person.
func (c *ErasureCase) Single() bool { return c.PersonHash == nil }

// ByCallback tells that a callback opened the case, and no person.
func (c *ErasureCase) ByCallback() bool { return !c.Single() && c.EventID != uuid.Nil }

// Subject names what the case is about without telling who it is once it is over.
func (c *ErasureCase) Subject() string {
	switch {
	case c.Single():
		return "event " + c.EventID.String()
	case c.Person != "":
		return "customer " + c.Person
	}
	return "person " + Pseudonym(c.PersonHash)
}

// Pseudonym is a short name for a person that tells nothing to who does not have the program's key.
func Pseudonym(hash []byte) string { return hex.EncodeToString(hash[:min(6, len(hash))]) }

var personPattern = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z_-]{0,62}[0-9A-Za-z])?$`)

// ValidPerson tells whether a text can be a customer id; ErrErasurePerson where not.
func ValidPerson(id string) error {
	if !personPattern.MatchString(id) {
		return ErrErasurePerson
	}
	return nil
}

const personContext = "erasure case: customer id"

// ErasureSettings are how cases behave that callbacks open, and what certificates say of backups.
type ErasureSettings struct {
	Automatic   bool // they run by themselves after the grace time, unless something is doubtful; else a person confirms
	GraceHours  int
	BackupsDays int // for how long backups are kept; 0: nobody said
	// OneCompany: the sources are all of one plenigo company, so a number means the same person at each. Else what came to another
	// source than the deletion of a customer is doubtful.
	OneCompany bool
}

// Grace is the grace time.
func (s ErasureSettings) Grace() time.Duration { return time.Duration(s.GraceHours) * time.Hour }

// ErasureSettings returns what was set.
func (db *DB) ErasureSettings(ctx context.Context) (s ErasureSettings, err error) {
	err = db.pool.QueryRow(ctx, `SELECT automatic, grace_hours, backups_days, one_company FROM erasure_settings`).Scan(&s.Automatic, &s.GraceHours, &s.BackupsDays, &s.OneCompany)
	if err != nil {
		return s, fmt.Errorf("reading the settings of erasure: %w", err)
	}
	return s, nil
}

// SetErasure sets them. The note gets what was before and after.
func (db *DB) SetErasure(ctx context.Context, s ErasureSettings, note AuditEntry) error {
	switch {
	case s.GraceHours < 1 || s.GraceHours > 8760:
		return invalid(fmt.Errorf("the grace time must be 1 to 8760 hours, not %d", s.GraceHours))
	case s.BackupsDays < 0 || s.BackupsDays > MaxRetentionDays:
		return invalid(fmt.Errorf("backups are kept for 0 (not said) to %d days, not %d", MaxRetentionDays, s.BackupsDays))
	}
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var was ErasureSettings
		err := tx.QueryRow(ctx, `SELECT automatic, grace_hours, backups_days, one_company FROM erasure_settings FOR UPDATE`).Scan(&was.Automatic, &was.GraceHours, &was.BackupsDays, &was.OneCompany)
		if err == nil && was != s {
			_, err = tx.Exec(ctx, `UPDATE erasure_settings SET automatic = $1, grace_hours = $2, backups_days = $3, one_company = $4`, s.Automatic, s.GraceHours, s.BackupsDays, s.OneCompany)
		}
		if err != nil {
			return fmt.Errorf("setting how erasure behaves: %w", err)
		}
		if was == s {
			return nil
		}
		note.Action, note.Subject = "erasure.set", "erasure"
		for _, c := range []struct {
			name          string
			before, after any
		}{
			{"automatic", was.Automatic, s.Automatic}, {"grace hours", was.GraceHours, s.GraceHours}, {"backups days", was.BackupsDays, s.BackupsDays},
			{"one company", was.OneCompany, s.OneCompany},
		} {
			if c.before != c.after {
				note.Detail = withChange(note.Detail, c.name, c.before, c.after)
			}
		}
		return db.addAudit(ctx, tx, note)
	})
}

// caseSubject is the subject of audit entries: never the person.
func caseSubject(id int64) string { return fmt.Sprintf("case %d", id) }

// counted are the counts that are not nought.
func counted(counts map[string]int64) map[string]int64 {
	some := map[string]int64{}
	for name, n := range counts {
		if n != 0 {
			some[name] = n
		}
	}
	return some
}

// needReason cleans a reason, and asks for one.
func needReason(text string) (string, error) {
	if text = cleanReason(strings.TrimSpace(text)); text == "" {
		return "", ErrErasureReason
	}
	return text, nil
}
