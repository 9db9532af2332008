package store

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/verify"
)

// Event is one request that reached a source, kept whatever its verdict, never edited.
type Event struct {
	ID       uuid.UUID // UUIDv7; its time is ReceivedAt
	SourceID int64

	Verification verify.Result
	Answered     int // HTTP status we answered; for a batch in RecordEvents: the status to be answered after the commit

	RepeatOf uuid.UUID // first event of the arrival group; zero on the first
	Arrival  int       // 1 on the first of its group

	// Window is how long an equal body counts as a repeat after an arrival: the source's late window, at least its
	// tolerance. Not stored; 0: verify.DefaultLateWindow.
	Window time.Duration

	Sender     netip.Addr
	Header     http.Header // canonical names, values exactly, several values in order; Host included
	Body       []byte      // raw; empty where it was too large to keep
	BodySHA256 [32]byte    // of Body
	Size       int64       // bytes sent, or declared where the body was too large

	APIVersion string // x-plenigo-api-version, made valid and bounded like Envelope's texts
	Envelope   plenigo.Envelope

	UnexpectedType bool // not among the source's expected types when it arrived (Source.Expects)
}

// ReceivedAt is when the event arrived, to the millisecond.
func (e *Event) ReceivedAt() time.Time {
	s, ns := e.ID.Time().UnixTime()
	return time.Unix(s, ns).UTC()
}

// EventSummary is an event without body and headers, as lists show it.
type EventSummary struct {
	ID             uuid.UUID
	ReceivedAt     time.Time
	SourceID       int64
	Source         string // slug
	Verdict        verify.Verdict
	Signature      verify.Status
	Reason         verify.Reason
	Answered       int
	RepeatOf       uuid.UUID
	Arrival        int
	EntityType     string
	CallbackType   string
	EntityID       string
	APIVersion     string
	Size           int64
	BodySHA256     [32]byte
	UnexpectedType bool
	Reverified     verify.Verdict  // of its latest re-verification; "" where there is none
	Customers      []string        // distinct customer ids, sorted
	Deliveries     []DeliveryCount // by state
}

// AcceptedNow tells whether the event counts as genuine: accepted when it came, or by its latest re-verification.
func (e *EventSummary) AcceptedNow() bool { return e.Verdict.Accepted() || e.Reverified.Accepted() }

// DeliveryCount is how many deliveries of an event are in a state.
type DeliveryCount struct {
	State DeliveryState
	Count int
}
