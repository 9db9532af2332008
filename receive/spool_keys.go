package receive

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"recall/seal"
)

// SpoolKeys counts the files of a spool by the key that sealed them. fs.ErrNotExist where there is no spool.
func SpoolKeys(dir string) (map[string]int, error) {
	keys := map[string]int{}
	for _, folder := range []string{dir, filepath.Join(dir, "refused")} {
		entries, err := os.ReadDir(folder)
		if err != nil && (folder == dir || !os.IsNotExist(err)) {
			return nil, fmt.Errorf("reading the spool: %w", err)
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() {
				continue
			}
			f, err := os.Open(filepath.Join(folder, entry.Name()))
			if os.IsNotExist(err) { // drained meanwhile
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading the spool: %w", err)
			}
			head := make([]byte, len(spoolHeader)+64)
			n, _ := f.Read(head)
			f.Close()
			if box, found := bytes.CutPrefix(head[:n], []byte(spoolHeader)); found && seal.KeyOf(box) != "" {
				keys[seal.KeyOf(box)]++
			}
		}
	}
	return keys, nil
}
