package dispatch

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// genuine is the receiver's check as docs/destinations.md shows it.
func genuine(r *http.Request, body []byte, secret string, now time.Time) bool {
	var t string
	var signatures []string
	for _, element := range strings.Split(r.Header.Get("Plenigo-Signature"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(element), "=")
		switch name {
		case "t":
			t = value
		case "s":
			signatures = append(signatures, value)
		}
	}
	unix, err := strconv.ParseInt(t, 10, 64)
	if err != nil || now.Sub(time.Unix(unix, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	for _, s := range signatures {
		if got, err := hex.DecodeString(s); err == nil && hmac.Equal(got, mac.Sum(nil)) {
			return true
		}
	}
	return false
}
