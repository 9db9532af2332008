package store

import (
	"encoding/hex"

	"github.com/google/uuid"

	"recall/verify"
)

// EventJSON is an event in JSON lines: what event list --json prints, and what an export writes.
type EventJSON struct {
	ID           uuid.UUID             `json:"id"`
	ReceivedAt   string                `json:"received_at"`
	Source       string                `json:"source"`
	Verdict      verify.Verdict        `json:"verdict"`
	Signature    verify.Status         `json:"signature"`
	Reason       verify.Reason         `json:"reason"`
	Reverified   *verify.Verdict       `json:"reverified"` // of its latest re-verification; null: none
	EntityType   string                `json:"entity_type"`
	CallbackType string                `json:"callback_type"`
	EntityID     string                `json:"entity_id"`
	CustomerIDs  []string              `json:"customer_ids"`
	APIVersion   string                `json:"api_version"`
	Answered     int                   `json:"answered"`
	RepeatOf     *uuid.UUID            `json:"repeat_of" nullable:"true"` // null on the first arrival
	Arrival      int                   `json:"arrival"`
	Size         int64                 `json:"size"`
	BodySHA256   string                `json:"body_sha256"`
	Deliveries   map[DeliveryState]int `json:"deliveries"`
}

// JSON is the event for JSON lines.
func (e *EventSummary) JSON() EventJSON {
	j := EventJSON{
		ID: e.ID, ReceivedAt: e.ReceivedAt.UTC().Format("2006-01-02T15:04:05.000Z"), Source: e.Source, Verdict: e.Verdict, Signature: e.Signature,
		Reason: e.Reason, EntityType: e.EntityType, CallbackType: e.CallbackType, EntityID: e.EntityID, CustomerIDs: e.Customers,
		APIVersion: e.APIVersion, Answered: e.Answered, Arrival: e.Arrival, Size: e.Size, BodySHA256: hex.EncodeToString(e.BodySHA256[:]),
		Deliveries: map[DeliveryState]int{},
	}
	if j.CustomerIDs == nil {
		j.CustomerIDs = []string{}
	}
	if e.Reverified != "" {
		j.Reverified = &e.Reverified
	}
	if e.RepeatOf != uuid.Nil {
		j.RepeatOf = &e.RepeatOf
	}
	for _, d := range e.Deliveries {
		j.Deliveries[d.State] = d.Count
	}
	return j
}
