package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"recall/verify"
)

// Arrival groups: events of one source with equal bodies are plenigo's own retries of one callback, or replays of it by
// somebody else (DESIGN.md, "New?"). The row of a group is locked by the transaction that records an arrival, so two equal
// arrivals at one moment, on two instances, agree on who was first and on which one is sent on.

// signedAtKept bounds the signed times a group remembers: plenigo tries four times.
const signedAtKept = 32

// group is one row of arrival_groups.
type group struct {
	SourceID   int64
	BodySHA256 []byte
	First      uuid.UUID  `db:"first_event_id"`
	Last       uuid.UUID  `db:"last_event_id"`
	Accepted   *uuid.UUID `db:"accepted_event_id"` // the arrival that was sent on
	Arrivals   int
	SignedAt   []int64
	ExpiresAt  time.Time
	ErasedCase *int64 // an event with this body was erased: none is kept any more

	fresh   bool // made by this transaction with its first event
	changed bool // to be written back
}

// grouped tells whether an event belongs to an arrival group: one whose body was not kept equals nothing.
func (e *Event) grouped() bool { return e.Verification.Reason != verify.ReasonBodyTooLarge }

// ownTime: the body says by itself when its entity changed, so equal bodies are the same state.
func (e *Event) ownTime() bool { return e.Envelope.OwnTime() }

func (e *Event) window() time.Duration {
	if e.Window > 0 {
		return e.Window
	}
	return verify.DefaultLateWindow
}

// arrive counts an event into the group and tells whether it is to be sent on. newState is asked only where a repeat
// could be a new state of the entity.
func (g *group) arrive(e *Event, newState func() (bool, error)) (sendOn bool, err error) {
	accepted := e.Verification.Accepted()
	known := slices.Contains(g.SignedAt, e.Verification.SignedAt)
	begins := g.Arrivals == 0 || e.ReceivedAt().After(g.ExpiresAt)
	if !begins && accepted && g.Accepted != nil && e.Verification.Verdict == verify.Verified && !known && !e.ownTime() {
		if begins, err = newState(); err != nil {
			return false, err
		}
	}
	if begins {
		g.First, g.Accepted, g.Arrivals, g.ExpiresAt = e.ID, nil, 0, time.Time{}
	}
	g.Arrivals++
	g.Last = e.ID
	if until := e.ReceivedAt().Add(e.window()); (begins || accepted) && until.After(g.ExpiresAt) {
		g.ExpiresAt = until // forgeries do not keep a group alive
	}
	if t := e.Verification.SignedAt; t != 0 && !known {
		g.SignedAt = append(g.SignedAt, t)
		g.SignedAt = g.SignedAt[max(0, len(g.SignedAt)-signedAtKept):]
	}
	e.Arrival, e.RepeatOf = g.Arrivals, uuid.Nil
	if g.Arrivals > 1 {
		e.RepeatOf = g.First
	}
	if accepted && g.Accepted == nil {
		g.Accepted = &e.ID
		return true, nil
	}
	return false, nil
}

// decideArrivals begins a transaction, which it returns the id of, fills Arrival and RepeatOf of a batch and returns the
// events to be sent on, and the cases by which bodies were erased, of which none is kept any more. Groups are locked in one order by everybody, so that two batches never wait for each other in a circle.
func decideArrivals(ctx context.Context, conn *pgx.Conn, events []*Event) (xid string, sendOn []*Event, erased map[uuid.UUID]int64, err error) {
	erased = map[uuid.UUID]int64{}
	groups := map[groupKey]*group{}
	var order []*group // one per body, with the state after its first event, as if there was no such group yet
	firsts := map[*group]*Event{}
	for _, e := range events {
		if !e.grouped() {
			e.Arrival, e.RepeatOf = 1, uuid.Nil
			continue
		}
		if groups[e.key()] == nil {
			g := &group{SourceID: e.SourceID, BodySHA256: e.BodySHA256[:], fresh: true}
			if _, err := g.arrive(e, nil); err != nil {
				return "", nil, nil, err
			}
			groups[e.key()], firsts[g] = g, e
			order = append(order, g)
		}
	}
	slices.SortFunc(order, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.SourceID, b.SourceID), bytes.Compare(a.BodySHA256, b.BodySHA256))
	})
	if xid, err = beginAndLock(ctx, conn, order); err != nil {
		return "", nil, nil, err
	}
	for i, e := range events {
		if !e.grouped() {
			continue
		}
		g := groups[e.key()]
		if g.ErasedCase != nil {
			e.Arrival, e.RepeatOf = 1, uuid.Nil
			erased[e.ID] = *g.ErasedCase
			continue
		}
		if g.fresh && firsts[g] == e { // counted already
			if e.Verification.Accepted() {
				sendOn = append(sendOn, e)
			}
			continue
		}
		send, err := g.arrive(e, func() (bool, error) { return otherStateSince(ctx, conn, *g.Accepted, e, events[:i]) })
		if err != nil {
			return "", nil, nil, err
		}
		g.changed = true
		if send {
			sendOn = append(sendOn, e)
		}
	}
	return xid, sendOn, erased, updateGroups(ctx, conn, order)
}

