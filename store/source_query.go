package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/verify"
)

// CreateSource adds a source and sets its ID, CreatedAt and Revision. It is checked by Validate; a slug in use gives
// ErrExists. The notes go into the audit list with it, or not at all; likewise below.
func (db *DB) CreateSource(ctx context.Context, s *Source, notes ...AuditEntry) error {
	if err := s.Validate(); err != nil {
		return err
	}
	made := *s
	err := db.writeSettings(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO sources (slug, name, created_at)
			VALUES ($1, $2, $3)
			RETURNING id, created_at, revision`, s.Slug, s.Name, db.Now()).Scan(&made.ID, &made.CreatedAt, &made.Revision)
		if err != nil {
			return err
		}
		if err := db.writeSource(ctx, tx, &made); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if exists(err) {
		return fmt.Errorf("the source %q %w", s.Slug, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("adding the source %q: %w", s.Slug, err)
	}
	s.ID, s.CreatedAt, s.Revision = made.ID, made.CreatedAt.UTC(), made.Revision
	return nil
}

// UpdateSource makes the source with this ID as s says, all but ID, Slug and CreatedAt. Secrets and headers that s leaves
// out are gone. One that was read while Unreadable is refused, because what could not be opened would be lost:
// set everything anew and clear Unreadable. So is one that is no longer at the Revision it was read at, by ErrChanged:
// what was changed since would be undone. A removed source gives ErrNotFound.
func (db *DB) UpdateSource(ctx context.Context, s *Source, notes ...AuditEntry) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if s.Unreadable {
		return fmt.Errorf("the source %q cannot be changed: its secrets could not be opened with this program's key", s.Slug)
	}
	made := *s
	err := db.writeSettings(ctx, func(tx pgx.Tx) error {
		if err := db.writeSource(ctx, tx, &made); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if errors.Is(err, ErrChanged) {
		return fmt.Errorf("the source %q %w", s.Slug, err)
	}
	if err != nil {
		return fmt.Errorf("changing the source %q: %w", s.Slug, err)
	}
	s.Revision = made.Revision
	return nil
}

// writeSource writes a source that is there, secrets and headers included, and sets its new Revision. A secret is the
// same one as long as it keeps its name.
func (db *DB) writeSource(ctx context.Context, tx pgx.Tx, s *Source) error {
	var basic []byte
	if s.Basic != nil {
		basic = db.sealer().Seal([]byte(s.Basic.User+":"+s.Basic.Password), basicPlace(s.ID))
	}
	scheme, err := encodeScheme(s.Scheme)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `
		UPDATE sources
		SET name = @name, enabled = @enabled, observe = @observe, demo = @demo,
			tolerance_seconds = @tolerance, late_window_seconds = @late_window, basic_auth_sealed = @basic,
			scheme = @scheme, expected_types = @types, revision = revision + 1
		WHERE id = @id AND removed_at IS NULL AND revision = @revision
		RETURNING revision`,
		pgx.NamedArgs{
			"id": s.ID, "name": s.Name, "enabled": s.Enabled, "observe": s.Observe, "demo": s.Demo,
			"tolerance": seconds(s.Tolerance), "late_window": seconds(s.LateWindow), "basic": basic,
			"scheme": scheme, "types": append([]string{}, s.ExpectedTypes...), "revision": s.Revision,
		}).Scan(&s.Revision)
	if errors.Is(err, pgx.ErrNoRows) {
		return whyNotWritten(ctx, tx, s.ID)
	}
	if err != nil {
		return err
	}

	names := make([]string, 0, len(s.Secrets)) // not nil: NULL would keep them all
	for _, secret := range s.Secrets {
		names = append(names, secret.Name)
		_, err := tx.Exec(ctx, `
			INSERT INTO source_secrets (source_id, name, sealed, valid_from, valid_until, created_at)
			VALUES (@id, @name, @sealed, @from, @until, @now)
			ON CONFLICT (source_id, name) DO UPDATE
			SET sealed = EXCLUDED.sealed, valid_from = EXCLUDED.valid_from, valid_until = EXCLUDED.valid_until`,
			pgx.NamedArgs{
				"id": s.ID, "name": secret.Name, "sealed": db.sealer().Seal([]byte(secret.Key), secretPlace(s.ID, secret.Name)),
				"from": orTime(secret.From), "until": orTime(secret.Until), "now": db.Now(),
			})
		if err != nil {
			return fmt.Errorf("secret %q: %w", secret.Name, err)
		}
	}
	if _, err := tx.Exec(ctx, `DELETE FROM source_secrets WHERE source_id = $1 AND name <> ALL ($2)`, s.ID, names); err != nil {
		return err
	}

	if _, err := tx.Exec(ctx, `DELETE FROM source_headers WHERE source_id = $1`, s.ID); err != nil {
		return err
	}
	for _, h := range s.Headers {
		name := http.CanonicalHeaderKey(h.Name)
		_, err := tx.Exec(ctx, `INSERT INTO source_headers (source_id, name, sealed) VALUES ($1, $2, $3)`,
			s.ID, name, db.sealer().Seal([]byte(h.Value), headerPlace(s.ID, name)))
		if err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// whyNotWritten tells a source that is gone from one that was changed.
func whyNotWritten(ctx context.Context, tx pgx.Tx, id int64) error {
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sources WHERE id = $1 AND removed_at IS NULL)`, id).Scan(&there)
	switch {
	case err != nil:
		return err
	case there:
		return ErrChanged
	}
	return ErrNotFound
}

