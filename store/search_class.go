package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// maxClasses bounds the combinations that are told apart. A publisher has a few hundred.
	maxClasses = 4000
	// maxForgedClasses bounds those of rejected events, whose types anybody can make up.
	maxForgedClasses = 2000
	otherClass       = 0 // of what came too late to get one of its own
)

// class is what many events have in common: a filter of these is a list of classes.
type class struct {
	SourceID       int64
	Verdict        string
	Signature      string
	Reason         string
	Answered       int
	Repeat         bool
	UnexpectedType bool
	EntityType     string
	CallbackType   string
	APIVersion     string
}

// loadClasses returns every class by its number.
func loadClasses(ctx context.Context, q querier) (map[int16]class, error) {
	rows, err := q.Query(ctx, `
		SELECT id, source_id, verdict, signature, reason, answered, repeat, unexpected_type, entity_type, callback_type, api_version
		FROM search_classes`)
	if err != nil {
		return nil, fmt.Errorf("loading classes: %w", err)
	}
	classes := map[int16]class{}
	var id int16
	var c class
	_, err = pgx.ForEachRow(rows, []any{&id, &c.SourceID, &c.Verdict, &c.Signature, &c.Reason, &c.Answered, &c.Repeat, &c.UnexpectedType,
		&c.EntityType, &c.CallbackType, &c.APIVersion}, func() error {
		classes[id] = c
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading classes: %w", err)
	}
	return classes, nil
}

// classNumbers gives numbers to classes while events are indexed. It belongs to who holds the lock of search_progress.
type classNumbers struct {
	numbers map[class]int16
	forged  int
	added   []int16
	classes []class // of added
}

func newClassNumbers(ctx context.Context, q querier) (*classNumbers, error) {
	known, err := loadClasses(ctx, q)
	if err != nil {
		return nil, err
	}
	n := &classNumbers{numbers: make(map[class]int16, len(known))}
	for id, c := range known {
		n.numbers[c] = id
		if c.Verdict == "rejected" {
			n.forged++
		}
	}
	return n, nil
}

// number returns that of a class, a new one where there is room.
func (n *classNumbers) number(c class) int16 {
	if id, known := n.numbers[c]; known {
		return id
	}
	forged := c.Verdict == "rejected"
	if len(n.numbers) >= maxClasses || forged && n.forged >= maxForgedClasses {
		return otherClass
	}
	if forged {
		n.forged++
	}
	id := int16(len(n.numbers) + 1)
	n.numbers[c] = id
	n.added, n.classes = append(n.added, id), append(n.classes, c)
	return id
}

// save writes down the new ones.
func (n *classNumbers) save(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	for i, c := range n.classes {
		batch.Queue(`
			INSERT INTO search_classes (id, source_id, verdict, signature, reason, answered, repeat, unexpected_type, entity_type, callback_type, api_version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			n.added[i], c.SourceID, c.Verdict, c.Signature, c.Reason, c.Answered, c.Repeat, c.UnexpectedType, c.EntityType, c.CallbackType, c.APIVersion)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("saving classes: %w", err)
	}
	return nil
}
