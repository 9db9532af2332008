package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// otherStateStored tells whether another body of the same entity was accepted after an event. It may join the transaction
// that records an arrival: it looks at few events, those that the search index names or does not hold yet.
func otherStateStored(ctx context.Context, q querier, since uuid.UUID, e *Event) (bool, error) {
	s := search{q: q, eventFilter: &eventFilter{
		conditions: []string{"e.entity_id = @entity", "e.entity_type = @type", "e.source_id = @source", "e.verdict <> 'rejected'", "e.body_sha256 <> @body"},
		args: pgx.NamedArgs{
			"entity": e.Envelope.EntityID, "type": e.Envelope.EntityType, "source": e.SourceID, "body": e.BodySHA256[:],
		},
		plan: searchPlan{groups: [][][]term{{{newTerm(termEntity, e.Envelope.EntityID)}}}},
	}}
	return s.exists(ctx, idRange{from: nextID(since), to: uuid.Max}, newestFirst)
}
