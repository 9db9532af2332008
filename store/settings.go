package store

import (
	"context"
)

func (db *DB) CreateSource(ctx context.Context, s *Source) error             { panic("contract") } // sets ID; ErrExists
func (db *DB) UpdateSource(ctx context.Context, s *Source) error             { panic("contract") } // all but ID and Slug
func (db *DB) FindSource(ctx context.Context, slug string) (*Source, error)  { panic("contract") }
func (db *DB) FindSourceByID(ctx context.Context, id int64) (*Source, error) { panic("contract") } // removed ones too
func (db *DB) ListSources(ctx context.Context) ([]*Source, error)            { panic("contract") } // by slug, without removed ones
func (db *DB) RemoveSource(ctx context.Context, slug string) error           { panic("contract") }
func (db *DB) CreateDestination(ctx context.Context, d *Destination) error   { panic("contract") }
func (db *DB) UpdateDestination(ctx context.Context, d *Destination) error   { panic("contract") }
func (db *DB) ListDestinations(ctx context.Context) ([]*Destination, error)  { panic("contract") }
func (db *DB) FindDestination(ctx context.Context, name string) (*Destination, error) {
	panic("contract")
}
func (db *DB) FindDestinationByID(ctx context.Context, id int64) (*Destination, error) {
	panic("contract")
}
func (db *DB) RemoveDestination(ctx context.Context, name string) error { panic("contract") }
