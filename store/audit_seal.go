package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/seal"
)

const (
	lockAudit   int64 = 0x72656361_30
	auditBatch        = 1000             // entries that one transaction gives a place in the chain
	auditLogged       = 10 * time.Minute // how seldom the log tells the end of the chain
)

// ErrAuditCut: the end of the audit list, as this data folder remembers it, is no longer there.
var ErrAuditCut = errors.New("the end of the audit list is not what this data folder remembers")

// SealAudit gives entries of the audit list that became visible their places in the chain, oldest first, and writes a checkpoint.
// One instance does it at a time; for the others it does nothing. Where KeepAudit names a file it keeps the end of the
// chain there, whoever made it; with ErrAuditCut, and the file left as it is, where the chain does not hold what is in the
// file: its end was cut off, or it was written anew, or an older backup was restored.
func (db *DB) SealAudit(ctx context.Context) error {
	for {
		n, err := db.sealSome(ctx)
		if err != nil {
			return fmt.Errorf("sealing the audit list: %w", err)
		}
		if n < auditBatch {
			break
		}
	}
	if db.KeepAudit == "" {
		return nil
	}
	return db.keepAuditHead(ctx)
}

func (db *DB) sealSome(ctx context.Context) (n int, err error) {
	if db.key == (seal.Key{}) {
		return 0, errors.New("this program has no key")
	}
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lockAudit).Scan(&mine); err != nil || !mine {
			return err
		}
		// An entry that is gone stays in audit_pending: CheckAudit says so.
		rows, err := tx.Query(ctx, `
			SELECT `+auditedColumns+`
			FROM audit_pending p JOIN audit_entries e ON e.id = p.entry_id
			CROSS JOIN LATERAL (SELECT NULL::bigint AS position, e.id AS entry_id, NULL::bytea AS commitment, NULL::bytea AS hash) c
			WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.entry_id = p.entry_id)
			ORDER BY e.id LIMIT $1`, auditBatch)
		if err != nil {
			return err
		}
		entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[audited])
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := db.checkKey(ctx, tx, ""); err != nil {
			return err
		}
		position, hash, err := db.auditEnd(ctx, tx)
		if err != nil {
			return err
		}
		var ids, positions []int64
		var commitments, hashes [][]byte
		for i := range entries {
			a := &entries[i]
			position++
			a.Commitment = a.commit()
			hash = a.link(hash, position)
			ids, positions = append(ids, a.EntryID), append(positions, position)
			commitments, hashes = append(commitments, a.Commitment), append(hashes, hash)
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO audit_chain (position, entry_id, commitment, hash)
			SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])`, positions, ids, commitments, hashes); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM audit_pending WHERE entry_id = ANY($1)`, ids); err != nil {
			return err
		}
		n = len(ids)
		return db.addCheckpoint(ctx, tx, checkpointHead, position, hash)
	})
	return n, err
}

// auditEnd is the end of the chain: its last place, or where it would go on after all was removed.
func (db *DB) auditEnd(ctx context.Context, q querier) (position int64, hash []byte, err error) {
	err = q.QueryRow(ctx, `
		SELECT position, hash FROM (
			(SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1)
			UNION ALL (SELECT position, hash FROM audit_checkpoints WHERE kind = 'anchor' ORDER BY position DESC LIMIT 1)
		) e ORDER BY position DESC LIMIT 1`).Scan(&position, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, beforeFirst, nil
	}
	return position, hash, err
}

// AuditEnd returns the end of the chain; position 0 before the first entry has its place.
func (db *DB) AuditEnd(ctx context.Context) (AuditCheckpoint, error) {
	position, hash, err := db.auditEnd(ctx, db.pool)
	if err != nil {
		return AuditCheckpoint{}, fmt.Errorf("reading the end of the audit list: %w", err)
	}
	return AuditCheckpoint{Position: position, Hash: hexHash(hash), At: db.Now().UTC()}, nil
}

// keepAuditHead keeps the end of the chain in the file, and tells it to the log now and then.
func (db *DB) keepAuditHead(ctx context.Context) error {
	kept, err := ReadAuditHead(db.KeepAudit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	end, err := db.AuditEnd(ctx)
	if err != nil {
		return err
	}
	if kept.Position == end.Position && kept.Hash == end.Hash || end.Position == 0 && kept.Position == 0 {
		return nil
	}
	if kept.Position > 0 {
		if err := db.CompareAudit(ctx, kept); err != nil {
			return err
		}
	}
	if err := writeAuditHead(db.KeepAudit, end); err != nil {
		return err
	}
	now := db.Now().UnixNano()
	if told := db.auditTold.Load(); told == 0 || now-told >= int64(auditLogged) {
		db.auditTold.Store(now)
		db.Log.Info("audit checkpoint", "position", end.Position, "hash", end.Hash)
	}
	return nil
}

// CompareAudit tells whether a checkpoint that was written down elsewhere is still in the chain: ErrAuditCut where it is not. One
// that retention has removed since fits as far as can be told.
func (db *DB) CompareAudit(ctx context.Context, kept AuditCheckpoint) error {
	var there *bool
	var anchor, end int64
	err := db.pool.QueryRow(ctx, `
		SELECT (SELECT encode(hash, 'hex') = $2 FROM audit_chain WHERE position = $1),
			coalesce((SELECT max(position) FROM audit_checkpoints WHERE kind = 'anchor'), 0),
			coalesce((SELECT max(position) FROM audit_chain), 0)`, kept.Position, kept.Hash).Scan(&there, &anchor, &end)
	switch {
	case err != nil:
		return fmt.Errorf("comparing the end of the audit list: %w", err)
	case there != nil && *there, there == nil && kept.Position <= anchor:
		return nil
	case there == nil:
		return fmt.Errorf("%w: it went up to place %d, of %s, and goes up to %d now", ErrAuditCut, kept.Position, kept.At.Format(time.DateTime), max(end, anchor))
	}
	return fmt.Errorf("%w: place %d is another entry than it was on %s", ErrAuditCut, kept.Position, kept.At.Format(time.DateTime))
}

// ReadAuditHead reads the end of the chain that KeepAudit keeps; fs.ErrNotExist where none was kept yet.
func ReadAuditHead(path string) (c AuditCheckpoint, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("reading the end of the audit list: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Position < 1 || len(c.Hash) != 64 {
		return AuditCheckpoint{}, fmt.Errorf("the end of the audit list in %s cannot be read: move the file away once it is known why", path)
	}
	return c, nil
}

// writeAuditHead writes it whole or not at all.
func writeAuditHead(path string, c AuditCheckpoint) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := writeFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("keeping the end of the audit list: %w", err)
	}
	return nil
}

// AcceptAuditEnd takes the chain as it is for the whole of it, after an older backup was restored: the file is written anew, and
// the audit list says so, with what the file remembered.
func (db *DB) AcceptAuditEnd(ctx context.Context, path string, note AuditEntry) error {
	kept, err := ReadAuditHead(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	end, err := db.AuditEnd(ctx)
	if err != nil {
		return err
	}
	note.Action, note.Subject = "audit.accept", "audit list"
	note.Detail = map[string]any{"place": map[string]any{"before": kept.Position, "after": end.Position}, "hash": map[string]any{"before": kept.Hash, "after": end.Hash}}
	if err := db.AddAudit(ctx, note); err != nil {
		return err
	}
	if end.Position == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forgetting the end of the audit list: %w", err)
		}
		return nil
	}
	return writeAuditHead(path, end)
}
