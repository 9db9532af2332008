package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"recall/seal"
)

// lastKnownContext binds the sealed file to what it is.
const lastKnownContext = "last known settings"

// lastKnown is what the file holds.
type lastKnown struct {
	Sources      []*Source
	Destinations []*Destination
}

// ReadLastKnown returns the settings that a program with this data folder last had of its database, for a start while
// the database is away. They never change. fs.ErrNotExist where none were kept.
func ReadLastKnown(path string, key seal.Key, log *slog.Logger) (*Live, error) {
	box, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the last known settings: %w", err)
	}
	plain, err := key.Open(box, lastKnownContext)
	if err != nil {
		return nil, fmt.Errorf("opening the last known settings in %s: %w", path, err)
	}
	var known lastKnown
	if err := json.Unmarshal(plain, &known); err != nil {
		return nil, fmt.Errorf("reading the last known settings in %s: %w", path, err)
	}
	l := &Live{}
	l.settings.Store(newSettings(known.Sources, known.Destinations, log))
	return l, nil
}

// keepLastKnown writes the settings to KeepSettings, sealed, whole or not at all.
func (db *DB) keepLastKnown(sources []*Source, destinations []*Destination) error {
	plain, err := json.Marshal(lastKnown{sources, destinations})
	if err != nil {
		return err
	}
	return writeFile(db.KeepSettings, db.key.Seal(plain, lastKnownContext))
}

// writeFile writes a file, mode 0600, whole or not at all.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