// groupKey is the primary key of arrival_groups.
type groupKey struct {
	source int64
	body   [32]byte
}

func (g *group) key() groupKey { return groupKey{g.SourceID, [32]byte(g.BodySHA256)} }
func (e *Event) key() groupKey { return groupKey{e.SourceID, e.BodySHA256} }

// beginAndLock begins a transaction, inserts the groups that are new, and locks and reads those that are there: few, so they
// alone are answered with.
func beginAndLock(ctx context.Context, conn *pgx.Conn, order []*group) (xid string, err error) {
	n := len(order)
	sources, hashes, firsts, accepted := make(bigints, n), make(byteas, n), make(uuids, n), make(uuids, n)
	signed, expires := make(bigints, n), make(timestamps, n)
	for i, g := range order {
		sources[i] = pgtype.Int8{Int64: g.SourceID, Valid: true}
		hashes[i], firsts[i] = g.BodySHA256, nullID(g.First)
		expires[i] = pgtype.Timestamptz{Time: g.ExpiresAt, Valid: true}
		if g.Accepted != nil {
			accepted[i] = nullID(*g.Accepted)
		}
		if len(g.SignedAt) > 0 {
			signed[i] = pgtype.Int8{Int64: g.SignedAt[0], Valid: true}
		}
	}
	var there []group
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SELECT pg_current_xact_id()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
	if n > 0 {
		batch.Queue(`
			WITH groups AS (
				INSERT INTO arrival_groups AS g
					(source_id, body_sha256, first_event_id, last_event_id, accepted_event_id, arrivals, signed_at, expires_at)
				SELECT source_id, body_sha256, first, first, accepted, 1, array_remove(ARRAY[signed], NULL), expires
				FROM unnest($1::bigint[], $2::bytea[], $3::uuid[], $4::uuid[], $5::bigint[], $6::timestamptz[])
					AS t (source_id, body_sha256, first, accepted, signed, expires)
				ON CONFLICT (source_id, body_sha256) DO UPDATE SET arrivals = g.arrivals -- changes nothing: locks the row and returns it
				RETURNING *
			)
			SELECT source_id, body_sha256, first_event_id, last_event_id, accepted_event_id, arrivals, signed_at, expires_at, erased_case
			FROM groups
			WHERE first_event_id <> ALL ($3) -- that were there`,
			sources, hashes, firsts, accepted, signed, expires).
			Query(func(rows pgx.Rows) (err error) {
				there, err = pgx.CollectRows(rows, pgx.RowToStructByName[group])
				return err
			})
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return "", fmt.Errorf("locking arrival groups: %w", err)
	}
	found := make(map[groupKey]group, len(there))
	for _, g := range there {
		found[g.key()] = g
	}
	for _, g := range order {
		if f, ok := found[g.key()]; ok {
			*g = f
		}
	}
	return xid, nil
}

func updateGroups(ctx context.Context, conn *pgx.Conn, order []*group) error {
	batch := &pgx.Batch{}
	for _, g := range order {
		if !g.changed {
			continue
		}
		batch.Queue(`
			UPDATE arrival_groups
			SET first_event_id = $3, last_event_id = $4, accepted_event_id = $5, arrivals = $6, signed_at = $7, expires_at = $8
			WHERE source_id = $1 AND body_sha256 = $2`,
			g.SourceID, g.BodySHA256, g.First, g.Last, g.Accepted, g.Arrivals, g.SignedAt, g.ExpiresAt)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("updating arrival groups: %w", err)
	}
	return nil
}

// otherStateSince tells whether another event of the same entity was accepted after an event of this body was: then an
// equal body is the entity's way back to an earlier state. earlier are the events of this batch that came before.
func otherStateSince(ctx context.Context, conn *pgx.Conn, since uuid.UUID, e *Event, earlier []*Event) (bool, error) {
	if e.Envelope.EntityID == "" {
		return false, nil
	}
	for _, other := range earlier {
		if other.Verification.Accepted() && other.SourceID == e.SourceID && other.Envelope.EntityID == e.Envelope.EntityID &&
			other.Envelope.EntityType == e.Envelope.EntityType && other.BodySHA256 != e.BodySHA256 && bytes.Compare(other.ID[:], since[:]) > 0 {
			return true, nil
		}
	}
	found, err := otherStateStored(ctx, conn, since, e)
	if err != nil {
		return false, fmt.Errorf("looking for other states of the entity: %w", err)
	}
	return found, nil
}
