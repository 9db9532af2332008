package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/seal"
	"recall/verify"
)

// CreateDestination adds a destination and sets its ID, CreatedAt and Revision. It is checked by Validate; a name in use
// gives ErrExists. The notes go into the audit list with it, or not at all; likewise below.
func (db *DB) CreateDestination(ctx context.Context, d *Destination, notes ...AuditEntry) error {
	if err := d.Validate(db.Now()); err != nil {
		return err
	}
	d.normalize()
	made := *d
	err := db.writeSettings(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO destinations (name, url, state, state_reason, created_at)
			VALUES ($1, $2, $3, $4, $5)
			RETURNING id, created_at, revision`,
			d.Name, d.URL, d.State, d.StateReason, db.Now()).Scan(&made.ID, &made.CreatedAt, &made.Revision)
		if err != nil {
			return err
		}
		if err := db.writeDestination(ctx, tx, &made); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if exists(err) {
		return fmt.Errorf("the destination %q %w", d.Name, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("adding the destination %q: %w", d.Name, err)
	}
	d.ID, d.CreatedAt, d.Revision = made.ID, made.CreatedAt.UTC(), made.Revision
	return nil
}

// UpdateDestination makes the settings of the destination with this ID as d says, its name included, all but ID, CreatedAt
// and its state, for which there is SetDestinationState. One that was read while Unreadable is refused, because what is
// secret would be lost: set it anew and clear Unreadable. So is one that is no longer at the Revision it was read at, by
// ErrChanged. A name in use gives ErrExists, a removed destination ErrNotFound.
func (db *DB) UpdateDestination(ctx context.Context, d *Destination, notes ...AuditEntry) error {
	if d.Unreadable {
		return fmt.Errorf("the destination %q cannot be changed: what is secret of it could not be opened with this program's key", d.Name)
	}
	if err := d.Validate(db.Now()); err != nil {
		return err
	}
	d.normalize()
	made := *d
	err := db.writeSettings(ctx, func(tx pgx.Tx) error {
		if err := db.writeDestination(ctx, tx, &made); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	switch {
	case exists(err):
		return fmt.Errorf("the destination %q %w", d.Name, ErrExists)
	case errors.Is(err, ErrChanged):
		return fmt.Errorf("the destination %q %w", d.Name, err)
	case err != nil:
		return fmt.Errorf("changing the destination %q: %w", d.Name, err)
	}
	d.Revision = made.Revision
	return nil
}

// SetDestinationState pauses a destination, finds it broken, or makes it active again; the reason is for people. It changes
// nothing, and notes nothing, where it is so already, which it tells. A removed destination gives ErrNotFound.
func (db *DB) SetDestinationState(ctx context.Context, id int64, state DestinationState, reason string, notes ...AuditEntry) (changed bool, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `
			UPDATE destinations SET state = $2, state_reason = $3, state_since = $4
			WHERE id = $1 AND removed_at IS NULL AND state <> $2`, id, state, cleanReason(reason), db.Now())
		if err != nil {
			return err
		}
		if changed = done.RowsAffected() > 0; changed {
			return db.addAudits(ctx, tx, notes)
		}
		return destinationThere(ctx, tx, id)
	})
	if err != nil {
		return false, fmt.Errorf("setting the state of destination %d: %w", id, err)
	}
	return changed, nil
}

func destinationThere(ctx context.Context, q querier, id int64) error {
	var there bool
	err := q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM destinations WHERE id = $1 AND removed_at IS NULL)`, id).Scan(&there)
	if err == nil && !there {
		err = ErrNotFound
	}
	return err
}

// storedHeader is one header of a destination as it stands in its lists, the sealed one and the other.
type storedHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// storedSecret is a signing secret as it stands in the sealed list.
type storedSecret struct {
	Key    string    `json:"key"`
	MadeAt time.Time `json:"made_at"`
	Until  time.Time `json:"until,omitzero"`
}

// Places bind what is sealed to where it stands: moved to another destination it does not open.
func destinationPlace(id int64) string        { return fmt.Sprintf("destination %d headers", id) }
func destinationSecretsPlace(id int64) string { return fmt.Sprintf("destination %d secrets", id) }

// writeDestination writes the settings of a destination that is there, and sets its new Revision.
func (db *DB) writeDestination(ctx context.Context, tx pgx.Tx, d *Destination) error {
	secrets := make([]storedSecret, len(d.Secrets))
	for i, s := range d.Secrets {
		secrets[i] = storedSecret(s)
	}
	waits := make([]int32, 0, len(d.RetrySchedule)) // not nil: an empty list is no NULL
	for _, wait := range d.RetrySchedule {
		waits = append(waits, int32(wait/time.Second))
	}
	err := tx.QueryRow(ctx, `
		UPDATE destinations
		SET name = @name, url = @url, method = @method, match = @match, signing = @signing, secrets_sealed = @secrets,
			pass_signature = @pass_signature, headers_sealed = @hidden, headers = @headers, timeout_ms = @timeout,
			retry_schedule = @schedule, max_rate = @max_rate, max_concurrency = @max_concurrency, ordering = @ordering,
			demo = @demo, revision = revision + 1
		WHERE id = @id AND removed_at IS NULL AND revision = @revision
		RETURNING revision`,
		pgx.NamedArgs{
			"id": d.ID, "revision": d.Revision, "name": d.Name, "url": d.URL, "method": d.Method, "match": d.Match,
			"signing": d.Signing, "pass_signature": d.PassSignature, "demo": d.Demo, "ordering": d.Ordering,
			"secrets":  sealList(db.sealer(), secrets, destinationSecretsPlace(d.ID)),
			"hidden":   sealList(db.sealer(), storeHeaders(d.Headers), destinationPlace(d.ID)),
			"headers":  storeHeaders(d.ClearHeaders),
			"timeout":  d.Timeout.Milliseconds(),
			"schedule": waits, "max_rate": orNull(d.MaxRate, 0), "max_concurrency": orNull(d.MaxConcurrency, 0),
		}).Scan(&d.Revision)
	if errors.Is(err, pgx.ErrNoRows) {
		if err = destinationThere(ctx, tx, d.ID); err == nil {
			err = ErrChanged
		}
	}
	return err
}