// encodeScheme writes a shipped scheme as its name, so that the source follows it when it is improved.
func encodeScheme(s verify.Scheme) ([]byte, error) {
	text := s.String()
	if strings.HasPrefix(text, "{") {
		return []byte(text), nil
	}
	return json.Marshal(text)
}

// decodeScheme reads what encodeScheme writes; the default is the zero Scheme.
func decodeScheme(column []byte) (verify.Scheme, error) {
	var text string
	if json.Unmarshal(column, &text) != nil || text == "" {
		text = string(column)
	}
	scheme, err := verify.ParseScheme(text)
	if scheme == verify.Plenigo {
		scheme = verify.Scheme{}
	}
	return scheme, err
}

// Places bind a sealed value to where it stands: moved to another source or name it does not open.
func basicPlace(source int64) string { return fmt.Sprintf("source %d basic", source) }
func secretPlace(source int64, name string) string {
	return fmt.Sprintf("source %d secret %s", source, name)
}
func headerPlace(source int64, name string) string {
	return fmt.Sprintf("source %d header %s", source, name)
}

// FindSource returns the source with exactly this slug, or ErrNotFound when there is none or it was removed.
func (db *DB) FindSource(ctx context.Context, slug string) (*Source, error) {
	if !nameForm.MatchString(slug) { // PostgreSQL refuses some texts as such
		return nil, fmt.Errorf("source %.80q: %w", slug, ErrNotFound)
	}
	sources, err := db.findSources(ctx, choice{Name: &slug})
	if err != nil {
		return nil, err
	}
	return only(sources, fmt.Sprintf("source %q", slug))
}

// FindSourceByID returns a source, also a removed one with its secrets: its events may still be sent again, signed.
func (db *DB) FindSourceByID(ctx context.Context, id int64) (*Source, error) {
	sources, err := db.findSources(ctx, choice{ID: &id, Removed: true})
	if err != nil {
		return nil, err
	}
	return only(sources, fmt.Sprintf("source %d", id))
}

// ListSources returns all sources by slug, without removed ones.
func (db *DB) ListSources(ctx context.Context) ([]*Source, error) {
	return db.findSources(ctx, choice{})
}

// RemoveSource ends a source. Its events stay, and its slug is free again.
func (db *DB) RemoveSource(ctx context.Context, slug string, notes ...AuditEntry) error {
	if !nameForm.MatchString(slug) {
		return fmt.Errorf("source %.80q: %w", slug, ErrNotFound)
	}
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `
			UPDATE sources SET removed_at = $2, revision = revision + 1
			WHERE slug = $1 AND removed_at IS NULL`, slug, db.Now())
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return ErrNotFound
		}
		return db.addAudits(ctx, tx, notes)
	})
	if err != nil {
		return fmt.Errorf("removing the source %q: %w", slug, err)
	}
	return nil
}

func (db *DB) findSources(ctx context.Context, c choice) (sources []*Source, err error) {
	err = db.readSettings(ctx, func(tx pgx.Tx) error {
		sources, err = db.loadSources(ctx, tx, c)
		return err
	})
	return sources, err
}

