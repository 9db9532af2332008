package store

import (
	"net/http"
	"time"

	"github.com/google/uuid"
)

// Trigger is what caused a delivery.
type Trigger string

const (
	TriggerAutomatic Trigger = "automatic"
	TriggerManual    Trigger = "manual"
	TriggerReplay    Trigger = "replay"
)

// DeliveryState is where a delivery stands.
//
//	pending ─▶ sending ─▶ succeeded
//	              │ ▲
//	              ▼ │ retry
//	           waiting ─▶ exhausted (no retry left) · cancelled (destination removed, or by a user)
type DeliveryState string

const (
	DeliveryPending   DeliveryState = "pending"
	DeliverySending   DeliveryState = "sending"
	DeliverySucceeded DeliveryState = "succeeded"
	DeliveryWaiting   DeliveryState = "waiting"
	DeliveryExhausted DeliveryState = "exhausted"
	DeliveryCancelled DeliveryState = "cancelled"
)

// Delivery is one event to one destination for one cause.
type Delivery struct {
	ID            uuid.UUID
	EventID       uuid.UUID
	DestinationID int64
	Destination   string // name
	Trigger       Trigger
	State         DeliveryState
	Attempts      int       // attempts begun
	AttemptAt     time.Time // when the last of them was begun; zero: none was
	Tries         int       // attempts that count against the retry schedule: not those broken off by us, nor probes
	Entity        string    // what its events are kept in order by, where its destination asks for that; "": nothing
	Held          bool      // it waits for an earlier event of its entity, not for a time
	RequestedBy   string
	Reason        string
	ReplayID      int64 // the replay it is of; 0: none
	CreatedAt     time.Time
	NextAttemptAt time.Time // while waiting; zero: none planned
	FinishedAt    time.Time // zero: not finished
	LastStatus    int       // 0: no answer yet
	LastError     string
	History       []Attempt // filled by ListDeliveries, oldest first
}

// Attempt is one HTTP try of a delivery.
type Attempt struct {
	Number            int
	StartedAt         time.Time
	Duration          time.Duration // negative: begun and never ended
	RequestURL        string
	RequestHeader     http.Header // values of secret headers left out
	Status            int         // 0: no answer
	ResponseHeader    http.Header
	ResponseBody      []byte // bounded
	ResponseTruncated bool
	AnswerRemovedAt   time.Time // when retention took header and body of the answer away; zero: it did not
	Error             string
}

// Redispatch is a person's wish to send one event to one destination again.
type Redispatch struct {
	EventID     uuid.UUID
	Destination string // name
	By          string // user name, or "cli:" and the system's user
	Reason      string
	Anyway      bool // though newer events of its entity are there; it takes a reason
}
