package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recall/verify"
)

// aTry is one try as a receiver would know it.
type aTry struct {
	n     int64
	fault string
	at    time.Duration // since the start
	age   time.Duration // of its t
}

// simulated runs simulate without a network. reply is asked for each try; it may sleep.
func simulated(t *testing.T, reply func(c *callback) (answer, error), args ...string) ([]aTry, *report) {
	t.Helper()
	var commands cli
	parse(t, &commands, append([]string{"simulate", "--to", "http://127.0.0.1:1/", "--secret", "s", "--basic", "u:p", "--header", "X: y"}, args...)...)
	m, err := commands.Simulate.simulation(&app{now: time.Now, out: io.Discard, errw: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var tries []aTry
	start := time.Now()
	m.said, m.progress = func(*callback, answer, error, bool) {}, func() {}
	m.send = func(_ context.Context, c *callback, at time.Time) (answer, error) {
		mu.Lock()
		tries = append(tries, aTry{c.n, faultKinds[c.fault].name, time.Since(start), time.Since(at)})
		mu.Unlock()
		return reply(c)
	}
	m.run(t.Context())
	return tries, m.report
}

func always(status int) func(*callback) (answer, error) {
	return func(*callback) (answer, error) { return answer{Status: status}, nil }
}

func TestRate(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		takes time.Duration // until an answer
		want  int
		every time.Duration
	}{
		"duration":           {[]string{"--rate", "10", "--duration", "5s"}, time.Millisecond, 50, 100 * time.Millisecond},
		"count":              {[]string{"--rate", "0.5", "--count", "7"}, time.Millisecond, 7, 2 * time.Second},
		"samples":            {[]string{"--rate", "1000"}, time.Microsecond, 36, time.Millisecond},
		"whichever is first": {[]string{"--rate", "10", "--duration", "5s", "--count", "20"}, time.Millisecond, 20, 100 * time.Millisecond},
		"slow answers":       {[]string{"--rate", "10", "--duration", "5s"}, time.Second, 50, 100 * time.Millisecond},
		"no rate":            {[]string{"--duration", "5s"}, 250 * time.Millisecond, 20, 250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, r := simulated(t, func(*callback) (answer, error) {
					time.Sleep(test.takes)
					return answer{Status: 200}, nil
				}, test.args...)
				if len(tries) != test.want || r.Callbacks != int64(test.want) || r.Unexpected != 0 {
					t.Fatalf("%d tries, %d callbacks", len(tries), r.Callbacks)
				}
				for i, try := range tries {
					if want := time.Duration(i) * test.every; try.at != want || try.age != 0 || try.n != int64(i) {
						t.Errorf("%d: %+v, want it at %s", i, try, want)
					}
				}
			})
		})
	}
}

// No more are under way than there are connections, and what could not keep up is made up for.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		tries, r := simulated(t, func(*callback) (answer, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return answer{Status: 200}, nil
		}, "--connections", "5", "--rate", "100", "--count", "50")
		if most.Load() != 5 || len(tries) != 50 || r.took != 10040*time.Millisecond {
			t.Errorf("%d at once, %d tries in %s", most.Load(), len(tries), r.took)
		}
		if p50 := r.latencies.quantile(0.5); p50 != time.Second || r.latencies.max != time.Second {
			t.Errorf("p50 %s", p50)
		}
	})
}

func TestRepeatsComeAsPlenigoSendsThem(t *testing.T) {
	const h = time.Hour
	for name, test := range map[string]struct {
		args []string
		at   []time.Duration
		age  []time.Duration
	}{
		"none":               {nil, []time.Duration{0}, []time.Duration{0}},
		"signed anew":        {[]string{"--repeats"}, []time.Duration{0, 2 * time.Second, 12 * time.Second, 48 * time.Second}, make([]time.Duration, 4)},
		"as they were":       {[]string{"--repeats", "--no-resign"}, []time.Duration{0, 2 * time.Second, 12 * time.Second, 48 * time.Second}, []time.Duration{0, h, 6 * h, 24 * h}},
		"from the previous":  {[]string{"--repeats", "--no-resign", "--repeats-from", "previous", "--hour", "1m"}, []time.Duration{0, time.Minute, 7 * time.Minute, 31 * time.Minute}, []time.Duration{0, h, 7 * h, 31 * h}},
		"at plenigo's pace":  {[]string{"--repeats", "--no-resign", "--hour", "1h"}, []time.Duration{0, h, 6 * h, 24 * h}, []time.Duration{0, h, 6 * h, 24 * h}},
		"from the first one": {[]string{"--repeats", "--resign", "--repeats-from", "first", "--hour", "1h"}, []time.Duration{0, h, 6 * h, 24 * h}, make([]time.Duration, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, r := simulated(t, always(503), append(test.args, "--count", "1")...)
				if len(tries) != len(test.at) {
					t.Fatalf("%+v", tries)
				}
				for i, try := range tries {
					if try.at != test.at[i] || try.age != test.age[i] || try.n != 0 {
						t.Errorf("try %d: %+v, want it at %s, its t %s old", i+1, try, test.at[i], test.age[i])
					}
				}
				if given := len(tries) == 4; r.Callbacks != 1 || r.Sent != int64(len(tries)) || r.GivenUp == 1 != given || r.Unexpected != r.Sent {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

func TestRepeatsEndWithAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		reply func(c *callback) (answer, error)
		args  []string
		tries int
		lost  int64
	}{
		"delivered":      {always(200), nil, 1, 0},
		"second time":    {func(c *callback) (answer, error) { return answer{Status: 501 - c.tries*301/2}, nil }, nil, 2, 0},
		"nobody there":   {func(c *callback) (answer, error) { return answer{}, errors.New("no answer") }, nil, 4, 0},
		"redirected":     {always(302), nil, 4, 0},
		"answers lost":   {always(200), []string{"--lost-answers", "100%"}, 4, 4},
		"refused anyway": {always(401), []string{"--lost-answers", "100%", "--fault", "wrong-secret=100%"}, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, r := simulated(t, test.reply, append(test.args, "--repeats", "--count", "3")...)
				if len(tries) != 3*test.tries || r.Lost != 3*test.lost || r.Sent-r.Callbacks != int64(3*(test.tries-1)) {
					t.Errorf("%d tries, %+v", len(tries), r)
				}
			})
		})
	}
}