func storeHeaders(headers []verify.Header) []storedHeader {
	list := make([]storedHeader, len(headers)) // not nil: an empty list is no null
	for i, h := range headers {
		list[i] = storedHeader{http.CanonicalHeaderKey(h.Name), h.Value}
	}
	return list
}

func loadHeaders(list []storedHeader) []verify.Header {
	var headers []verify.Header
	for _, h := range list {
		headers = append(headers, verify.Header(h))
	}
	return headers
}

// sealList seals a list as JSON; nil for an empty one.
func sealList[T any](key seal.Key, list []T, place string) []byte {
	if len(list) == 0 {
		return nil
	}
	plain, err := json.Marshal(list)
	if err != nil {
		panic(err) // texts and times only
	}
	return key.Seal(plain, place)
}

// openList opens what sealList sealed; nil is none.
func openList[T any](key seal.Key, sealed []byte, place string) ([]T, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := key.Open(sealed, place)
	if err != nil {
		return nil, err
	}
	var list []T
	if json.Unmarshal(plain, &list) != nil { // its error may quote what it read
		return nil, fmt.Errorf("%s: not a list", place)
	}
	return list, nil
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
func (db *DB) RemoveDestination(ctx context.Context, name string, notes ...AuditEntry) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("destination %.80q: %w", name, ErrNotFound)
	}
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE destinations SET removed_at = $2 WHERE name = $1 AND removed_at IS NULL`, name, db.Now())
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return ErrNotFound
		}
		return db.addAudits(ctx, tx, notes)
	})
	if err != nil {
		return fmt.Errorf("removing the destination %q: %w", name, err)
	}
	return nil
}

// loadDestinations reads destinations that are not removed. One of which something secret cannot be opened is Unreadable and
// broken, which the log says once per load.
func (db *DB) loadDestinations(ctx context.Context, q querier, c choice) ([]*Destination, error) {
	type row struct {
		ID             int64
		Name, URL      string
		Method         string
		Match          *string
		Signing        Signing
		SecretsSealed  []byte
		PassSignature  bool
		HeadersSealed  []byte
		Headers        []storedHeader
		TimeoutMs      int64
		RetrySchedule  []int32
		MaxRate        float64
		MaxConcurrency int
		Ordering       Ordering
		State          DestinationState
		StateSince     zeronull.Timestamptz
		StateReason    string
		Demo           bool
		Revision       int
		CreatedAt      time.Time
	}
	found, err := q.Query(ctx, `
		SELECT id, name, url, method, match, signing, secrets_sealed, pass_signature, headers_sealed, headers, timeout_ms,
			retry_schedule, coalesce(max_rate, 0) AS max_rate, coalesce(max_concurrency, 0) AS max_concurrency, ordering,
			state, state_since, state_reason, demo, revision, created_at
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
			ID: r.ID, Name: r.Name, URL: r.URL, Method: r.Method, Match: r.Match, Signing: r.Signing, PassSignature: r.PassSignature,
			ClearHeaders: loadHeaders(r.Headers), Timeout: time.Duration(r.TimeoutMs) * time.Millisecond,
			MaxRate: r.MaxRate, MaxConcurrency: r.MaxConcurrency, Ordering: r.Ordering,
			State: r.State, StateSince: utc(r.StateSince), StateReason: r.StateReason,
			Demo: r.Demo, Revision: r.Revision, CreatedAt: r.CreatedAt.UTC(),
		}
		for _, wait := range r.RetrySchedule {
			d.RetrySchedule = append(d.RetrySchedule, time.Duration(wait)*time.Second)
		}
		headers, headersErr := openList[storedHeader](db.key, r.HeadersSealed, destinationPlace(d.ID))
		secrets, secretsErr := openList[storedSecret](db.key, r.SecretsSealed, destinationSecretsPlace(d.ID))
		if err := errors.Join(headersErr, secretsErr); err != nil {
			d.Unreadable, d.State = true, DestinationBroken
			db.Log.Error("what is secret of a destination cannot be opened: nothing is sent to it", "destination", d.Name, "error", err)
			headers, secrets = nil, nil
		}
		d.Headers = loadHeaders(headers)
		for _, s := range secrets {
			d.Secrets = append(d.Secrets, SigningSecret(s))
		}
		destinations = append(destinations, d)
	}
	return destinations, nil
}
