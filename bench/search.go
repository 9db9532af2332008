package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// searchRuns is how often each query is asked, each time for something else where it asks for one of many: cold, with the
// system's cache of files emptied before each, and then all of them again, warm.
const searchRuns = 30

// runSearch measures how fast events are found among a made history, through the pages as a browser gets them. The history
// stays in the folder, and is used again.
func runSearch(ctx context.Context, o options) error {
	if o.dir == "" || o.history == 0 {
		return errors.New("-only search needs -dir, a folder for the history, which stays there, and -history, such as 10000000")
	}
	s, err := openSearch(ctx, o)
	if err != nil {
		return err
	}
	defer s.stop()
	text, err := s.measure(ctx)
	if err != nil {
		return err
	}
	fmt.Println(text)
	if o.out == "" {
		return nil
	}
	return replaceSection(o.out, searchBegin, searchEnd, text)
}

// searching is Recall on a history.
type searching struct {
	*instance
	conn   *pgx.Conn
	client *http.Client
	events int
	built  time.Duration // making the index; 0: it was there
}

func openSearch(ctx context.Context, o options) (*searching, error) {
	dir := filepath.Join(o.dir, "history")
	var i *instance
	var err error
	if exists(dir) {
		i, err = oldInstance(ctx, o, "history")
	} else {
		i, err = newInstance(ctx, o, "history")
	}
	if err != nil {
		return nil, err
	}
	s := &searching{instance: i}
	if err := s.prepare(ctx); err != nil {
		i.stop()
		return nil, err
	}
	return s, nil
}

func (s *searching) prepare(ctx context.Context) error {
	url, err := s.command(ctx, "db", "url")
	for tries := 0; err != nil && tries < 60; tries++ { // Recall is ready before its database has recovered: it has a spool
		time.Sleep(time.Second)
		url, err = s.command(ctx, "db", "url")
	}
	if err != nil {
		return err
	}
	if s.conn, err = pgx.Connect(ctx, url); err != nil {
		return err
	}
	var there bool
	if err := s.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM events)`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if err := s.makeHistory(ctx, url); err != nil {
			return err
		}
	}
	if err := s.conn.QueryRow(ctx, `SELECT count(*) FROM events`).Scan(&s.events); err != nil {
		return err
	}
	if err := s.fillCounts(ctx); err != nil {
		return fmt.Errorf("counting the history: %w", err)
	}
	if s.built, err = s.waitForIndex(ctx); err != nil {
		return err
	}
	return s.logIn(ctx)
}

func (s *searching) makeHistory(ctx context.Context, url string) error {
	for _, slug := range []string{"kiosk", "app", "club"} {
		if _, err := s.command(ctx, "source", "add", "--slug", slug, "--name", slug, "--secret-file", "-"); err != nil {
			return err
		}
	}
	if _, err := s.command(ctx, "user", "add", "bench"); err != nil {
		return err
	}
	rows, err := s.conn.Query(ctx, `SELECT id FROM sources ORDER BY id`)
	if err != nil {
		return err
	}
	sources, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	began := time.Now()
	if err := newHistory(s.o.history, sources).load(ctx, url); err != nil {
		return fmt.Errorf("making the history: %w", err)
	}
	fmt.Fprintf(os.Stderr, "  the history was made in %s\n", time.Since(began).Round(time.Second))
	if _, err := s.conn.Exec(ctx, `VACUUM (ANALYZE) events`); err != nil {
		return err
	}
	_, err = s.conn.Exec(ctx, `UPDATE search_progress SET version = 0`)
	return err
}

// fillCounts makes the counts that pages read, as if the history had arrived by and by, unless they are there.
func (s *searching) fillCounts(ctx context.Context) error {
	var there bool
	if err := s.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM volume)`).Scan(&there); there || err != nil {
		return err
	}
	_, err := s.conn.Exec(ctx, `
		BEGIN;
		CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
		SELECT date_trunc('minute', to_timestamp(('x' || substr(id::text, 1, 8) || substr(id::text, 10, 4))::bit(48)::bigint / 1000.0)) AS start,
			source_id, verdict, answered, entity_type, callback_type, count(*) AS events, max(id::text)::uuid AS last
		FROM events GROUP BY 1, 2, 3, 4, 5, 6;
		INSERT INTO volume_types (entity_type, callback_type)
		SELECT entity_type, callback_type FROM counted GROUP BY 1, 2 ORDER BY sum(events) DESC LIMIT 250;
		INSERT INTO volume (grain, type_id, start, source_id, verdict, answered, events)
		SELECT grain, type.id, date_trunc(grain::text, c.start, 'UTC'), source_id, verdict, answered, sum(events)
		FROM counted c
		LEFT JOIN volume_types t USING (entity_type, callback_type)
		CROSS JOIN LATERAL (VALUES (0), (coalesce(t.id, 1))) AS type (id)
		CROSS JOIN unnest(enum_range(NULL::volume_grain)) AS grain
		WHERE grain <> 'minute' OR c.start > now() - interval '7 days'
		GROUP BY 1, 2, 3, 4, 5, 6;
		INSERT INTO source_hours (source_id, hour, verdict, answered, secret, events, last_event_id)
		SELECT source_id, date_trunc('hour', start, 'UTC'), verdict, answered, '', sum(events), max(last::text)::uuid
		FROM counted GROUP BY 1, 2, 3, 4;
		COMMIT`)
	if err == nil {
		_, err = s.conn.Exec(ctx, `VACUUM (ANALYZE) volume, source_hours`)
	}
	return err
}