// A seed is a run, however many connections there are.
func TestSeed(t *testing.T) {
	kinds := func(tries []aTry) []string {
		slices.SortStableFunc(tries, func(a, b aTry) int { return int(a.n - b.n) })
		var all []string
		for _, try := range tries {
			all = append(all, fmt.Sprint(try.n, try.fault))
		}
		return all
	}
	flags := []string{"--count", "2000", "--fault", "wrong-secret=10%", "--fault", "missing-basic=0.5%", "--fault", "stale=1%", "--repeats", "--hour", "1ms", "--lost-answers", "5%"}
	run := func(t *testing.T, more ...string) (all []string) {
		synctest.Test(t, func(t *testing.T) {
			tries, _ := simulated(t, func(*callback) (answer, error) {
				time.Sleep(time.Millisecond)
				return answer{Status: 200}, nil
			}, append(more, flags...)...)
			all = kinds(tries)
		})
		return all
	}
	first := run(t, "--seed", "7")
	if again := run(t, "--seed", "7", "--connections", "20"); !slices.Equal(first, again) {
		t.Error("the same seed, and another run")
	}
	if other := run(t, "--seed", "8"); slices.Equal(first, other) {
		t.Error("another seed, and the same run")
	}
	shares := map[string]int{}
	for _, callback := range slices.Compact(first) {
		shares[strings.TrimLeft(callback, "0123456789")]++
	}
	for kind, between := range map[string][2]int{"wrong-secret": {150, 250}, "missing-basic": {2, 25}, "stale": {5, 45}, "none": {1650, 1850}} {
		if got := shares[kind]; got < between[0] || got > between[1] {
			t.Errorf("%d of 2000 are %s", got, kind)
		}
	}
	if lost := len(first) - 2000; lost < 60 || lost > 150 {
		t.Errorf("%d repeats", lost)
	}
}

// Repeats of one callback are arrivals of one callback in the store.
func TestRepeatsAreArrivals(t *testing.T) {
	t.Parallel()
	const h = 3600
	for name, test := range map[string]struct {
		args     []string
		verdicts string
		ages     []int64
	}{
		"lost answers":       {[]string{"--lost-answers", "100%"}, "verified verified verified verified", []int64{0, 0, 0, 0}},
		"lost, not resigned": {[]string{"--lost-answers", "100%", "--no-resign"}, "verified late late late", []int64{0, h, 6 * h, 24 * h}},
		"from the previous":  {[]string{"--lost-answers", "100%", "--no-resign", "--repeats-from", "previous"}, "verified late late late", []int64{0, h, 7 * h, 31 * h}},
		"refused":            {[]string{"--fault", "altered-body=100%"}, "rejected rejected rejected rejected", []int64{0, 0, 0, 0}},
		"wrong credentials":  {[]string{"--fault", "missing-header=100%", "--no-resign"}, "rejected rejected rejected rejected", []int64{0, h, 6 * h, 24 * h}},
		"stale":              {[]string{"--fault", "stale=100%", "--lost-answers", "100%"}, "late late late late", []int64{600, 600, 600, 600}},
		"delivered":          {nil, "verified", []int64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop, args := shopHouse(t)
			r := command(t, "", append(append(args, test.args...), "--repeats", "--hour", "1ms", "--vary", "--count", "6",
				"--type", "order.creation", "--type", "customer.deletion", "--type", "failed_payment.payment_failed")...)
			r.want(t, 0, "6 callbacks sent", "All answers were as expected.")
			firsts := 0
			for _, e := range shop.eventsOf(r) {
				if e.Arrival > 1 {
					continue
				}
				firsts++
				arrivals, err := shop.db.Arrivals(t.Context(), e.ID)
				if err != nil {
					t.Fatal(err)
				}
				var verdicts []string
				for i, a := range arrivals {
					verdicts = append(verdicts, string(a.Verdict))
					full, err := shop.db.FindEvent(t.Context(), a.ID)
					if err != nil {
						t.Fatal(err)
					}
					if a.Arrival != i+1 || !bytes.Equal(full.Body, e.Body) {
						t.Errorf("arrival %d: %+v", i+1, a)
					}
					if got, want := full.Verification.SkewSeconds, test.ages[i]; got < want || got > want+240 {
						t.Errorf("arrival %d is %d s old, want %d", i+1, got, want)
					}
				}
				if got := strings.Join(verdicts, " "); got != test.verdicts {
					t.Errorf("%s, want %s", got, test.verdicts)
				}
			}
			if firsts != 6 {
				t.Errorf("%d callbacks", firsts)
			}
		})
	}
}