// loadSources reads sources with their secrets and headers. One that cannot be opened is Unreadable, which the log says
// once per load.
func (db *DB) loadSources(ctx context.Context, tx pgx.Tx, c choice) ([]*Source, error) {
	type row struct {
		ID                int64
		Slug, Name        string
		Enabled, Observe  bool
		Demo              bool
		ToleranceSeconds  int64
		LateWindowSeconds int64
		BasicAuthSealed   []byte
		Scheme            []byte
		ExpectedTypes     []string
		Revision          int
		CreatedAt         time.Time
		RemovedAt         zeronull.Timestamptz
	}
	found, err := tx.Query(ctx, `
		SELECT id, slug, name, enabled, observe, demo, tolerance_seconds, late_window_seconds, basic_auth_sealed,
			scheme, expected_types, revision, created_at, removed_at
		FROM sources
		WHERE (@id::bigint IS NULL OR id = @id) AND (@slug::text IS NULL OR slug = @slug) AND (@removed OR removed_at IS NULL)
		ORDER BY slug COLLATE "C", id`, pgx.NamedArgs{"id": c.ID, "slug": c.Name, "removed": c.Removed})
	if err != nil {
		return nil, fmt.Errorf("reading sources: %w", err)
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("reading sources: %w", err)
	}

	var sources []*Source
	opening := map[int64]*opener{}
	var ids []int64
	for _, r := range rows {
		s := &Source{
			ID: r.ID, Slug: r.Slug, Name: r.Name, Enabled: r.Enabled, Observe: r.Observe, Demo: r.Demo,
			CreatedAt: r.CreatedAt.UTC(), RemovedAt: utc(r.RemovedAt),
			Tolerance:  time.Duration(r.ToleranceSeconds) * time.Second,
			LateWindow: time.Duration(r.LateWindowSeconds) * time.Second,
			Revision:   r.Revision,
		}
		if len(r.ExpectedTypes) > 0 {
			s.ExpectedTypes = r.ExpectedTypes
		}
		o := &opener{key: db.key, source: s}
		if s.Scheme, err = decodeScheme(r.Scheme); err != nil {
			s.Unreadable, o.problem = true, err
		}
		if r.BasicAuthSealed != nil {
			if plain, ok := o.open(r.BasicAuthSealed, basicPlace(s.ID)); ok {
				user, password, _ := strings.Cut(plain, ":")
				s.Basic = &verify.BasicAuth{User: user, Password: password}
			}
		}
		sources, ids, opening[s.ID] = append(sources, s), append(ids, s.ID), o
	}
	if err := loadSecrets(ctx, tx, ids, opening); err != nil {
		return nil, fmt.Errorf("reading secrets: %w", err)
	}
	if err := loadSourceHeaders(ctx, tx, ids, opening); err != nil {
		return nil, fmt.Errorf("reading headers of sources: %w", err)
	}
	for _, s := range sources {
		if s.Unreadable {
			db.Log.Error("a source's settings cannot be opened: it rejects everything", "source", s.Slug, "error", opening[s.ID].problem)
		}
	}
	return sources, nil
}

// loadSecrets fills in the secrets, in the order they were added.
func loadSecrets(ctx context.Context, tx pgx.Tx, ids []int64, opening map[int64]*opener) error {
	type row struct {
		SourceID              int64
		Name                  string
		Sealed                []byte
		ValidFrom, ValidUntil zeronull.Timestamptz
	}
	found, err := tx.Query(ctx, `
		SELECT source_id, name, sealed, valid_from, valid_until
		FROM source_secrets
		WHERE source_id = ANY ($1)
		ORDER BY id`, ids)
	if err != nil {
		return err
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByName[row])
	for _, r := range rows {
		o := opening[r.SourceID]
		if plain, ok := o.open(r.Sealed, secretPlace(r.SourceID, r.Name)); ok {
			secret := verify.Secret{Name: r.Name, Key: plain, From: utc(r.ValidFrom), Until: utc(r.ValidUntil)}
			o.source.Secrets = append(o.source.Secrets, secret)
		}
	}
	return err
}

// loadSourceHeaders fills in the header pairs, by name.
func loadSourceHeaders(ctx context.Context, tx pgx.Tx, ids []int64, opening map[int64]*opener) error {
	type row struct {
		SourceID int64
		Name     string
		Sealed   []byte
	}
	found, err := tx.Query(ctx, `
		SELECT source_id, name, sealed
		FROM source_headers
		WHERE source_id = ANY ($1)
		ORDER BY name COLLATE "C"`, ids)
	if err != nil {
		return err
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByName[row])
	for _, r := range rows {
		o := opening[r.SourceID]
		if plain, ok := o.open(r.Sealed, headerPlace(r.SourceID, r.Name)); ok {
			o.source.Headers = append(o.source.Headers, verify.Header{Name: r.Name, Value: plain})
		}
	}
	return err
}
