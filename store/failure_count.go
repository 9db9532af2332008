package store

import (
	"context"
	"errors"
	"net/netip"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// maxSenders bounds the senders a source and reason have groups for; further ones share one without an address.
const maxSenders = 50

// examined bounds the events of one kind whose cause is looked for in one round.
const examined = 3

// failureKind is a failure group but for its cause.
type failureKind struct {
	source int64
	reason verify.Reason
	sender netip.Addr // invalid: unknown
}

// countFailures counts rejected events into their groups. Where the examined ones of a kind agree on a cause, it stands
// for all of them.
func (db *DB) countFailures(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, likely func(*Event) verify.Cause) error {
	rows, err := tx.Query(ctx, `
		SELECT id, source_id, reason, sender FROM events WHERE id = ANY($1) AND verdict = 'rejected' ORDER BY id`, ids)
	if err != nil {
		return err
	}
	kinds := map[failureKind][]uuid.UUID{}
	var order []failureKind
	var id uuid.UUID
	var k failureKind
	var sender *netip.Addr
	_, err = pgx.ForEachRow(rows, []any{&id, &k.source, &k.reason, &sender}, func() error {
		k.sender = netip.Addr{}
		if sender != nil {
			k.sender = *sender
		}
		if kinds[k] == nil {
			order = append(order, k)
		}
		kinds[k] = append(kinds[k], id)
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range order {
		var causes []verify.Cause
		for _, id := range kinds[k][:min(examined, len(kinds[k]))] {
			e, err := db.FindEvent(ctx, id)
			switch {
			case errors.Is(err, ErrNotFound): // erased since
				causes = append(causes, "")
			case err != nil:
				return err
			default:
				causes = append(causes, likely(e))
			}
		}
		for i, cause := range causes { // those that were looked at have their own
			if err := addToFailure(ctx, tx, k, cause, kinds[k][i:i+1]); err != nil {
				return err
			}
		}
		if rest := kinds[k][len(causes):]; len(rest) > 0 {
			if err := addToFailure(ctx, tx, k, agreed(causes), rest); err != nil {
				return err
			}
		}
	}
	return nil
}

func agreed(causes []verify.Cause) verify.Cause {
	for _, c := range causes {
		if c != causes[0] {
			return ""
		}
	}
	if len(causes) == 0 {
		return ""
	}
	return causes[0]
}

// addToFailure counts events into a group. A resolved one opens again: it was not resolved.
func addToFailure(ctx context.Context, tx pgx.Tx, k failureKind, cause verify.Cause, ids []uuid.UUID) error {
	var sender *netip.Addr
	if k.sender.IsValid() {
		sender = &k.sender
	}
	_, err := tx.Exec(ctx, `
		WITH known AS (
			SELECT count(DISTINCT sender) AS senders, coalesce(bool_or(sender = $3), false) AS this
			FROM failure_groups WHERE source_id = $1 AND reason = $2
		), grouped AS (
			INSERT INTO failure_groups AS g (source_id, reason, sender, cause, events, first_event_id, last_event_id)
			SELECT $1, $2, CASE WHEN this OR senders < $6 THEN $3::inet END, $4, cardinality($5::uuid[]), $5[1], $5[cardinality($5)]
			FROM known
			ON CONFLICT (source_id, reason, sender, cause) DO UPDATE
			SET events = g.events + excluded.events, last_event_id = greatest(g.last_event_id, excluded.last_event_id),
				first_event_id = least(g.first_event_id, excluded.first_event_id),
				state = CASE g.state WHEN 'resolved' THEN 'open' ELSE g.state END
			RETURNING id
		)
		INSERT INTO failure_hours AS h (group_id, hour, events)
		SELECT grouped.id, `+hourOf("event")+`, count(*)
		FROM grouped, unnest($5) AS event
		GROUP BY 1, 2
		ON CONFLICT (group_id, hour) DO UPDATE SET events = h.events + excluded.events`,
		k.source, k.reason, sender, cause, ids, maxSenders)
	return err
}
