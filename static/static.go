// Package static holds the files the pages need: styles, scripts, icons. Nothing is loaded from elsewhere.
//
// A file's URL carries a hash of its content (css/base.css becomes /static/css/base.3f2a….css), so a browser may keep
// it for ever and still sees every change at once.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// FS is every file, under its plain name.
//
//go:embed css js img vendor
var FS embed.FS

// Prefix is where Handler expects to be mounted.
const Prefix = "/static/"

// Both ways between plain and hashed names, made once: the files are part of the program.
var hashed, plain = index()

func index() (hashed, plain map[string]string) {
	hashed, plain = map[string]string{}, map[string]string{}
	err := fs.WalkDir(FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := FS.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		h := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
		hashed[name], plain[h] = h, name
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("static: reading the embedded files: %v", err))
	}
	return hashed, plain
}

// URL returns the address of a file, with its hash. A name that is not there is a mistake of the program: it panics.
func URL(name string) string {
	h, ok := hashed[name]
	if !ok {
		panic("static: no file " + name)
	}
	return Prefix + h
}

// Handler serves the files. Hashed names may be kept a year; plain names are asked for anew each time.
func Handler() http.Handler {
	return http.StripPrefix(Prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, immutable := plain[r.URL.Path]
		if !immutable {
			name = r.URL.Path
		}
		content, err := FS.ReadFile(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		cache := "no-cache"
		if immutable {
			cache = "public, max-age=31536000, immutable"
		}
		w.Header().Set("Cache-Control", cache)
		w.Header().Set("Content-Type", contentType(name))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if r.Method != http.MethodHead {
			w.Write(content)
		}
	}))
}

// contentType does not leave the common types to the machine's own tables.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case "":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}
