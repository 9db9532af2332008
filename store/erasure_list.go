package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// The erasure list: what was erased, so that it can be erased again after an older backup was restored. It holds ids, times and
// hashes and nothing of what was destroyed; persons stand in it by a hash that only the program's key can make.

// listName begins an erasure list, listVersion says how it is written.
const (
	listName    = "recall erasure list"
	listVersion = 1
	mostLine    = 1 << 20 // bytes of one line
)

// ErrErasureList: a file is no erasure list. What wraps it says why.
var ErrErasureList = errors.New("this is not an erasure list of Recall")

type listHead struct {
	List    string    `json:"list"`
	Version int       `json:"version"`
	Key     string    `json:"key"` // names what hashes are keyed by
	At      time.Time `json:"at"`
}

type listLine struct {
	Case  *listCase  `json:"case,omitempty"`
	Event *listEvent `json:"event,omitempty"`
	End   *listEnd   `json:"end,omitempty"`
}

type listCase struct {
	ID          int64     `json:"id"`
	PersonHash  []byte    `json:"person_hash,omitempty"`
	Sources     []int64   `json:"sources,omitempty"`
	ConfirmedBy string    `json:"confirmed_by"`
	ConfirmedAt time.Time `json:"confirmed_at"`
	Closed      bool      `json:"closed"`
	Reason      string    `json:"reason"`
}

type listEvent struct {
	ID           uuid.UUID `json:"id"`
	Case         int64     `json:"case"`
	Source       int64     `json:"source"`
	Verdict      string    `json:"verdict"`
	Reason       string    `json:"reason,omitempty"`
	Signature    string    `json:"signature"`
	Answered     int       `json:"answered"`
	Arrival      int       `json:"arrival"`
	EntityType   string    `json:"entity_type,omitempty"`
	CallbackType string    `json:"callback_type,omitempty"`
	APIVersion   string    `json:"api_version,omitempty"`
	SHA256       []byte    `json:"sha256"`
	Size         int64     `json:"size"`
	ErasedAt     time.Time `json:"erased_at"`
}

type listEnd struct {
	Cases  int `json:"cases"`
	Events int `json:"events"`
}

// WriteErasureList writes the list as lines of JSON, one for the list, one for each case and each event, and one that says how many
// there were.
func (db *DB) WriteErasureList(ctx context.Context, w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	key, err := db.personKey(ctx, db.pool, true)
	if err != nil {
		return err
	}
	if err := out.Encode(listHead{listName, listVersion, nameOfPersonKey(key), db.Now().UTC()}); err != nil {
		return err
	}
	cases, err := db.collectErasures(db.pool.Query(ctx, `SELECT `+erasureColumns+` FROM erasure_cases WHERE state IN ('running', 'closed') ORDER BY id`))
	if err != nil {
		return err
	}
	end := listEnd{Cases: len(cases)}
	for _, c := range cases {
		line := listCase{c.ID, c.PersonHash, c.Sources, c.ConfirmedBy, c.ConfirmedAt, c.State == ErasureClosed, c.Reason}
		if err := out.Encode(listLine{Case: &line}); err != nil {
			return err
		}
		for before := uuid.Max; ; {
			stones, err := db.ListTombstones(ctx, c.ID, before, retentionBatch)
			if err != nil {
				return err
			}
			for _, t := range stones {
				before = t.EventID
				end.Events++
				if err := out.Encode(listLine{Event: &listEvent{t.EventID, c.ID, t.SourceID, t.Verdict, t.Reason, t.Signature, t.Answered, t.Arrival,
					t.EntityType, t.CallbackType, t.APIVersion, t.BodySHA256, t.Size, t.ErasedAt.UTC()}}); err != nil {
					return err
				}
			}
			if len(stones) < retentionBatch {
				break
			}
		}
	}
	return out.Encode(listLine{End: &end})
}

// ReplayedList is what became of a list.
type ReplayedList struct {
	Cases    []int64 // that run now, to erase again what the database has
	Events   int     // of the list that were in the database
	Blocked  int     // that were not, and will not be kept when they come
	Known    int     // erased here already
	OtherKey bool    // persons cannot be told by their hashes: the list was made with another key
}

// ReplayErasureList erases again what a list says was erased: a case begins to run for each of its cases of which something is there.
// The whole list is read before anything is done. note's actor and reason stand at the cases.
func (db *DB) ReplayErasureList(ctx context.Context, r io.Reader, note AuditEntry) (*ReplayedList, error) {
	reason, err := needReason(note.Reason)
	if err != nil {
		return nil, err
	}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, mostLine)
	var head listHead
	if !scanner.Scan() || json.Unmarshal(scanner.Bytes(), &head) != nil || head.List != listName {
		return nil, ErrErasureList
	}
	if head.Version != listVersion {
		return nil, fmt.Errorf("%w: it was written by another version (%d, not %d)", ErrErasureList, head.Version, listVersion)
	}
	key, err := db.personKey(ctx, db.pool, true)
	if err != nil {
		return nil, err
	}
	result := &ReplayedList{OtherKey: head.Key != nameOfPersonKey(key)}
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var of *listCase
		var events []*listEvent
		end := listEnd{}
		var said *listEnd
		for number := 2; scanner.Scan(); number++ {
			var line listLine
			decoder := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&line); err != nil || said != nil || line.Event != nil && (of == nil || line.Event.Case != of.ID || len(line.Event.SHA256) != 32) {
				return fmt.Errorf("%w: line %d cannot be read", ErrErasureList, number)
			}
			switch {
			case line.Event != nil:
				events = append(events, line.Event)
				end.Events++
			case line.Case != nil:
				if err := db.replayListed(ctx, tx, key, of, events, reason, note, result); err != nil {
					return err
				}
				of, events = line.Case, nil
				end.Cases++
			default:
				said = line.End
			}
		}
		if err := scanner.Err(); err != nil {
			return fmt.Errorf("%w: %w", ErrErasureList, err)
		}
		if said == nil || *said != end {
			return fmt.Errorf("%w: it is not whole, so nothing was done", ErrErasureList)
		}
		return db.replayListed(ctx, tx, key, of, events, reason, note, result)
	})
	if err != nil {
		return nil, fmt.Errorf("replaying an erasure list: %w", err)
	}
	return result, nil
}

