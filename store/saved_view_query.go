package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrTooMany: a user has as many of something as one may have.
var ErrTooMany = errors.New("too many")

// CreateView keeps a view for its owner. ErrExists when the owner has one of that name, in whatever case; ErrTooMany past
// MaxViews.
func (db *DB) CreateView(ctx context.Context, v *SavedView) error {
	if err := v.clean(); err != nil {
		return err
	}
	v.CreatedAt = db.Now().UTC()
	v.UpdatedAt = v.CreatedAt
	err := db.pool.QueryRow(ctx, `
		INSERT INTO saved_views (owner_id, name, shared, filter, columns, zone, created_at, updated_at)
		SELECT @owner, @name, @shared, @filter, @columns, @zone, @now, @now
		WHERE (SELECT count(*) FROM saved_views WHERE owner_id = @owner) < @most
		RETURNING id`, v.args(pgx.NamedArgs{"owner": v.OwnerID, "now": v.CreatedAt, "most": MaxViews})).Scan(&v.ID)
	switch {
	case exists(err):
		err = fmt.Errorf("the view %q %w", v.Name, ErrExists)
	case errors.Is(err, pgx.ErrNoRows):
		err = fmt.Errorf("%w views: at most %d", ErrTooMany, MaxViews)
	case err != nil:
		err = fmt.Errorf("saving the view %q: %w", v.Name, err)
	}
	return err
}

func (v *SavedView) args(more pgx.NamedArgs) pgx.NamedArgs {
	args := pgx.NamedArgs{"name": v.Name, "shared": v.Shared, "filter": v.Filter, "columns": v.Columns, "zone": v.Zone}
	for name, value := range more {
		args[name] = value
	}
	return args
}

// UpdateView changes everything of a view but its owner. ErrNotFound when user may not: it is neither the user's nor, for an
// admin, shared.
func (db *DB) UpdateView(ctx context.Context, user *User, v *SavedView) error {
	if err := v.clean(); err != nil {
		return err
	}
	tag, err := db.pool.Exec(ctx, `
		UPDATE saved_views
		SET name = @name, shared = @shared, filter = @filter, columns = @columns, zone = @zone, updated_at = @now
		WHERE id = @id AND `+mayChangeView, v.args(pgx.NamedArgs{"id": v.ID, "user": user.ID, "admin": user.Role.May(RightSettings), "now": db.Now()}))
	return changedView(v.ID, tag.RowsAffected(), err)
}

// RemoveView forgets a view; who began with it begins with all events. ErrNotFound as in UpdateView.
func (db *DB) RemoveView(ctx context.Context, user *User, id int64) error {
	tag, err := db.pool.Exec(ctx, `DELETE FROM saved_views WHERE id = @id AND `+mayChangeView,
		pgx.NamedArgs{"id": id, "user": user.ID, "admin": user.Role.May(RightSettings)})
	return changedView(id, tag.RowsAffected(), err)
}

const mayChangeView = `(owner_id = @user OR @admin AND shared)`

func changedView(id, rows int64, err error) error {
	switch {
	case exists(err):
		return fmt.Errorf("another view of this name %w", ErrExists)
	case err == nil && rows == 0:
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("view %d: %w", id, err)
	}
	return nil
}

// ListViews returns what a user sees, by name: the user's own views and those that others share. Those of removed users stay
// shared.
func (db *DB) ListViews(ctx context.Context, user int64) ([]SavedView, error) {
	return db.views(ctx, user, nil)
}

// FindView returns one view that a user sees, or ErrNotFound.
func (db *DB) FindView(ctx context.Context, user, id int64) (*SavedView, error) {
	views, err := db.views(ctx, user, &id)
	if err == nil && len(views) == 0 {
		err = fmt.Errorf("view %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return &views[0], nil
}

func (db *DB) views(ctx context.Context, user int64, id *int64) ([]SavedView, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT v.id, v.owner_id, u.name AS owner, v.name, v.shared, v.filter, v.columns, v.zone, v.created_at, v.updated_at,
			EXISTS (SELECT FROM start_views s WHERE s.user_id = @user AND s.view_id = v.id) AS start
		FROM saved_views v
		JOIN users u ON u.id = v.owner_id
		WHERE (v.owner_id = @user OR v.shared) AND (@id::bigint IS NULL OR v.id = @id)
		ORDER BY lower(v.name), v.id
		LIMIT 1000`, pgx.NamedArgs{"user": user, "id": id})
	if err != nil {
		return nil, fmt.Errorf("reading saved views: %w", err)
	}
	views, err := pgx.CollectRows(rows, pgx.RowToStructByName[SavedView])
	if err != nil {
		return nil, fmt.Errorf("reading saved views: %w", err)
	}
	for i := range views {
		views[i].CreatedAt, views[i].UpdatedAt = views[i].CreatedAt.UTC(), views[i].UpdatedAt.UTC()
	}
	return views, nil
}

// SetStartView makes a view the one that a user begins with; 0: all events. ErrNotFound when the user does not see it.
func (db *DB) SetStartView(ctx context.Context, user, id int64) error {
	if id == 0 {
		if _, err := db.pool.Exec(ctx, `DELETE FROM start_views WHERE user_id = $1`, user); err != nil {
			return fmt.Errorf("choosing the first view: %w", err)
		}
		return nil
	}
	tag, err := db.pool.Exec(ctx, `
		INSERT INTO start_views (user_id, view_id)
		SELECT $1, id FROM saved_views WHERE id = $2 AND (owner_id = $1 OR shared)
		ON CONFLICT (user_id) DO UPDATE SET view_id = excluded.view_id`, user, id)
	return changedView(id, tag.RowsAffected(), err)
}

// FindStartView returns what a user begins with, or ErrNotFound: all events.
func (db *DB) FindStartView(ctx context.Context, user int64) (*SavedView, error) {
	var id int64
	err := db.pool.QueryRow(ctx, `SELECT view_id FROM start_views WHERE user_id = $1`, user).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("finding the first view: %w", err)
	}
	return db.FindView(ctx, user, id) // one that is no longer shared is not found
}
