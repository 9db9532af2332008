package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"recall/seal"
)

// sealedColumn is one place of the database where something is sealed. Rows are found by an id and a name ("" where the id is enough).
type sealedColumn struct {
	what          string
	table, column string
	id, name      string // columns; name may be an empty text
	place         func(id int64, name string) string
	giveUp        []string // what is done to rows of $1, a list of ids, whose box (key $2) nobody can open
}

var sealedColumns = []sealedColumn{
	{"secrets of sources", "source_secrets", "sealed", "source_id", "name", secretPlace, []string{
		`UPDATE sources SET enabled = false, revision = revision + 1 WHERE id = ANY($1)`, `DELETE FROM source_secrets WHERE source_id = ANY($1) AND substring(sealed from 2 for 4) = $2`}},
	{"headers of sources", "source_headers", "sealed", "source_id", "name", headerPlace, []string{
		`UPDATE sources SET enabled = false, revision = revision + 1 WHERE id = ANY($1)`, `DELETE FROM source_headers WHERE source_id = ANY($1) AND substring(sealed from 2 for 4) = $2`}},
	{"basic authentication of sources", "sources", "basic_auth_sealed", "id", "", func(id int64, _ string) string { return basicPlace(id) }, []string{
		`UPDATE sources SET basic_auth_sealed = NULL, enabled = false, revision = revision + 1 WHERE id = ANY($1) AND substring(basic_auth_sealed from 2 for 4) = $2`}},
	{"headers of destinations", "destinations", "headers_sealed", "id", "", func(id int64, _ string) string { return destinationPlace(id) }, []string{
		`UPDATE destinations SET headers_sealed = NULL, state = 'paused', state_reason = 'its secrets were given up with a lost key: enter them anew' WHERE id = ANY($1) AND substring(headers_sealed from 2 for 4) = $2`}},
	{"signing secrets of destinations", "destinations", "secrets_sealed", "id", "", func(id int64, _ string) string { return destinationSecretsPlace(id) }, []string{
		`UPDATE destinations SET secrets_sealed = NULL, state = 'paused', state_reason = 'its secrets were given up with a lost key: enter them anew' WHERE id = ANY($1) AND substring(secrets_sealed from 2 for 4) = $2`}},
	{"authenticator apps of users", "users", "totp_sealed", "id", "", func(id int64, _ string) string { return totpPlace(id) }, []string{
		`DELETE FROM user_recovery_codes WHERE user_id = ANY($1)`, `DELETE FROM user_sessions WHERE user_id = ANY($1)`,
		`UPDATE users SET totp_sealed = NULL, totp_confirmed_at = NULL, totp_step = 0 WHERE id = ANY($1) AND substring(totp_sealed from 2 for 4) = $2`}},
	// A case that runs goes on with what it has found.
	{"customer ids of erasure cases", "erasure_cases", "person_sealed", "id", "", func(int64, string) string { return personContext }, []string{
		`DELETE FROM erasure_events f USING erasure_cases c WHERE c.id = f.case_id AND c.id = ANY($1) AND c.state <> 'running'`,
		`UPDATE erasure_cases SET state = 'cancelled', why = 'its customer id was given up with a lost key: open it anew', step_at = NULL, finished_at = now()
			WHERE id = ANY($1) AND state <> 'running' AND substring(person_sealed from 2 for 4) = $2`,
		`UPDATE erasure_cases SET person_sealed = NULL WHERE id = ANY($1) AND substring(person_sealed from 2 for 4) = $2`}},
	{"key of erased persons' hashes", "erasure_keys", "sealed", "id", "", func(int64, string) string { return personKeyContext }, []string{
		`DELETE FROM erasure_keys WHERE id = ANY($1) AND substring(sealed from 2 for 4) = $2`}},
	{"secrets of alert channels", "alert_channels", "sealed", "id", "", func(id int64, _ string) string { return channelPlace(id) }, []string{
		`UPDATE alert_channels SET sealed = NULL, paused = true, revision = revision + 1 WHERE id = ANY($1) AND substring(sealed from 2 for 4) = $2`}},
}

