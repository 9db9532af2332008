package cluster

import (
	"os"
	"path/filepath"
)

// Running tells whether the private PostgreSQL of a data folder runs, whoever started it, and its connection string. It
// starts and holds nothing: the answer can be over a moment later.
func Running(dataDir string) (url string, running bool) {
	data, err := filepath.Abs(dataDir)
	if err != nil {
		return "", false
	}
	c := &Cluster{dir: filepath.Join(data, "postgres")}
	if target, err := os.Readlink(c.dir); err == nil {
		c.dir = target
	}
	_, c.socket = c.pidFile()
	if c.socket == "" || c.postmaster() == 0 {
		return "", false
	}
	return c.URL(), true
}
