package soak

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"recall/verify"
)

const secret = "soak-callback-secret"

var loaders atomic.Int64

// loader sends callbacks that are all different, and remembers what was promised.
type loader struct {
	url    string
	client *http.Client

	mu       sync.Mutex
	sent     map[[32]byte]bool      // by the body's hash, before it is sent
	answered map[uuid.UUID][32]byte // 2xx: event id and body
	refused  atomic.Int64           // answered, but not 2xx
	failed   atomic.Int64           // not answered
	serial   atomic.Int64
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// startLoader sends from several connections until it is ended.
func startLoader(url string, connections int) *loader {
	ctx, stop := context.WithCancel(context.Background())
	l := &loader{
		url: url, stop: stop, sent: map[[32]byte]bool{}, answered: map[uuid.UUID][32]byte{},
		client: &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}},
	}
	l.serial.Store(loaders.Add(1) << 32) // no two send the same
	for range connections {
		l.done.Go(func() {
			for ctx.Err() == nil {
				if !l.send(l.client) { // a short rest for one that is down
					select {
					case <-ctx.Done():
					case <-time.After(20 * time.Millisecond):
					}
				}
			}
		})
	}
	return l
}

func (l *loader) end() {
	l.stop()
	l.done.Wait()
}

// send sends one callback, and tells whether it was answered 2xx. Bodies hold any bytes, and differ in size.
func (l *loader) send(client *http.Client) bool {
	n := l.serial.Add(1)
	body := fmt.Appendf(nil, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"%d","entity":{"customerId":"%d","note":"%s`, n, n%1000, bytes.Repeat([]byte("é"), int(n*37%2000)))
	body = append(body, 0xff, 0x00, byte(n))
	body = append(body, `"}}`...)
	hash := sha256.Sum256(body)
	l.mu.Lock()
	l.sent[hash] = true
	l.mu.Unlock()

	r, err := http.NewRequest(http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(verify.HeaderSignature, verify.Sign(secret, time.Now(), body))
	w, err := client.Do(r)
	if err != nil {
		l.failed.Add(1)
		return false
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if w.StatusCode/100 != 2 {
		l.refused.Add(1)
		return false
	}
	var answer struct{ Event uuid.UUID }
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil { // the promise was made, but we do not know of which event
		l.failed.Add(1)
		return false
	}
	l.mu.Lock()
	l.answered[answer.Event] = hash
	l.mu.Unlock()
	return true
}

// promised is a copy of what has been answered 2xx so far.
func (l *loader) promised() map[uuid.UUID][32]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	promised := make(map[uuid.UUID][32]byte, len(l.answered))
	for id, hash := range l.answered {
		promised[id] = hash
	}
	return promised
}

func (l *loader) wasSent(hash [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[hash]
}