// resealBatch bounds a step of a rotation, in rows.
const resealBatch = 100

// SealedCount is how many places of a kind are sealed with a key.
type SealedCount struct {
	What  string
	KeyID string
	Rows  int64
}

// SealedCounts tells what is sealed with which key, and which one the database's is ("": none yet).
func (db *DB) SealedCounts(ctx context.Context) (counts []SealedCount, current string, err error) {
	if current, err = db.KeyID(ctx); err != nil {
		return nil, "", err
	}
	for _, c := range sealedColumns {
		rows, err := db.pool.Query(ctx, fmt.Sprintf(`
			SELECT encode(substring(%[1]s from 2 for 4), 'hex') AS key_id, count(*) FROM %[2]s WHERE %[1]s IS NOT NULL GROUP BY 1 ORDER BY 1`, c.column, c.table))
		if err != nil {
			return nil, "", fmt.Errorf("counting what is sealed: %w", err)
		}
		var id string
		var n int64
		if _, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
			counts = append(counts, SealedCount{c.what, id, n})
			return nil
		}); err != nil {
			return nil, "", fmt.Errorf("counting what is sealed: %w", err)
		}
	}
	return counts, current, nil
}

// RotateKey makes this program's key the database's and seals everything anew that its previous one sealed, in small steps. It can
// be broken off and called again. Every instance must have both keys by then: one that has only the previous could no longer
// open the secrets. It returns how many places were sealed anew.
func (db *DB) RotateKey(ctx context.Context, note AuditEntry) (resealed int64, err error) {
	previous := db.key.Previous()
	if previous == (seal.Key{}) {
		return 0, errors.New("this program has one key, and needs the previous one beside it (RECALL_KEY_PREVIOUS, or the file key.previous in RECALL_DATA_DIR)")
	}
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var current *string
		if err := tx.QueryRow(ctx, `SELECT key_id FROM settings_revision FOR UPDATE`).Scan(&current); err != nil {
			return err
		}
		switch {
		case current != nil && *current == db.key.ID():
			return nil // begun before
		case current != nil && *current != previous.ID():
			return fmt.Errorf("the database's key is %s, which is neither this program's key, %s, nor its previous one, %s", *current, db.key.ID(), previous.ID())
		}
		if _, err := tx.Exec(ctx, `UPDATE settings_revision SET key_id = $1`, db.key.ID()); err != nil {
			return err
		}
		note.Action, note.Subject = "key.rotate", "the program's key"
		note.Detail = withChange(note.Detail, "key", previous.ID(), db.key.ID())
		return db.addAudit(ctx, tx, note)
	})
	if err != nil {
		return 0, fmt.Errorf("rotating the key: %w", err)
	}
	if err := db.CheckKey(ctx); err != nil {
		return 0, err
	}
	for _, c := range sealedColumns {
		n, err := db.reseal(ctx, c, previous)
		resealed += n
		if err != nil {
			return resealed, fmt.Errorf("sealing %s anew: %w", c.what, err)
		}
	}
	return resealed, db.resealAudit(ctx, true)
}

func keyBytes(id string) []byte {
	b, _ := hex.DecodeString(id)
	return b
}

