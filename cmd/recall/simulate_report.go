package main

import (
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report counts what came of a simulation. It takes the same room however long the run is.
type report struct {
	Seed       uint64
	Callbacks  int64 // begun
	Sent       int64 // tries, repeats included
	Lost       int64 // answers 2xx taken for lost
	GivenUp    int64 // callbacks not answered 2xx at the last try
	Dropped    int64 // repeats left out because too many waited
	Waiting    int64 // repeats still to come when the run was stopped
	BrokenOff  int64 // tries under way when the run was stopped
	Unexpected int64

	answers   map[string]int64 // by status
	rows      map[rowKey]*row
	latencies histogram
	took      time.Duration
}

// rowKey: what is wrong, and what was expected of it.
type rowKey struct {
	fault int
	want  expected
}

type row struct {
	sent, unexpected int64
	got              map[string]int64 // by status, verdict and reason
}

const noAnswer = "no answer"

// mostAnswers bounds the different answers that are told apart, for a receiver may say anything.
const mostAnswers = 20

// add counts a try, and tells whether it was answered as expected.
func (r *report) add(c *callback, want expected, t tried) (met bool) {
	r.Sent++
	if c.tries == 1 {
		r.Callbacks++
	}
	status, got := noAnswer, noAnswer
	if t.err == nil {
		status, got = strconv.Itoa(t.answer.Status), cut(t.answer.judgement(), 80)
		r.latencies.add(t.took)
	}
	if r.rows == nil {
		r.rows, r.answers = map[rowKey]*row{}, map[string]int64{}
	}
	count(r.answers, status)
	key := rowKey{c.fault, want}
	if r.rows[key] == nil {
		r.rows[key] = &row{got: map[string]int64{}}
	}
	r.rows[key].sent++
	count(r.rows[key].got, got)
	if met = want.met(t.answer, t.err); !met {
		r.Unexpected++
		r.rows[key].unexpected++
	}
	return met
}

func count(all map[string]int64, name string) {
	if _, known := all[name]; !known && len(all) >= mostAnswers {
		name = "others"
	}
	all[name]++
}

// mostFirst are the names, the most counted one first.
func mostFirst(all map[string]int64) []string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a, b)) })
	return names
}

// sorted are the rows in the order of faultKinds.
func (r *report) sorted() []rowKey {
	var keys []rowKey
	for key := range r.rows {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b rowKey) int {
		return cmp.Or(cmp.Compare(a.fault, b.fault), -cmp.Compare(a.want.String(), b.want.String()))
	})
	return keys
}

// write prints the summary for people. rate is what was asked for, 0 where nothing was.
func (r *report) write(w io.Writer, rate float64) error {
	pace := fmt.Sprintf("%.1f a second", r.perSecond())
	if rate > 0 {
		pace += fmt.Sprintf(" of %g", rate)
	}
	fmt.Fprintf(w, "%s sent in %s (%s), and %s; seed %d.\n\n", plural(int(r.Callbacks), "callback", "callbacks"),
		r.took.Round(time.Millisecond), pace, plural(int(r.Sent-r.Callbacks), "repeat", "repeats"), r.Seed)
	if err := writeTable(w, r.answerTable()); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := writeTable(w, r.faultTable()); err != nil {
		return err
	}
	if r.latencies.count > 0 {
		fmt.Fprintf(w, "\nLatency  p50 %s, p99 %s, max %s\n", short(r.latencies.quantile(0.5)), short(r.latencies.quantile(0.99)), short(r.latencies.max))
	}
	for _, line := range []struct {
		n          int64
		one, other string
	}{
		{r.Lost, "answer 2xx was taken for lost", "answers 2xx were taken for lost"},
		{r.GivenUp, "callback was given up after its last try", "callbacks were given up after their last try"},
		{r.Dropped, "repeat was left out, because too many waited", "repeats were left out, because too many waited"},
		{r.Waiting, "repeat was still to come", "repeats were still to come"},
		{r.BrokenOff, "try was broken off", "tries were broken off"},
	} {
		if line.n > 0 {
			fmt.Fprintln(w, plural(int(line.n), line.one, line.other)+".")
		}
	}
	if r.Unexpected == 0 {
		fmt.Fprintln(w, "All answers were as expected.")
	}
	return nil
}