// waitForIndex waits until Recall has indexed everything, and tells how long it took.
func (s *searching) waitForIndex(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	for waited := false; ; waited = true {
		var done bool
		err := s.conn.QueryRow(ctx, `SELECT version > 0 AND down_to = '00000000-0000-0000-0000-000000000000' FROM search_progress`).Scan(&done)
		switch {
		case err != nil:
			return 0, err
		case done && !waited:
			return 0, nil
		case done:
			_, err := s.conn.Exec(ctx, `VACUUM (ANALYZE) search_segments, search_postings`)
			return time.Since(began), err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (s *searching) logIn(ctx context.Context) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	s.client = &http.Client{Jar: jar, Timeout: time.Minute}
	form := url.Values{"name": {"bench"}, "password": {secret}}
	answer, err := s.client.PostForm("http://"+s.admin+"/login", form)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.Request.URL.Path == "/login" || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("logging in: %s", answer.Status)
	}
	return nil
}

// eventsURL is the page of events that a filter finds.
func eventsURL(filter string, before uuid.UUID) string {
	values := url.Values{"q": {filter}}
	if before != uuid.Nil {
		values.Set("before", before.String())
	}
	return "/events?" + values.Encode()
}

// get asks for a page and tells how long the whole answer took, and how many events it shows.
func (s *searching) get(ctx context.Context, url string) (time.Duration, int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+url, nil)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	answer, err := s.client.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	took := time.Since(began)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return took, bytes.Count(page, []byte(`href="/events/0`)), err
}

// searchQuery is one kind of query.
type searchQuery struct {
	what   string
	filter func(random *rand.Rand) string
	page   int // 0: the first
}

func fixed(filter string) func(*rand.Rand) string { return func(*rand.Rand) string { return filter } }

var searchQueries = []searchQuery{
	{"everything", fixed(""), 0},
	{"everything, 1,000th page", fixed(""), 1000},
	{"source, verdict and type, common", fixed("source:shop verdict:verified type:customer.change"), 0},
	{"the same, 1,000th page", fixed("source:shop verdict:verified type:customer.change"), 1000},
	{"source, verdict and type, rare", fixed("source:club verdict:rejected type:order"), 0},
	{"rejected", fixed("verdict:rejected"), 0},
	{"rejected, 100th page", fixed("verdict:rejected"), 100},
	{"type and customer", func(r *rand.Rand) string { return fmt.Sprintf("type:invoice customer:%d", someCustomer(r)) }, 0},
	{"verdict, over a day two months ago", fixed("verdict:late after:61d before:60d"), 0},
	{"customer, over everything", func(r *rand.Rand) string { return fmt.Sprintf("customer:%d", someCustomer(r)) }, 0},
	{"entity, over everything", func(r *rand.Rand) string { return fmt.Sprintf("entity:%d", 5_000_000+r.IntN(100_000)) }, 0},
	{"mail address by its path, over everything", func(r *rand.Rand) string { return "entity.email:" + mailOf(someCustomer(r)) }, 0},
	{"mail address as text, over everything", func(r *rand.Rand) string { return `"` + mailOf(someCustomer(r)) + `"` }, 0},
	{"path, last 7 days", func(r *rand.Rand) string { return "after:7d entity.email:" + mailOf(someCustomer(r)) }, 0},
	{"two paths of common values, last 7 days", fixed(`after:7d entity.lastName:weber entity.status:activated`), 0},
	{"text of two words, last 7 days", func(r *rand.Rand) string { return fmt.Sprintf(`after:7d "Weißhäupl" "%d"`, someCustomer(r)) }, 0},
	{"text that is nowhere, last 7 days", func(r *rand.Rand) string { return fmt.Sprintf(`after:7d "nowhere%d"`, r.IntN(1e6)) }, 0},
	{"text that is nowhere, over everything", func(r *rand.Rand) string { return fmt.Sprintf(`"nowhere%d"`, r.IntN(1e6)) }, 0},
	{"comparison, which no index helps, last day", fixed("after:1d entity.accumulatedPrice:>100"), 0},
}

