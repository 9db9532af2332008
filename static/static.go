// Package static holds the files the pages need: styles, scripts, icons. Nothing is loaded from elsewhere.
//
// A file's URL carries a hash of its content (css/base.css becomes /static/css/base.3f2a….css), so a browser may keep
// it for ever and still sees every change at once. Styles and scripts are served without comments and blanks.
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

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/tdewolff/minify/v2/js"
)

// FS is every file, under its plain name.
//
//go:embed css js img vendor
var FS embed.FS

// Prefix is where Handler expects to be mounted.
const Prefix = "/static/"

// Both ways between plain and hashed names, made once: the files are part of the program.
// served is what is sent, by plain name.
var hashed, plain, served = index()

func index() (hashed, plain map[string]string, served map[string][]byte) {
	hashed, plain, served = map[string]string{}, map[string]string{}, map[string][]byte{}
	small := minify.New()
	small.AddFunc(".css", css.Minify)
	small.AddFunc(".js", js.Minify)
	err := fs.WalkDir(FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := FS.ReadFile(name)
		if err != nil {
			return err
		}
		ext := path.Ext(name)
		if (ext == ".css" || ext == ".js") && !strings.HasPrefix(name, "vendor/") {
			if content, err = small.Bytes(ext, content); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		served[name] = content
		sum := sha256.Sum256(content)
		h := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
		hashed[name], plain[h] = h, name
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("static: reading the embedded files: %v", err))
	}
	return hashed, plain, served
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
		content, known := served[name]
		if !known {
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
