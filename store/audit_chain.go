package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/seal"
)

// The audit list is a chain. An entry is written in the transaction of what was done, together with a row of audit_pending;
// a follower (audit_seal.go) gives it the next position soon after it became visible, so that nobody who acts waits for
// anybody, and an entry that commits late comes later in the chain. Each place has a hash over the entry and the hash before;
// the end of the chain is authenticated by the program's key, which is not in the database.

// checkpointKind tells the end of the chain from where it begins.
type checkpointKind string

const (
	checkpointHead   checkpointKind = "head"
	checkpointAnchor checkpointKind = "anchor"
)

// AuditCheckpoint is one place of the chain of the audit list, to be compared with later.
type AuditCheckpoint struct {
	Position int64     // how many entries are in the chain up to here, removed ones counted
	Hash     string    // in hex
	At       time.Time // when it was the end
}

// audited is an entry as it is hashed: as PostgreSQL has it.
type audited struct {
	Position   zeronull.Int8
	EntryID    int64
	Commitment []byte
	Hash       []byte
	At         *time.Time // nil: there is no such entry
	Actor      *string
	Action     *string
	Subject    *string
	Reason     *string
	Detail     *string
	Salt       []byte // nil: what it said was erased
}

// commit is the SHA-256 of what an entry says. Without the salt nobody can try what it may have been.
func (a *audited) commit() []byte {
	sum := sha256.Sum256(canonical("recall audit entry", string(a.Salt), *a.Subject, *a.Reason, *a.Detail))
	return sum[:]
}

// link is the hash of a place, after the one before.
func (a *audited) link(before []byte, position int64) []byte {
	fixed := binary.BigEndian.AppendUint64(nil, uint64(position))
	fixed = binary.BigEndian.AppendUint64(fixed, uint64(a.EntryID))
	fixed = binary.BigEndian.AppendUint64(fixed, uint64(a.At.UnixMicro()))
	sum := sha256.Sum256(canonical("recall audit chain", string(before), string(fixed), *a.Actor, *a.Action, string(a.Commitment)))
	return sum[:]
}

// canonical joins texts so that no two lists of texts are alike.
func canonical(parts ...string) []byte {
	var b []byte
	for _, part := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// beforeFirst is what the first place of all is hashed after.
var beforeFirst = make([]byte, sha256.Size)

// checkpointMAC authenticates a place of the chain.
func checkpointMAC(key seal.Key, kind checkpointKind, position int64, hash []byte) []byte {
	mac := hmac.New(sha256.New, key.Derive("store: checkpoints of the audit list", 32))
	mac.Write(canonical(string(kind), string(binary.BigEndian.AppendUint64(nil, uint64(position))), string(hash)))
	return mac.Sum(nil)
}

// addCheckpoint writes one down, with this program's key.
func (db *DB) addCheckpoint(ctx context.Context, tx pgx.Tx, kind checkpointKind, position int64, hash []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_checkpoints (kind, position, hash, at, key_id, mac) VALUES ($1, $2, $3, $4, $5, $6)`,
		kind, position, hash, db.Now(), db.sealer().ID(), checkpointMAC(db.sealer(), kind, position, hash))
	return err
}

// checkpoint is one as it stands in the database.
type checkpoint struct {
	Position int64
	Hash     []byte
	At       time.Time
	Mac      []byte
	KeyID    string
}

// lastCheckpoint returns the furthest one of a kind that this program's key should fit; nil: there is none.
func (db *DB) lastCheckpoint(ctx context.Context, q querier, kind checkpointKind) (*checkpoint, error) {
	rows, err := q.Query(ctx, `
		SELECT position, hash, at, mac, key_id FROM audit_checkpoints
		WHERE kind = $1 AND key_id = ANY($2) ORDER BY position DESC, id DESC LIMIT 1`, kind, db.keyIDs())
	if err != nil {
		return nil, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByPos[checkpoint])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return c, err
}

func (db *DB) fits(kind checkpointKind, c *checkpoint) bool {
	key := db.keyNamed(c.KeyID)
	return key != (seal.Key{}) && hmac.Equal(c.Mac, checkpointMAC(key, kind, c.Position, c.Hash))
}

// AuditFault is the first thing that does not fit in the audit list.
type AuditFault struct {
	Position int64 // in the chain; 0: of no place in it
	EntryID  int64 // 0: of no entry
	Words    string
}

func (f *AuditFault) Error() string {
	switch {
	case f.EntryID == 0 && f.Position == 0:
		return f.Words
	case f.EntryID == 0:
		return fmt.Sprintf("place %d of the audit list: %s", f.Position, f.Words)
	case f.Position == 0:
		return fmt.Sprintf("entry %d of the audit list: %s", f.EntryID, f.Words)
	}
	return fmt.Sprintf("entry %d of the audit list, at place %d: %s", f.EntryID, f.Position, f.Words)
}

const auditedColumns = `c.position, c.entry_id, c.commitment, c.hash, e.at, e.actor, e.action, e.subject, e.reason, e.detail::text, e.salt`

// checkPlaces checks places that follow each other, after the place before the first. It returns how far they fit, the hash
// there, and how many entries were erased of what they said; an *AuditFault where one does not fit.
func checkPlaces(places []audited, before []byte, first int64) (upto int64, hash []byte, erased int, err error) {
	upto, hash = first-1, before
	for i := range places {
		a, position := &places[i], upto+1
		fault := func(words string) error { return &AuditFault{Position: position, EntryID: a.EntryID, Words: words} }
		switch {
		case int64(a.Position) != position:
			err = &AuditFault{Position: position, Words: fmt.Sprintf("it was removed: the next one is place %d", a.Position)}
		case a.At == nil:
			err = fault("it was removed")
		case !bytes.Equal(a.Hash, a.link(hash, position)):
			err = fault("its time, actor or action was changed, or it was moved, or its hash or the one before was")
		case a.Salt == nil:
			erased++
		case !bytes.Equal(a.Commitment, a.commit()):
			err = fault("its subject, reason or detail was changed")
		}
		if err != nil {
			return upto, hash, erased, err
		}
		upto, hash = position, a.Hash
	}
	return upto, hash, erased, nil
}

func hexHash(hash []byte) string { return hex.EncodeToString(hash) }
