// Package store keeps events, and everything else Recall knows, in PostgreSQL. Everything is reached through DB.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"recall/filter"
	"recall/seal"
	"recall/verify"
)

var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrOutcomeUnknown: the commit was sent, its answer was lost, and the database could not be asked since.
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
)

// DB is the store. Now may be replaced before first use, in tests.
type DB struct {
	Now  func() time.Time
	Log  *slog.Logger
	pool *pgxpool.Pool
	key  seal.Key
}

// Open connects. It does not migrate.
func Open(ctx context.Context, url string, key seal.Key, log *slog.Logger) (*DB, error) {
	panic("contract")
}
func (db *DB) Close()              { panic("contract") }
func (db *DB) Pool() *pgxpool.Pool { return db.pool } // for River, which has tables of its own

// Migrate brings the schema up to date (ours by goose, River's by rivermigrate) under an advisory lock, and makes the
// partitions for now. It refuses a schema newer than this program.
func (db *DB) Migrate(ctx context.Context) error { panic("contract") }

// MigrationState is one migration and when it was applied (zero: pending).
type MigrationState struct {
	Version   int64
	Name      string
	AppliedAt time.Time
}

func (db *DB) MigrationStatus(ctx context.Context) ([]MigrationState, error) { panic("contract") }

// CheckKey says clearly when the secrets in the database were sealed with another key than this program's.
func (db *DB) CheckKey(ctx context.Context) error { panic("contract") }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { panic("contract") }

// Maintain does the bounded periodic work: partitions ahead, expired arrival groups, old commits. One instance at a time.
func (db *DB) Maintain(ctx context.Context) error { panic("contract") }

// OnRecord sets what joins the transaction that records events: it gets those that are to be sent on.
func (db *DB) OnRecord(hook func(ctx context.Context, tx pgx.Tx, events []*Event) error) {
	panic("contract")
}

// RecordEvents commits a batch in one transaction and returns one error per event, nil where the event is safely on
// disk. It fills RepeatOf and Arrival. One bad event never fails the others. Recording an id twice is recording it once.
func (db *DB) RecordEvents(ctx context.Context, events []*Event) []error { panic("contract") }

// FindEvent returns the event whole, or ErrNotFound.
func (db *DB) FindEvent(ctx context.Context, id uuid.UUID) (*Event, error) { panic("contract") }

// EventQuery chooses a page of events, newest first.
type EventQuery struct {
	Filter filter.Filter
	Limit  int       // 50 when 0, at most 10,000
	Before uuid.UUID // only events older than this id
	After  uuid.UUID // only events newer than this id; the page nearest to it
}

// EventPage is one page, newest first, and whether there are events on either side of it.
type EventPage struct {
	Events       []EventSummary
	Newer, Older bool
}

func (db *DB) ListEvents(ctx context.Context, q EventQuery) (EventPage, error) { panic("contract") }

// Summary of one event, or ErrNotFound.
func (db *DB) FindEventSummary(ctx context.Context, id uuid.UUID) (*EventSummary, error) {
	panic("contract")
}

// Arrivals lists all events of the arrival group that an event belongs to, oldest first.
func (db *DB) Arrivals(ctx context.Context, id uuid.UUID) ([]EventSummary, error) { panic("contract") }

// CommittedSince returns ids of events in the order they became visible, after a cursor ("" starts at the end), at most
// limit, and the cursor to go on from.
func (db *DB) CommittedSince(ctx context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error) {
	panic("contract")
}

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

// CreateDeliveriesTx inserts deliveries in the caller's transaction, and returns those that were new: an automatic one
// that is there already is left out.
func (db *DB) CreateDeliveriesTx(ctx context.Context, tx pgx.Tx, ds []*Delivery) ([]*Delivery, error) {
	panic("contract")
}

// BeginAttempt records that a try begins, before anything is sent, and gives it its number. A delivery that is finished
// gives ErrFinished.
func (db *DB) BeginAttempt(ctx context.Context, eventID, deliveryID uuid.UUID, a *Attempt) error {
	panic("contract")
}

// EndAttempt records how a try ended and where the delivery stands now; next is set when it is waiting.
func (db *DB) EndAttempt(ctx context.Context, eventID, deliveryID uuid.UUID, a *Attempt, state DeliveryState, next time.Time) error {
	panic("contract")
}

// ErrFinished: the delivery succeeded, is exhausted or was cancelled already.
var ErrFinished = errors.New("delivery is finished")

func (db *DB) FindDelivery(ctx context.Context, eventID, deliveryID uuid.UUID) (*Delivery, error) {
	panic("contract")
}

// ListDeliveries returns an event's deliveries with their attempts, newest delivery first.
func (db *DB) ListDeliveries(ctx context.Context, eventID uuid.UUID) ([]*Delivery, error) {
	panic("contract")
}

// CreateUser hashes the password with argon2id. ErrExists.
func (db *DB) CreateUser(ctx context.Context, name, password string, role Role) (*User, error) {
	panic("contract")
}

// CheckPassword returns the user, or ErrNotFound for a wrong name and a wrong password alike, in equal time.
func (db *DB) CheckPassword(ctx context.Context, name, password string) (*User, error) {
	panic("contract")
}
func (db *DB) SetPassword(ctx context.Context, name, password string) error  { panic("contract") } // ends the user's sessions
func (db *DB) FindUser(ctx context.Context, id int64) (*User, error)         { panic("contract") }
func (db *DB) ListUsers(ctx context.Context) ([]*User, error)                { panic("contract") }
func (db *DB) SetRole(ctx context.Context, name string, role Role) error     { panic("contract") }
func (db *DB) RemoveUser(ctx context.Context, name string) error             { panic("contract") }
func (db *DB) AddAudit(ctx context.Context, e AuditEntry) error              { panic("contract") }
func (db *DB) AddAuditTx(ctx context.Context, tx pgx.Tx, e AuditEntry) error { panic("contract") }
func (db *DB) ListAudit(ctx context.Context, subject string, limit int) ([]AuditEntry, error) {
	panic("contract")
}
