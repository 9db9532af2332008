package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report collects the figures.
type report struct {
	text   strings.Builder
	limits struct {
		pgbench map[int]float64 // by clients, rows a second
		copy    map[int]float64 // by rows of a COPY
		http    result
	}
	prototype, recall loads
	cost              cost
	destinations      map[int]result
	deliveries        deliveries
	planned           planned
}

func (r *report) machine() {
	r.limits.pgbench, r.limits.copy, r.destinations = map[int]float64{}, map[int]float64{}, map[int]result{}
	fmt.Fprintf(&r.text, "Measured on %s, %d cores (%s), Go %s; loader on the same machine.\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), machine(), strings.TrimPrefix(runtime.Version(), "go"))
}

// markdown writes the tables.
func (r *report) markdown() string {
	b := &r.text
	row := func(cells ...string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	rate := func(v float64) string { return fmt.Sprintf("%.0f/s", v) }
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

	row("Limit", "rate")
	row("---", "---:")
	for _, c := range []int{1, 16, 64} {
		row(fmt.Sprintf("pgbench, one row of the same size a transaction, %d clients", c), rate(r.limits.pgbench[c]))
	}
	for _, n := range []int{100, 500} {
		row(fmt.Sprintf("COPY, %d rows a transaction, one connection", n), rate(r.limits.copy[n]))
	}
	row("HTTP server that checks the signature and stores nothing, 64 connections", rate(r.limits.http.rate))
	row("Bare prototype, 64 connections", rate(r.prototype.max64.rate))
	row("Bare prototype, 256 connections", rate(r.prototype.max256.rate))
	b.WriteString("\n")

	base := r.limits.pgbench[64]
	row("Recall", "figure", "against", "ratio")
	row("---", "---:", "---", "---:")
	ratio := func(v, of float64) string { return fmt.Sprintf("%.2f", v/of) }
	row("Highest rate, 64 connections", rate(r.recall.max64.rate), "pgbench at 64 clients", ratio(r.recall.max64.rate, base))
	row("Highest rate, 256 connections", rate(r.recall.max256.rate), "pgbench at 64 clients", ratio(r.recall.max256.rate, base))
	row("Highest rate, 64 connections", rate(r.recall.max64.rate), "bare prototype", ratio(r.recall.max64.rate, r.prototype.max64.rate))
	for _, n := range []int{1, 10} {
		row(fmt.Sprintf("Highest rate, %d destinations match", n), rate(r.destinations[n].rate), "none matches", ratio(r.destinations[n].rate, r.recall.max64.rate))
	}
	for _, p := range []float64{50, 99, 99.9} {
		mine, bare := r.recall.at1000.percentile(p), r.prototype.at1000.percentile(p)
		row(fmt.Sprintf("p%v at 1,000/s", p), ms(mine), "bare prototype, "+ms(bare), ratio(float64(mine), float64(bare)))
	}
	for _, p := range []float64{50, 99, 99.9} {
		mine, bare := r.recall.at5000.percentile(p), r.prototype.at5000.percentile(p)
		row(fmt.Sprintf("p%v at 5,000/s (%s answered)", p, rate(r.recall.at5000.rate)), ms(mine), "bare prototype, "+ms(bare), ratio(float64(mine), float64(bare)))
	}
	if d := r.deliveries; d.queueBest > 0 {
		row("Deliveries, attempts recorded", rate(d.rate), "River's empty jobs at best, "+rate(d.queueBest), ratio(d.rate, d.queueBest))
		row("Deliveries, attempts recorded", rate(d.rate), "River's empty jobs by default, "+rate(d.queueDefault), ratio(d.rate, d.queueDefault))
		for _, p := range []float64{50, 99} {
			row(fmt.Sprintf("p%v from a callback's arrival to its destination, at 500/s", p), ms(d.at500.percentile(p)), "", "")
		}
		row("Recall's memory while it delivers (peak RSS)", fmt.Sprintf("%d MiB", d.rss>>20), "", "")
	}
	if p := r.planned; p.all > 0 {
		row(fmt.Sprintf("Planning a replay, %d events on the list", p.allListed), fmt.Sprintf("%.1f s", p.all.Seconds()), "", "")
		row(fmt.Sprintf("Planning a replay of the newest of each entity, %d on the list", p.newest), fmt.Sprintf("%.1f s", p.latest.Seconds()), "", "")
		row("Recall's memory meanwhile (peak RSS)", fmt.Sprintf("%d MiB", p.rss>>20), "", "")
	}
	row("Stored for an event", fmt.Sprintf("%.0f bytes", r.cost.stored), "body and headers", ratio(r.cost.stored, r.cost.received))
	row("CPU for an event, Recall", fmt.Sprintf("%.0f µs", r.cost.cpu), "", "")
	row("CPU for an event, PostgreSQL", fmt.Sprintf("%.0f µs", r.cost.postgresCPU), "", "")
	row("Recall's memory (peak RSS)", fmt.Sprintf("%d MiB", r.cost.rss>>20), "", "")
	failed := r.recall.max64.failed + r.recall.max256.failed + r.recall.at1000.failed + r.recall.at5000.failed
	fmt.Fprintf(b, "\n%d of Recall's callbacks were not answered 2xx.\n", failed)
	return b.String()
}

const (
	tablesBegin = "<!-- tables: written by make bench -->"
	tablesEnd   = "<!-- end of tables -->"
)

// replaceTables puts the tables between the marks of a file.
func replaceTables(path, tables string) error {
	return replaceSection(path, tablesBegin, tablesEnd, tables)
}

// replaceSection puts a text between two marks of a file.
func replaceSection(path, begin, end, section string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		return fmt.Errorf("%s has no place for the tables: it needs the lines %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n\n"+section+"\n"+end+after), 0o644)
}

func randomID() []byte {
	id := make([]byte, 16)
	rand.Read(id)
	return id
}
