package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// CreateDestination adds a destination and sets its ID and CreatedAt. It is checked by Validate; a name in use gives
// ErrExists.
func (db *DB) CreateDestination(ctx context.Context, d *Destination) error {
	if err := d.Validate(db.Now()); err != nil {
		return err
	}
	made := *d
	err := db.writeSettings(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO destinations (name, url, created_at)
			VALUES ($1, $2, $3)
			RETURNING id, created_at`, d.Name, d.URL, db.Now()).Scan(&made.ID, &made.CreatedAt)
		if err != nil {
			return err
		}
		return db.writeDestination(ctx, tx, &made)
	})
	if exists(err) {
		return fmt.Errorf("the destination %q %w", d.Name, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("adding the destination %q: %w", d.Name, err)
	}
	d.ID, d.CreatedAt = made.ID, made.CreatedAt.UTC()
	return nil
}

// UpdateDestination makes the destination with this ID as d says, its name included, all but ID and CreatedAt. One that
// was read while Unreadable is refused, because its headers would be lost: set them anew and clear Unreadable. A name
// in use gives ErrExists, a removed destination ErrNotFound.
func (db *DB) UpdateDestination(ctx context.Context, d *Destination) error {
	if err := d.Validate(db.Now()); err != nil {
		return err
	}
	if d.Unreadable {
		return fmt.Errorf("the destination %q cannot be changed: its headers could not be opened with this program's key", d.Name)
	}
	err := db.writeSettings(ctx, func(tx pgx.Tx) error { return db.writeDestination(ctx, tx, d) })
	if exists(err) {
		return fmt.Errorf("the destination %q %w", d.Name, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("changing the destination %q: %w", d.Name, err)
	}
	return nil
}

// sealedHeader is one header of a destination as it stands in the sealed list.
type sealedHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func destinationPlace(id int64) string { return fmt.Sprintf("destination %d headers", id) }

func (db *DB) writeDestination(ctx context.Context, tx pgx.Tx, d *Destination) error {
	var sealed []byte
	if len(d.Headers) > 0 {
		var list []sealedHeader
		for _, h := range d.Headers {
			list = append(list, sealedHeader{http.CanonicalHeaderKey(h.Name), h.Value})
		}
		plain, err := json.Marshal(list)
		if err != nil {
			return err
		}
		sealed = db.key.Seal(plain, destinationPlace(d.ID))
	}
	waits := make([]int32, 0, len(d.RetrySchedule)) // not nil: an empty list is no NULL
	for _, wait := range d.RetrySchedule {
		waits = append(waits, int32(wait/time.Second))
	}
	done, err := tx.Exec(ctx, `
		UPDATE destinations
		SET name = @name, url = @url, match = @match, signing = @signing, headers_sealed = @headers,
			timeout_ms = @timeout, retry_schedule = @schedule, state = @state, demo = @demo
		WHERE id = @id AND removed_at IS NULL`,
		pgx.NamedArgs{
			"id": d.ID, "name": d.Name, "url": d.URL, "match": d.Match, "signing": d.Signing, "headers": sealed,
			"timeout": d.Timeout.Milliseconds(), "schedule": waits, "state": d.State, "demo": d.Demo,
		})
	if err != nil {
		return err
	}
	if done.RowsAffected() == 0 {
		return ErrNotFound
	}
	return nil
}

// FindDestination returns the destination with exactly this name, or ErrNotFound when there is none or it was removed.
func (db *DB) FindDestination(ctx context.Context, name string) (*Destination, error) {
	if !nameForm.MatchString(name) { // PostgreSQL refuses some texts as such
		return nil, fmt.Errorf("destination %.80q: %w", name, ErrNotFound)
	}
	destinations, err := db.loadDestinations(ctx, db.pool, choice{Name: &name})
	if err != nil {
		return nil, err
	}
	return only(destinations, fmt.Sprintf("destination %q", name))
}

// FindDestinationByID returns a destination, or ErrNotFound when there is none or it was removed: nothing is sent there
// any more.
func (db *DB) FindDestinationByID(ctx context.Context, id int64) (*Destination, error) {
	destinations, err := db.loadDestinations(ctx, db.pool, choice{ID: &id})
	if err != nil {
		return nil, err
	}
	return only(destinations, fmt.Sprintf("destination %d", id))
}

// ListDestinations returns all destinations by name, without removed ones.
func (db *DB) ListDestinations(ctx context.Context) ([]*Destination, error) {
	return db.loadDestinations(ctx, db.pool, choice{})
}

// RemoveDestination ends a destination. Its deliveries stay, and its name is free again.
func (db *DB) RemoveDestination(ctx context.Context, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("destination %.80q: %w", name, ErrNotFound)
	}
	done, err := db.pool.Exec(ctx, `UPDATE destinations SET removed_at = $2 WHERE name = $1 AND removed_at IS NULL`, name, db.Now())
	if err != nil {
		return fmt.Errorf("removing the destination %q: %w", name, err)
	}
	if done.RowsAffected() == 0 {
		return fmt.Errorf("destination %q: %w", name, ErrNotFound)
	}
	return nil
}

// loadDestinations reads destinations that are not removed. One whose headers cannot be opened is Unreadable and broken,
// which the log says once per load.
func (db *DB) loadDestinations(ctx context.Context, q querier, c choice) ([]*Destination, error) {
	type row struct {
		ID            int64
		Name, URL     string
		Match         *string
		Signing       Signing
		HeadersSealed []byte
		TimeoutMs     int64
		RetrySchedule []int32
		State         DestinationState
		Demo          bool
		CreatedAt     time.Time
	}
	found, err := q.Query(ctx, `
		SELECT id, name, url, match, signing, headers_sealed, timeout_ms, retry_schedule, state, demo, created_at
		FROM destinations
		WHERE (@id::bigint IS NULL OR id = @id) AND (@name::text IS NULL OR name = @name) AND removed_at IS NULL
		ORDER BY name COLLATE "C"`, pgx.NamedArgs{"id": c.ID, "name": c.Name})
	if err != nil {
		return nil, fmt.Errorf("reading destinations: %w", err)
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("reading destinations: %w", err)
	}
	var destinations []*Destination
	for _, r := range rows {
		d := &Destination{
			ID: r.ID, Name: r.Name, URL: r.URL, Match: r.Match, Signing: r.Signing,
			Timeout: time.Duration(r.TimeoutMs) * time.Millisecond,
			State:   r.State, Demo: r.Demo, CreatedAt: r.CreatedAt.UTC(),
		}
		for _, wait := range r.RetrySchedule {
			d.RetrySchedule = append(d.RetrySchedule, time.Duration(wait)*time.Second)
		}
		if d.Headers, err = db.openHeaders(r.HeadersSealed, destinationPlace(d.ID)); err != nil {
			d.Unreadable, d.State = true, DestinationBroken
			db.Log.Error("a destination's headers cannot be opened: nothing is sent to it", "destination", d.Name, "error", err)
		}
		destinations = append(destinations, d)
	}
	return destinations, nil
}

// openHeaders opens the sealed list of headers; nil is none.
func (db *DB) openHeaders(sealed []byte, place string) ([]verify.Header, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := db.key.Open(sealed, place)
	if err != nil {
		return nil, err
	}
	var list []sealedHeader
	if json.Unmarshal(plain, &list) != nil { // its error may quote what it read
		return nil, fmt.Errorf("%s: not a list of headers", place)
	}
	var headers []verify.Header
	for _, h := range list {
		headers = append(headers, verify.Header(h))
	}
	return headers, nil
}