// reseal seals what is left of one column.
func (db *DB) reseal(ctx context.Context, c sealedColumn, previous seal.Key) (resealed int64, err error) {
	name, where := c.name, c.id+` = $2`
	if name == "" {
		name = "''"
	} else {
		where += ` AND ` + c.name + ` = $3`
	}
	for {
		n := 0
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s, %s, %s FROM %s WHERE substring(%[3]s from 2 for 4) = $1 ORDER BY 1, 2 LIMIT $2 FOR UPDATE`, c.id, name, c.column, c.table),
				keyBytes(previous.ID()), resealBatch)
			if err != nil {
				return err
			}
			type row struct {
				ID   int64
				Name string
				Box  []byte
			}
			found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
			if err != nil {
				return err
			}
			for _, r := range found {
				plain, err := previous.Open(r.Box, c.place(r.ID, r.Name))
				if err != nil {
					return fmt.Errorf("%s: %w", c.place(r.ID, r.Name), err)
				}
				args := []any{db.key.Seal(plain, c.place(r.ID, r.Name)), r.ID}
				if c.name != "" {
					args = append(args, r.Name)
				}
				if _, err := tx.Exec(ctx, `UPDATE `+c.table+` SET `+c.column+` = $1 WHERE `+where, args...); err != nil {
					return err
				}
			}
			n = len(found)
			return nil
		})
		resealed += int64(n)
		if err != nil || n < resealBatch {
			return resealed, err
		}
	}
}

// resealAudit authenticates the ends of the audit list by this program's key: after a rotation those that the previous one
// authenticated, and after a key was lost as they are.
func (db *DB) resealAudit(ctx context.Context, checked bool) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockAudit); err != nil {
			return err
		}
		for _, kind := range []checkpointKind{checkpointAnchor, checkpointHead} {
			var last checkpoint
			err := tx.QueryRow(ctx, `
				SELECT position, hash, at, mac, key_id FROM audit_checkpoints WHERE kind = $1 ORDER BY position DESC, id DESC LIMIT 1`, kind).
				Scan(&last.Position, &last.Hash, &last.At, &last.Mac, &last.KeyID)
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if checked && !db.fits(kind, &last) {
				return &AuditFault{Position: last.Position, Words: "its checkpoint is not of this program, so it is not authenticated anew: see recall audit verify"}
			}
			if last.KeyID == db.key.ID() {
				continue
			}
			if err := db.addCheckpoint(ctx, tx, kind, last.Position, last.Hash); err != nil {
				return err
			}
		}
		return nil
	})
}

// GiveUpKey removes what a lost key sealed, so that Recall goes on with the key it has: sources that lost a secret are disabled,
// destinations paused, users asked for the password alone. Nothing else is lost. It returns how much of what was removed.
func (db *DB) GiveUpKey(ctx context.Context, lost string, note AuditEntry) (removed []SealedCount, err error) {
	if db.key == (seal.Key{}) {
		return nil, errors.New("this program has no key to go on with: set RECALL_KEY or RECALL_KEY_FILE")
	}
	if slices.Contains(db.keyIDs(), lost) {
		return nil, fmt.Errorf("key %s is not lost: this program has it", lost)
	}
	if len(keyBytes(lost)) != 4 {
		return nil, fmt.Errorf("%.40q is no name of a key; recall key status lists them", lost)
	}
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		detail := map[string]any{}
		for _, c := range sealedColumns {
			var ids []int64
			var n int64
			err := tx.QueryRow(ctx, fmt.Sprintf(`SELECT coalesce(array_agg(DISTINCT %s), '{}'), count(*) FROM %s WHERE substring(%s from 2 for 4) = $1`, c.id, c.table, c.column), keyBytes(lost)).Scan(&ids, &n)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			for _, sql := range c.giveUp {
				args := []any{ids, keyBytes(lost)}
				if !strings.Contains(sql, "$2") {
					args = args[:1]
				}
				if _, err := tx.Exec(ctx, sql, args...); err != nil {
					return fmt.Errorf("giving up %s: %w", c.what, err)
				}
			}
			removed = append(removed, SealedCount{c.what, lost, n})
			detail[c.what] = n
		}
		tag, err := tx.Exec(ctx, `UPDATE settings_revision SET key_id = $2 WHERE key_id = $1`, lost, db.key.ID())
		if err != nil {
			return err
		}
		if len(removed) == 0 && tag.RowsAffected() == 0 {
			return fmt.Errorf("nothing is sealed with key %s; recall key status lists what is sealed with which", lost)
		}
		note.Action, note.Subject, note.Detail = "key.give_up", "key "+lost, detail
		return db.addAudit(ctx, tx, note)
	})
	if err != nil {
		return nil, err
	}
	if err := db.CheckKey(ctx); err != nil {
		return removed, err
	}
	return removed, db.resealAudit(ctx, false)
}
