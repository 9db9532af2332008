package plenigo

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// mostUnpacked is how many times its size a packed body may have in clear; a callback that somebody packed has about ten.
const mostUnpacked = 100

// ErrUnpackedTooLarge: a packed body would be larger in clear than is taken in.
var ErrUnpackedTooLarge = errors.New("the body would be too large unpacked")

// Unpack returns a body in clear where it came packed by gzip, and the body as it is where it did not. most bounds it in
// bytes; a body that would be larger, or a hundred times its size, is ErrUnpackedTooLarge.
func Unpack(header http.Header, body []byte, most int64) ([]byte, error) {
	if !Packed(header) {
		return body, nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	most = min(most, mostUnpacked*int64(len(body)))
	plain, err := io.ReadAll(io.LimitReader(reader, most+1))
	if int64(len(plain)) > most {
		return nil, ErrUnpackedTooLarge
	}
	if err != nil {
		return nil, err
	}
	return plain, nil
}

// mostClear bounds what a packed body is looked into for.
const mostClear = 4 << 20

// Clear is what a body says to who looks for something in it: unpacked where it came packed by gzip and is not too large,
// else as it is.
func Clear(header http.Header, body []byte) []byte {
	plain, err := Unpack(header, body, mostClear)
	if err != nil {
		return body
	}
	return plain
}

// Packed tells whether a body came packed by gzip, and by nothing else besides.
func Packed(header http.Header) bool {
	values := header["Content-Encoding"]
	return len(values) == 1 && (strings.EqualFold(values[0], "gzip") || strings.EqualFold(values[0], "x-gzip"))
}
