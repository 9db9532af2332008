package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const personKeyContext = "erasure: key of persons' hashes"

// personKey is what hashes of persons are keyed by. It was derived from the program's key when it was first needed, and is kept
// sealed, so that hashes stay what they are when that is changed. make: it is made where there is none; else ErrNotFound.
func (db *DB) personKey(ctx context.Context, q querier, make bool) ([]byte, error) {
	if key := db.persons.Load(); key != nil {
		return *key, nil
	}
	var sealed []byte
	read := func() error { return q.QueryRow(ctx, `SELECT sealed FROM erasure_keys`).Scan(&sealed) }
	err := read()
	if errors.Is(err, pgx.ErrNoRows) && !make {
		return nil, ErrNotFound
	}
	if errors.Is(err, pgx.ErrNoRows) {
		if err = db.checkKey(ctx, q, "FOR UPDATE"); err != nil {
			return nil, err
		}
		key := db.sealer()
		_, err = q.Exec(ctx, `INSERT INTO erasure_keys (sealed) VALUES ($1) ON CONFLICT DO NOTHING`, // another may have been faster
			key.Seal(key.Derive("erasure: hash of a person's id", 32), personKeyContext))
		if err == nil {
			err = read()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key of persons' hashes: %w", err)
	}
	key, err := db.key.Open(sealed, personKeyContext)
	if err != nil {
		return nil, fmt.Errorf("the key of persons' hashes: %w", err)
	}
	if make { // committed or not, it comes out the same
		return key, nil
	}
	db.persons.Store(&key)
	return key, nil
}

// personHash is what is kept of a customer id: keyed, so that nobody without the program's key can try all numbers.
func personHash(key []byte, id string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id))
	return h.Sum(nil)
}

// nameOfPersonKey tells one key from another in an erasure list.
func nameOfPersonKey(key []byte) string {
	return hex.EncodeToString(personHash(key, "its name, which no person has")[:4])
}
