package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	randv2 "math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"recall/plenigo"
	"recall/verify"
)

// historyDays is how far a made history goes back.
const historyDays = 90

// history makes events as a publisher gets them over the last 90 days, and writes them past Recall, which would take
// longer: types, sources and customers as unevenly spread as they are, each body from plenigo's examples with ids, names,
// addresses and times of its own.
type history struct {
	events    int
	end       time.Time
	sources   []int64 // the first gets most
	templates []bodyTemplate
	shares    []int // of the templates, rising; the last is the whole
}

// customers are as many as the events name, a few of them again and again.
const customers = 1_000_000

// shares of the kinds of callbacks, in a thousand; the others share the rest.
var shares = map[string]int{
	"customer.change": 280, "subscription.change": 220, "invoice.creation": 150, "order.creation": 80, "customer.creation": 80,
	"customer_opt_in.change": 60, "subscription.creation": 40, "subscription.cancellation": 20,
}

func newHistory(events int, sources []int64) *history {
	h := &history{events: events, end: time.Now(), sources: sources}
	total := 0
	for _, s := range plenigo.Samples() {
		if s.Kind != "documented" {
			continue
		}
		share := shares[s.Name]
		if share == 0 {
			share = 5
		}
		total += share
		h.templates, h.shares = append(h.templates, newBodyTemplate(s.Body)), append(h.shares, total)
	}
	return h
}

// bodyTemplate is an example body, cut where something of its own goes in.
type bodyTemplate struct {
	parts                    [][]byte
	slots                    []slot // between the parts
	entityType, callbackType string
	paths                    []string // where it names its customer
	ofCustomer               bool     // the entity is the customer
}

type slot int

const (
	slotCustomer slot = iota
	slotEntity
	slotMail
	slotTime
	slotFirstName
	slotLastName
	slotCity
)

func newBodyTemplate(sample []byte) bodyTemplate {
	e := plenigo.Read(sample)
	t := bodyTemplate{entityType: e.EntityType, callbackType: e.CallbackType}
	customer := ""
	for _, link := range e.Customers {
		if customer == "" {
			customer = link.CustomerID
		}
		if link.CustomerID == customer {
			t.paths = append(t.paths, link.Path)
		}
	}
	t.ofCustomer = customer == e.EntityID
	own := []string{`"[^"@]+@[^"]+"`, `"\d{4}-\d\d-\d\dT[0-9:.]+Z"`, `"Jürgen"`, `"Weißhäupl"`, `"München"`}
	for _, id := range []string{customer, e.EntityID} {
		if id != "" {
			own = append(own, `"`+regexp.QuoteMeta(id)+`"`)
		}
	}
	pattern := regexp.MustCompile(strings.Join(own, "|"))
	last := 0
	for _, at := range pattern.FindAllIndex(sample, -1) {
		found := string(sample[at[0]+1 : at[1]-1])
		s := slotTime
		switch {
		case found == customer:
			s = slotCustomer
		case found == e.EntityID:
			s = slotEntity
		case found == "Jürgen":
			s = slotFirstName
		case found == "Weißhäupl":
			s = slotLastName
		case found == "München":
			s = slotCity
		case strings.Contains(found, "@"):
			s = slotMail
		}
		t.parts, t.slots = append(t.parts, sample[last:at[0]+1]), append(t.slots, s)
		last = at[1] - 1
	}
	t.parts = append(t.parts, sample[last:])
	return t
}

var (
	firstNames = strings.Fields("Anna Ben Clara David Elif Finn Greta Hannes Ida Jonas Karin Lukas Mia Noah Olga Paul Rosa Simon Theo Ursula Viktor Wilma Yusuf Zoe Jürgen Käthe Øyvind Zoë")
	lastNames  = strings.Fields("Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Weißhäupl Yılmaz Nowak")
	cities     = strings.Fields("Berlin Hamburg München Köln Frankfurt Stuttgart Düsseldorf Leipzig Dortmund Essen Bremen Dresden Hannover Nürnberg Wien Zürich")
)

// mailOf is a customer's address; names follow from the id, so that all its events agree.
func mailOf(customer int) string {
	return fmt.Sprintf("%s.%d@example.org", strings.ToLower(firstNames[customer%8]), customer)
}

// someCustomer prefers some: of a million, a thousand have a tenth of the events.
func someCustomer(random *randv2.Rand) int {
	return 100_000 + int(customers*math.Pow(random.Float64(), 3))
}

// columns of events, as row fills them.
const historyColumns = `id, source_id, verdict, reason, signature, verification, answered, repeat_of, arrival, sender, header, body, body_sha256, size,
	is_json, entity_type, callback_type, entity_id, api_version, changed_at, unexpected_type, customers`

