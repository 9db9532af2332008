package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"recall/verify"
)

// serve runs one of the servers that Recall is compared with:
//
//	hmac        reads the body, checks the signature, stores nothing
//	prototype   the same, and a COPY of whatever waits by two writers; answered after the commit
//	sink        a destination: reads the body and answers 200
//	timed-sink  one that remembers how long events took to it
func serve(args []string) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	kind := flags.String("kind", "hmac", "hmac, prototype, sink or timed-sink")
	database := flags.String("database", "", "of the prototype")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *kind == "timed-sink" {
		return serveTimedSink()
	}
	policy, err := verify.NewPolicy(verify.Settings{Secrets: []verify.Secret{{Name: "bench", Key: secret}}, Tolerance: time.Hour})
	if err != nil {
		return err
	}
	store := func(*http.Request, []byte) error { return nil }
	if *kind == "prototype" {
		p, err := newPrototype(*database)
		if err != nil {
			return err
		}
		store = p.store
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		if *kind != "sink" && !policy.Check(r.Header, body, time.Now()).Accepted() {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		if err := store(r, body); err != nil {
			http.Error(w, "store", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr()) // tells the measuring process
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

// prototype is the bare way: what waits is one COPY, two writers, a primary key and one more index.
type prototype struct {
	pool    *pgxpool.Pool
	mu      sync.Mutex
	queue   []*row
	writers int
}

type row struct {
	id, header, body []byte
	done             chan error
}

func newPrototype(database string) (*prototype, error) {
	pool, err := pgxpool.New(context.Background(), database)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(context.Background(), `
		DROP TABLE IF EXISTS prototype;
		CREATE TABLE prototype (id uuid PRIMARY KEY, header bytea NOT NULL, body bytea NOT NULL, entity text NOT NULL);
		CREATE INDEX ON prototype (entity, id)`)
	return &prototype{pool: pool}, err
}

func (p *prototype) store(r *http.Request, body []byte) error {
	var header bytes.Buffer
	r.Header.Write(&header)
	var id [16]byte
	rand.Read(id[6:])
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|0x7000|uint64(binary.BigEndian.Uint16(id[6:8])&0xfff))
	w := &row{id: id[:], header: header.Bytes(), body: body, done: make(chan error, 1)}
	p.mu.Lock()
	p.queue = append(p.queue, w)
	if p.writers < 2 {
		p.writers++
		go p.write()
	}
	p.mu.Unlock()
	return <-w.done
}

func (p *prototype) write() {
	for {
		p.mu.Lock()
		rows := p.queue
		p.queue = nil
		if len(rows) == 0 {
			p.writers--
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		err := p.copy(rows)
		for _, r := range rows {
			r.done <- err
		}
	}
}

func (p *prototype) copy(rows []*row) error {
	return p.pool.AcquireFunc(context.Background(), func(conn *pgxpool.Conn) error {
		data := copyRows(len(rows), func(i int) [][]byte {
			return [][]byte{rows[i].id, rows[i].header, rows[i].body, []byte("CUSTOMER")}
		})
		_, err := conn.Conn().PgConn().CopyFrom(context.Background(), bytes.NewReader(data), `COPY prototype FROM STDIN BINARY`)
		return err
	})
}

// copyRows encodes rows in PostgreSQL's binary COPY format.
func copyRows(n int, columns func(i int) [][]byte) []byte {
	b := append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)
	for i := range n {
		fields := columns(i)
		b = binary.BigEndian.AppendUint16(b, uint16(len(fields)))
		for _, f := range fields {
			if f == nil { // NULL
				b = append(b, 0xff, 0xff, 0xff, 0xff)
				continue
			}
			b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
			b = append(b, f...)
		}
	}
	return binary.BigEndian.AppendUint16(b, 0xffff)
}
