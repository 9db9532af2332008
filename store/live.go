package store

import (
	"context"

	"recall/verify"
)

// Live is what an instance holds in memory: sources and destinations, renewed within about a second of a change.
type Live struct{}

// LiveSource is a source with its policy, made once.
type LiveSource struct {
	*Source
	Policy *verify.Policy
}

// Live loads the settings and keeps them current until ctx ends. While the database is away the last known ones hold.
func (db *DB) Live(ctx context.Context) (*Live, error) { panic("contract") }
func (l *Live) Source(slug string) (LiveSource, bool)  { panic("contract") }
func (l *Live) SourceByID(id int64) (LiveSource, bool) { panic("contract") }
func (l *Live) Destinations() []*Destination           { panic("contract") }