func (r *report) answerTable() [][]string {
	rows := [][]string{{"ANSWERED", "COUNT"}}
	for _, status := range mostFirst(r.answers) {
		rows = append(rows, []string{status, strconv.FormatInt(r.answers[status], 10)})
	}
	return rows
}

func (r *report) faultTable() [][]string {
	rows := [][]string{{"FAULT", "SENT", "EXPECTED", "GOT", "UNEXPECTED"}}
	for _, key := range r.sorted() {
		row := r.rows[key]
		var got []string
		for _, name := range mostFirst(row.got) {
			got = append(got, fmt.Sprintf("%d× %s", row.got[name], harmless(name)))
		}
		rows = append(rows, []string{faultKinds[key.fault].name, strconv.FormatInt(row.sent, 10), key.want.String(),
			strings.Join(got, ", "), strconv.FormatInt(row.unexpected, 10)})
	}
	return rows
}

// perSecond is how many callbacks were begun a second.
func (r *report) perSecond() float64 {
	if r.took <= 0 {
		return 0
	}
	return float64(r.Callbacks) / r.took.Seconds()
}

// short is a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

type reportJSON struct {
	Seed        uint64           `json:"seed"`
	Callbacks   int64            `json:"callbacks"`
	Sent        int64            `json:"sent"`
	Repeats     int64            `json:"repeats"`
	LostAnswers int64            `json:"lost_answers"`
	GivenUp     int64            `json:"given_up"`
	Dropped     int64            `json:"repeats_left_out"`
	Waiting     int64            `json:"repeats_to_come"`
	BrokenOff   int64            `json:"broken_off"`
	Unexpected  int64            `json:"unexpected"`
	Seconds     float64          `json:"seconds"`
	PerSecond   float64          `json:"per_second"`
	Answers     map[string]int64 `json:"answers"`
	Faults      []faultJSON      `json:"faults"`
	Latency     latencyJSON      `json:"latency_ms"`
}

type faultJSON struct {
	Fault      string           `json:"fault"`
	Verdict    string           `json:"expected_verdict"`
	Reason     string           `json:"expected_reason"`
	Sent       int64            `json:"sent"`
	Unexpected int64            `json:"unexpected"`
	Got        map[string]int64 `json:"got"`
}

type latencyJSON struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// writeJSON prints the summary as one object.
func (r *report) writeJSON(w io.Writer) error {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	summary := reportJSON{
		Seed: r.Seed, Callbacks: r.Callbacks, Sent: r.Sent, Repeats: r.Sent - r.Callbacks, LostAnswers: r.Lost, GivenUp: r.GivenUp,
		Dropped: r.Dropped, Waiting: r.Waiting, BrokenOff: r.BrokenOff, Unexpected: r.Unexpected,
		Seconds: r.took.Seconds(), PerSecond: r.perSecond(), Answers: map[string]int64{}, Faults: []faultJSON{},
		Latency: latencyJSON{ms(r.latencies.quantile(0.5)), ms(r.latencies.quantile(0.99)), ms(r.latencies.max)},
	}
	for status, n := range r.answers {
		summary.Answers[status] = n
	}
	for _, key := range r.sorted() {
		row := r.rows[key]
		summary.Faults = append(summary.Faults, faultJSON{faultKinds[key.fault].name, string(key.want.Verdict), string(key.want.Reason), row.sent, row.unexpected, row.got})
	}
	return jsonLine(w, summary)
}

// histogram counts durations in buckets of which each is at most a sixteenth wider than the one before.
type histogram struct {
	buckets [64 * 16]int64
	count   int64
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucket(uint64(d))]++
	h.count++
	h.max = max(h.max, d)
}

// bucket: the place of the highest bit, and the four bits behind it.
func bucket(v uint64) int {
	if v < 16 {
		return int(v)
	}
	shift := bits.Len64(v) - 5
	return (shift+1)*16 + int(v>>shift) - 16
}

// quantile is the upper end of the bucket in which that share of all durations ends.
func (h *histogram) quantile(share float64) time.Duration {
	left := int64(share * float64(h.count))
	for i, n := range h.buckets {
		if left -= n; left < 0 {
			if i < 16 {
				return time.Duration(i)
			}
			shift := i/16 - 1
			return min(h.max, time.Duration((uint64(i%16+17)<<shift)-1))
		}
	}
	return h.max
}