// measure asks every query cold and warm, and writes the table.
func (s *searching) measure(ctx context.Context) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s, %d events over %d days.\n\n| Query | p50, cold | p95, cold | p50, warm | p95, warm | events shown |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
		time.Now().UTC().Format(time.DateOnly), s.events, historyDays)
	random := rand.New(rand.NewPCG(3, 4))
	for _, q := range searchQueries {
		var before uuid.UUID
		if q.page > 0 {
			var err error
			if before, err = s.pageBegin(ctx, q); err != nil {
				return "", err
			}
		}
		var urls []string
		for range searchRuns {
			urls = append(urls, eventsURL(q.filter(random), before))
		}
		if err := s.measurePage(ctx, &b, q.what, urls); err != nil {
			return "", err
		}
	}
	for _, p := range []struct{ what, url string }{
		{"the overview, last 24 hours", "/overview"}, {"the overview of a source, last 24 hours", "/overview?source=shop"},
		{"the overview, last 30 days", "/overview?range=30d"}, {"a customer's history", fmt.Sprintf("/entities/customer/%d", someCustomer(random))},
	} {
		if err := s.measurePage(ctx, &b, p.what, slices.Repeat([]string{p.url}, searchRuns)); err != nil {
			return "", err
		}
	}
	sizes, err := s.sizes(ctx)
	if err != nil {
		return "", err
	}
	receiving, err := s.measureReceiving(ctx)
	return b.String() + sizes + receiving, err
}

// measurePage writes a row of the table: pages cold, and warm.
func (s *searching) measurePage(ctx context.Context, b *strings.Builder, what string, urls []string) error {
	cold, _, err := s.ask(ctx, urls, dropCaches)
	if err != nil {
		return err
	}
	if _, _, err = s.ask(ctx, urls, nil); err != nil { // fills the caches
		return err
	}
	warm, shown, err := s.ask(ctx, urls, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d |\n", what, percentile(cold, 50), percentile(cold, 95), percentile(warm, 50), percentile(warm, 95), shown)
	fmt.Fprintf(os.Stderr, "  %s: %s, then %s\n", what, percentile(cold, 95), percentile(warm, 95))
	return nil
}

// ask asks for pages in turn, and tells how long the answers took, ascending; none where what is to be done before each could
// not be.
func (s *searching) ask(ctx context.Context, urls []string, prepare func() bool) (times []time.Duration, shown int, err error) {
	for _, url := range urls {
		if prepare != nil && !prepare() {
			return nil, 0, nil
		}
		took, events, err := s.get(ctx, url)
		if err != nil {
			return nil, 0, err
		}
		times, shown = append(times, took), max(shown, events)
	}
	slices.Sort(times)
	return times, shown, nil
}

func percentile(times []time.Duration, p int) string {
	if len(times) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.1f ms", float64(times[len(times)*p/100].Microseconds())/1000)
}

// pageBegin is where a page far back begins, by the list itself.
func (s *searching) pageBegin(ctx context.Context, q searchQuery) (uuid.UUID, error) {
	var before uuid.UUID
	condition := "true"
	switch { // the same in SQL, without the index
	case strings.HasPrefix(q.filter(nil), "source:shop"):
		condition = "source_id = 1 AND verdict = 'verified' AND entity_type = 'CUSTOMER' AND callback_type = 'CHANGE'"
	case q.filter(nil) != "":
		condition = "verdict = 'rejected'"
	}
	err := s.conn.QueryRow(ctx, `SELECT id FROM events WHERE `+condition+` ORDER BY id DESC OFFSET $1 LIMIT 1`, 50*(q.page-1)).Scan(&before)
	return before, err
}

// sizes says what is stored for an event.
func (s *searching) sizes(ctx context.Context) (string, error) {
	size := func(pattern, function string) (bytes float64, err error) {
		err = s.conn.QueryRow(ctx, `SELECT coalesce(sum(`+function+`(oid)), 0)::float8 FROM pg_class WHERE relkind = 'r' AND relname ~ $1`, pattern).Scan(&bytes)
		return bytes / float64(s.events), err
	}
	var b strings.Builder
	b.WriteString("\n| Stored for an event | bytes |\n| --- | ---: |\n")
	for _, t := range []struct{ what, pattern, function string }{
		{"the event itself", `^events_\d`, "pg_table_size"},
		{"its primary key and the index of repeats", `^events_\d`, "pg_indexes_size"},
		{"search: ids and classes", `^search_segments_\d`, "pg_total_relation_size"},
		{"search: postings", `^search_postings_\d`, "pg_total_relation_size"},
	} {
		n, err := size(t.pattern, t.function)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %.0f |\n", t.what, n)
	}
	if s.built > time.Second {
		fmt.Fprintf(&b, "\nThe index was made from the events at %.0f events a second.\n", float64(s.events)/s.built.Seconds())
	}
	return b.String(), nil
}

// dropCaches empties the system's cache of files, where it may.
func dropCaches() bool {
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0) == nil
}

const (
	searchBegin = "<!-- search: written by bench -only search -->"
	searchEnd   = "<!-- end of search -->"
)
