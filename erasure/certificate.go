package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// CertificateEvents is how many events a certificate names one by one; its digest is over all of them.
const CertificateEvents = 1000

// Certificate says what a case destroyed. It tells nothing of what it was.
type Certificate struct {
	Case        int64               `json:"case"`
	Subject     string              `json:"subject"`               // the person by a pseudonym, or the one event
	PersonHash  string              `json:"person_hash,omitempty"` // HMAC-SHA256 of the customer id, by a key of the program's
	Sources     []string            `json:"sources"`               // that the number belongs to; none: all
	Reason      string              `json:"reason"`
	OpenedBy    string              `json:"opened_by"`
	OpenedAt    time.Time           `json:"opened_at"`
	Callback    *uuid.UUID          `json:"callback,omitempty"` // that opened it
	ConfirmedBy string              `json:"confirmed_by"`
	ConfirmedAt time.Time           `json:"confirmed_at"`
	ClosedAt    time.Time           `json:"closed_at"`
	Found       map[string]int64    `json:"found"`
	Destroyed   map[string]int64    `json:"destroyed"`
	Steps       []store.ErasureDone `json:"steps"`
	Spools      []CertificateSpool  `json:"spools"`
	LeftOut     []CertificateLeft   `json:"left_out"`
	Leftover    []string            `json:"left_to_people"`
	Backups     string              `json:"backups"`
	BackupsGone *time.Time          `json:"backups_gone_at,omitempty"`
	Events      []CertificateEvent  `json:"events"`
	EventsOfAll int64               `json:"events_of_all"`
	Digest      string              `json:"digest"` // SHA-256 over id and SHA-256 of the body of every event, newest first
}

// CertificateSpool is what one instance cleared.
type CertificateSpool struct {
	Instance string    `json:"instance"`
	Events   int       `json:"events"`
	Damaged  int       `json:"damaged_files"`
	At       time.Time `json:"at"`
}

// CertificateLeft is a doubtful event that was left, and why.
type CertificateLeft struct {
	Event  uuid.UUID `json:"event"`
	Doubt  string    `json:"doubt"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// CertificateEvent is one that was destroyed.
type CertificateEvent struct {
	Event    uuid.UUID `json:"event"`
	Received time.Time `json:"received_at"`
	Type     string    `json:"type"`
	Verdict  string    `json:"verdict"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"`
	Erased   time.Time `json:"erased_at"`
	Stored   bool      `json:"stored"` // false: it came, or stood in a spool, and never was in the database
}

// ReadCertificate reads one as it was stored.
func ReadCertificate(data []byte) (*Certificate, error) {
	var c Certificate
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	c.fill()
	return &c, nil
}

// fill makes lists of what there is none of, so that programs find lists.
func (c *Certificate) fill() {
	c.Sources, c.Steps, c.Spools = append([]string{}, c.Sources...), append([]store.ErasureDone{}, c.Steps...), append([]CertificateSpool{}, c.Spools...)
	c.LeftOut, c.Leftover, c.Events = append([]CertificateLeft{}, c.LeftOut...), append([]string{}, c.Leftover...), append([]CertificateEvent{}, c.Events...)
}

// certificate puts one together for a case whose steps are all done.
func (e *Eraser) certificate(ctx context.Context, c *store.ErasureCase) ([]byte, error) {
	cert := Certificate{
		Case: c.ID, Subject: "person " + store.Pseudonym(c.PersonHash), PersonHash: hex.EncodeToString(c.PersonHash), Reason: c.Reason,
		OpenedBy: c.OpenedBy, OpenedAt: c.OpenedAt, ConfirmedBy: c.ConfirmedBy, ConfirmedAt: c.ConfirmedAt, ClosedAt: e.now().UTC(),
		Found: c.Found, Destroyed: c.Done, Steps: c.Steps, Leftover: c.Leftover,
	}
	if c.Single() {
		cert.Subject = c.Subject()
	} else if c.EventID != uuid.Nil {
		cert.Callback = &c.EventID
	}
	for _, id := range c.Sources {
		name := fmt.Sprintf("source %d", id)
		source, err := e.db.FindSourceByID(ctx, id)
		if err == nil {
			name = source.Slug
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		cert.Sources = append(cert.Sources, name)
	}
	looks, err := e.db.ListSpoolLooks(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range looks {
		if l.Erased {
			cert.Spools = append(cert.Spools, CertificateSpool{l.Instance, l.Events, l.Damaged, l.At.UTC()})
		}
	}
	left, err := e.db.ErasureEvents(ctx, c.ID, CertificateEvents)
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		cert.LeftOut = append(cert.LeftOut, CertificateLeft{l.EventID, l.Doubt, l.DecidedBy, l.Reason})
	}
	digest := sha256.New()
	for before := uuid.Max; ; {
		stones, err := e.db.ListTombstones(ctx, c.ID, before, findPage)
		if err != nil {
			return nil, err
		}
		for _, t := range stones {
			before = t.EventID
			digest.Write(t.EventID[:])
			digest.Write(t.BodySHA256)
			cert.EventsOfAll++
			if len(cert.Events) < CertificateEvents {
				cert.Events = append(cert.Events, CertificateEvent{t.EventID, t.ReceivedAt(), typeOf(t), t.Verdict, t.Size, hex.EncodeToString(t.BodySHA256), t.ErasedAt.UTC(), t.Recorded})
			}
		}
		if len(stones) < findPage {
			break
		}
	}
	cert.Digest = hex.EncodeToString(digest.Sum(nil))
	settings, err := e.db.ErasureSettings(ctx)
	if err != nil {
		return nil, err
	}
	cert.Backups = "Backups of the database made before this may still hold what was erased. Nobody has set for how long backups are kept (recall erasure settings --backups-kept)."
	if settings.BackupsDays > 0 {
		gone := cert.ClosedAt.AddDate(0, 0, settings.BackupsDays)
		cert.BackupsGone = &gone
		cert.Backups = fmt.Sprintf("Backups of the database made before this may still hold what was erased, until %s: they are kept for %d days. Should one be restored, the erasure list has it erased again.",
			gone.Format(time.DateOnly), settings.BackupsDays)
	}
	cert.fill()
	return json.Marshal(cert)
}

func typeOf(t *store.Tombstone) string {
	if t.CallbackType == "" {
		return t.EntityType
	}
	return t.EntityType + "." + t.CallbackType
}