func TestSimulateJSON(t *testing.T) {
	t.Parallel()
	_, args := shopHouse(t)
	r := command(t, "", append(args, "--json", "--seed", "3", "--count", "60", "--connections", "4", "--fault", "wrong-secret=30%", "--fault", "stale=20%", "--repeats", "--hour", "1ms")...)
	r.want(t, 0)
	var got reportJSON
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.errs != "" {
		t.Fatalf("%v: %s", err, r.errs)
	}
	if got.Seed != 3 || got.Callbacks != 60 || got.Sent != 60+got.Repeats || got.Unexpected != 0 || got.Repeats != 3*got.GivenUp || got.GivenUp == 0 || got.Latency.Max <= 0 {
		t.Errorf("%+v", got)
	}
	sent := int64(0)
	for _, f := range got.Faults {
		for row := range maps.Keys(f.Got) {
			if !strings.HasSuffix(row, strings.TrimSpace(f.Verdict+" "+f.Reason)) {
				t.Errorf("%s: %v", f.Fault, f.Got)
			}
		}
		sent += f.Sent
	}
	if len(got.Faults) != 3 || sent != got.Sent || got.Answers["200"]+got.Answers["401"] != sent {
		t.Errorf("%+v", got)
	}
}

func TestSimulateTellsWhatWasUnexpected(t *testing.T) {
	t.Parallel()
	url, _ := listen(t, http.StatusOK, "")
	r := command(t, "", "simulate", "--to", url, "--secret", "s", "--count", "150", "--seed", "1", "--fault", "wrong-secret=100%")
	r.want(t, 1, "150 callbacks sent in", "wrong-secret  150   rejected signature_mismatch  150× 200  150", "150 of 150 answers were not as expected")
	if got := strings.Count(r.out, ", wrong-secret "); got != mostExamples {
		t.Errorf("%d examples", got)
	}

	// An observing source answers 2xx and accepts nothing.
	url, _ = listen(t, http.StatusOK, `{"verdict":"rejected","reason":"signature_mismatch"}`)
	command(t, "", "simulate", "--to", url, "--secret", "s", "--count", "2", "--fault", "wrong-secret=100%").want(t, 0, "2× 200 rejected signature_mismatch")
	command(t, "", "simulate", "--to", url, "--secret", "s", "--count", "2").want(t, 1, "2 of 2 callbacks were not accepted")
}

// Stopped by hand, it still says what it did.
func TestSimulateStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var heard atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if heard.Add(1) == 5 {
			cancel()
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	var out, errs bytes.Buffer
	status := run(ctx, []string{"simulate", "--to", server.URL, "--secret", "s", "--duration", "1h", "--repeats", "--hour", "1h"}, strings.NewReader(""), &out, &errs)
	result{status, out.String(), errs.String()}.want(t, 1, "4 callbacks sent in", "503       4", "4 repeats were still to come.", "1 try was broken off.", "stopped before it was done")
}

// What a receiver says cannot fill the memory, nor the terminal.
func TestAReportIsBounded(t *testing.T) {
	t.Parallel()
	var r report
	for i := range 10_000 {
		reason := verify.Reason(fmt.Sprintf("\x1b[2J%d", i) + strings.Repeat("x", 1000))
		r.add(&callback{tries: 1}, expected{Verdict: verify.Verified}, tried{answer: answer{Status: 200, Reason: reason}, took: time.Duration(i) * time.Microsecond})
	}
	row := r.rows[rowKey{0, expected{Verdict: verify.Verified}}]
	if len(row.got) != mostAnswers+1 || row.got["others"] != 10_000-mostAnswers {
		t.Errorf("%d kinds of answers", len(row.got))
	}
	var out bytes.Buffer
	if err := r.write(&out, 0); err != nil {
		t.Fatal(err)
	}
	harmlessOnly(t, out.String())
	if out.Len() > 4000 {
		t.Errorf("%d bytes", out.Len())
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("nothing has a middle")
	}
	last := -1
	for v := uint64(1); v < 1<<62; v += 1 + v/7 {
		if b := bucket(v); b < last || b >= len(h.buckets) {
			t.Fatalf("%d is in bucket %d", v, b)
		} else {
			last = b
		}
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := h.quantile(share); got < want || got > want+want/8 {
			t.Errorf("%g: %s, want %s", share, got, want)
		}
	}
}
