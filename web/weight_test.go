package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// mostListBytes is what the list may weigh with all that it loads, none of it packed, live and under a filter.
const mostListBytes = 100_000

// TestListWeighsLittle adds up the bytes of a full page of the list, with pills, chart, customers, deliveries and everything
// that the page loads, and sees that it loads nothing from anywhere else.
func TestListWeighsLittle(t *testing.T) {
	s := newSite(t)
	samples := plenigo.Samples()
	var events []*store.Event
	for n := range 120 {
		e := s.newEvent(strings.Replace(string(samples[n%len(samples)].Body), "}", strings.Repeat(" ", n)+"}", 1))
		if n >= 60 { // a bar of the chart for each
			cameAt(time.Now().Add(-time.Duration(n-59) * 12 * time.Hour))(e)
		}
		if n%9 == 0 {
			rejected("signature_mismatch")(e)
		}
		events = append(events, e)
	}
	for _, err := range s.db.RecordEvents(t.Context(), events) {
		must(t, err)
	}
	var deliveries []*store.Delivery
	for _, e := range events {
		if e.Verification.Accepted() {
			deliveries = append(deliveries, &store.Delivery{EventID: e.ID, DestinationID: s.crm.ID, Trigger: store.TriggerAutomatic})
		}
	}
	must(t, pgx.BeginFunc(t.Context(), s.db.Pool(), func(tx pgx.Tx) error {
		_, err := s.db.CreateDeliveriesTx(t.Context(), tx, deliveries)
		return err
	}))
	must(t, s.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return "" }))
	anna := s.as(t, "anna")
	for _, address := range []string{"/events", "/events?q=verdict:verified,rejected+after:30d&live=1"} {
		answer := anna.get(address)
		page := answer.page()
		if bars := strings.Count(page.one(t, "[data-titles]").attr("data-titles"), ": "); bars < 30 {
			t.Errorf("%s: a chart of %d bars", address, bars)
		}
		if rows := len(page.all("tr.row")); answer.StatusCode != http.StatusOK || rows != pageLength {
			t.Fatalf("%s: %s, %d rows", address, answer.Status, rows)
		}
		sum, said := len(answer.body), fmt.Sprintf("page %d", len(answer.body))
		seen := map[string]bool{}
		for _, loads := range [][2]string{{"link", "href"}, {"script", "src"}, {"img", "src"}} {
			for _, e := range page.all(loads[0]) {
				from := e.attr(loads[1])
				if !strings.HasPrefix(from, "/static/") {
					t.Errorf("%s loads %q", address, from)
				}
				if seen[from] {
					continue
				}
				seen[from] = true
				n := len(anna.get(from).body)
				sum, said = sum+n, said+fmt.Sprintf(", %s %d", strings.TrimPrefix(from, "/static/"), n)
			}
		}
		if sum > mostListBytes {
			t.Errorf("%s weighs %d bytes: %s", address, sum, said)
		}
	}
}