// replayListed begins a case for what the database has of a listed one, and blocks the rest.
func (db *DB) replayListed(ctx context.Context, tx pgx.Tx, key []byte, of *listCase, events []*listEvent, reason string, note AuditEntry, result *ReplayedList) error {
	if of == nil || len(events) == 0 && of.PersonHash == nil {
		return nil
	}
	if err := db.checkKey(ctx, tx, "FOR UPDATE"); err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	rows, err := tx.Query(ctx, `
		SELECT e.id, e.customers, false FROM events e WHERE e.id = ANY($1)
		UNION ALL SELECT event_id, '', true FROM erased_events WHERE event_id = ANY($1)`, ids)
	if err != nil {
		return err
	}
	there, known, person := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}, ""
	var id uuid.UUID
	var customers string
	var erased bool
	_, err = pgx.ForEachRow(rows, []any{&id, &customers, &erased}, func() error {
		if erased {
			known[id] = true
			return nil
		}
		there[id] = true
		links, err := decodeCustomers(customers)
		for _, l := range links {
			if person == "" && bytes.Equal(personHash(key, l.CustomerID), of.PersonHash) {
				person = l.CustomerID
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	result.Known += len(known)
	if len(there) == 0 && len(known) == len(events) {
		return nil
	}
	var sealed []byte
	if person != "" {
		sealed = db.sealer().Seal([]byte(person), personContext)
	}
	hash, at := of.PersonHash, db.Now()
	var event *uuid.UUID
	if hash == nil {
		event = &events[0].ID
	}
	step := StepTraces
	if !of.Closed && person != "" { // it had not come to its end
		step = StepFind
	}
	var caseID int64
	err = tx.QueryRow(ctx, `
		INSERT INTO erasure_cases (person_sealed, person_hash, event_id, state, step, reason, opened_by, opened_at, confirmed_by, confirmed_at, step_at, found, state_since, source_ids)
		VALUES ($1, $2, $3, 'running', $10, $4, $5, $6, $7, $8, $6, $9, $6, $11) RETURNING id`,
		sealed, hash, event, cleanReason(fmt.Sprintf("%s; erased before, as case %d: %s", reason, of.ID, of.Reason)), note.Actor, at, note.Actor, of.ConfirmedAt,
		map[string]int64{"events": int64(len(there))}, step, orNone(of.Sources)).Scan(&caseID)
	if err != nil {
		return err
	}
	for _, e := range events {
		switch {
		case there[e.ID]:
			result.Events++
			if _, err := tx.Exec(ctx, `INSERT INTO erasure_events (case_id, event_id, erase) VALUES ($1, $2, true)`, caseID, e.ID); err != nil {
				return err
			}
		case !known[e.ID]:
			result.Blocked++
			if err := blockListed(ctx, tx, caseID, e); err != nil {
				return err
			}
		}
	}
	result.Cases = append(result.Cases, caseID)
	note.Action, note.Subject, note.Reason = "erasure.replay", caseSubject(caseID), reason
	note.Detail = withDetail(note.Detail, "list", map[string]any{"case": of.ID, "there": len(there), "erased already": len(known), "events": len(events)})
	return db.addAudit(ctx, tx, note)
}

// blockListed leaves the tombstone of an event that is not there, so that it is not kept when it comes.
func blockListed(ctx context.Context, tx pgx.Tx, id int64, e *listEvent) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO erased_events (event_id, case_id, source_id, verdict, reason, signature, answered, arrival, entity_type, callback_type, api_version,
			body_sha256, size, deliveries, erased_at, recorded)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '[]', $14, false)`,
		e.ID, id, e.Source, e.Verdict, e.Reason, e.Signature, e.Answered, e.Arrival, e.EntityType, e.CallbackType, e.APIVersion, e.SHA256, e.Size, e.ErasedAt)
	if err != nil || e.Reason == string(verify.ReasonBodyTooLarge) { // its body is nobody's
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO arrival_groups (source_id, body_sha256, first_event_id, last_event_id, accepted_event_id, arrivals, signed_at, expires_at, erased_case)
		VALUES ($1, $2, $3, $3, $3, 1, '{}', $4, $5)
		ON CONFLICT (source_id, body_sha256) DO UPDATE SET erased_case = excluded.erased_case, expires_at = excluded.expires_at`, e.Source, e.SHA256, e.ID, groupBlocks, id)
	return err
}