// row makes event number n.
func (h *history) row(random *randv2.Rand, n int) [][]byte {
	step := float64(historyDays*24*time.Hour) / float64(h.events)
	at := h.end.Add(-historyDays*24*time.Hour + time.Duration((float64(n)+random.Float64())*step))
	kind, pick := 0, random.IntN(h.shares[len(h.shares)-1])
	for h.shares[kind] <= pick {
		kind++
	}
	t := &h.templates[kind]
	customer := someCustomer(random)
	entity := strconv.Itoa(5_000_000 + random.IntN(h.events/3+1))
	if t.ofCustomer {
		entity = strconv.Itoa(customer)
	}
	stamp := at.UTC().Format("2006-01-02T15:04:05.000000Z")
	body := make([]byte, 0, 3200)
	for i, s := range t.slots {
		body = append(body, t.parts[i]...)
		switch s {
		case slotCustomer:
			body = strconv.AppendInt(body, int64(customer), 10)
		case slotEntity:
			body = append(body, entity...)
		case slotMail:
			body = append(body, mailOf(customer)...)
		case slotTime:
			body = append(body, stamp...)
		case slotFirstName:
			body = append(body, firstNames[customer%len(firstNames)]...)
		case slotLastName:
			body = append(body, lastNames[customer/7%len(lastNames)]...)
		case slotCity:
			body = append(body, cities[customer/11%len(cities)]...)
		}
	}
	body = append(body, t.parts[len(t.parts)-1]...)

	result := verify.Result{Verdict: verify.Verified, Signature: verify.Valid, Basic: verify.NotRequired, Header: verify.NotRequired, SignedAt: at.Unix(), Secret: "first"}
	answered := 200
	switch p := random.IntN(1000); {
	case p < 15:
		result.Verdict, result.Reason, result.Signature, answered = verify.Rejected, verify.ReasonSignatureMismatch, verify.Mismatch, 401
	case p < 20:
		result.Verdict, result.Reason, result.Signature, answered = verify.Rejected, verify.ReasonSignatureMissing, verify.Missing, 401
	case p < 25:
		result.Verdict, result.Reason, result.Signature = verify.Late, verify.ReasonSignatureExpired, verify.Expired
	}
	verification, err := json.Marshal(result)
	if err != nil {
		panic(err) // it can be written
	}
	source := 0
	for p := random.IntN(100); source < len(h.sources)-1 && p >= []int{75, 93, 99}[source]; source++ {
	}
	var repeatOf []byte
	arrival := 1
	if random.IntN(33) == 0 {
		repeatOf, arrival = timeID(at.Add(-time.Hour)), 2
	}
	var mac [32]byte
	rand.Read(mac[:])
	header := fmt.Sprintf("Accept: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: %d\r\nContent-Type: application/json\r\nHost: recall.example\r\n"+
		"Plenigo-Signature: t=%d,s=%s\r\nUser-Agent: go-resty/2.15.3 (https://github.com/go-resty/resty)\r\nX-Plenigo-Api-Version: 20240827\r\n",
		len(body), at.Unix(), hex.EncodeToString(mac[:]))
	sum := sha256.Sum256(body)
	links := ""
	for i, path := range t.paths {
		links += fmt.Sprintf(`%s["%d","%s"]`, ","[:min(1, i)], customer, path)
	}
	if links != "" {
		links = "[" + links + "]"
	}
	number := func(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }
	return [][]byte{
		timeID(at), number(h.sources[source]), []byte(result.Verdict), []byte(result.Reason), []byte(result.Signature), verification,
		binary.BigEndian.AppendUint16(nil, uint16(answered)), repeatOf, binary.BigEndian.AppendUint32(nil, uint32(arrival)),
		{2, 32, 0, 4, 203, 0, 113, byte(random.IntN(20))}, []byte(header), body, sum[:], number(int64(len(body))), {1},
		[]byte(t.entityType), []byte(t.callbackType), []byte(entity), []byte("20240827"),
		number(at.UnixMicro() - time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()), {0}, []byte(links),
	}
}

// timeID is a UUIDv7.
func timeID(at time.Time) []byte {
	id := randomID()
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(at.UnixMilli())<<16)
	copy(id[:6], millis[:6])
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

// load writes the events over two connections, by COPY, oldest first.
func (h *history) load(ctx context.Context, url string) error {
	if err := h.makePartitions(ctx, url); err != nil {
		return err
	}
	const rows = 2000
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for i := range 2 {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			random := randv2.New(randv2.NewPCG(1, uint64(i)))
			for {
				first := int(next.Add(rows)) - rows
				if first >= h.events {
					return nil
				}
				if first%1_000_000 == 0 {
					fmt.Fprintf(os.Stderr, "  %d events are there\n", first)
				}
				data := copyRows(min(rows, h.events-first), func(n int) [][]byte { return h.row(random, first+n) })
				if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(data), "COPY events ("+historyColumns+") FROM STDIN BINARY"); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// makePartitions makes those of the weeks gone by; Recall makes them only for what arrives.
func (h *history) makePartitions(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT partrelid::regclass::text FROM pg_partitioned_table`)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	week := h.end.UTC().AddDate(0, 0, -historyDays).Truncate(24 * time.Hour)
	for week.Weekday() != time.Monday {
		week = week.AddDate(0, 0, -1)
	}
	bound := func(t time.Time) string { return fmt.Sprintf("%012x", t.UnixMilli()) + strings.Repeat("0", 20) }
	for ; week.Before(h.end); week = week.AddDate(0, 0, 7) {
		year, number := week.ISOWeek()
		for _, table := range tables {
			_, err := conn.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %[1]s_%04[2]dw%02[3]d PARTITION OF %[1]s FOR VALUES FROM ('%[4]s') TO ('%[5]s')`,
				table, year, number, bound(week), bound(week.AddDate(0, 0, 7))))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
