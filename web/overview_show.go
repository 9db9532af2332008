package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

// overviewRange is a time up to now that the overview can show: whole units of its first bar's, so that counts need not be
// split.
type overviewRange struct {
	Key, Name, Before string
	length, step      time.Duration
	from              func(now time.Time, zone *time.Location) time.Time
}

var overviewRanges = []overviewRange{
	{"1h", "1 h", "the hour before", time.Hour, time.Minute, func(now time.Time, _ *time.Location) time.Time {
		return now.Truncate(time.Minute).Add(-59 * time.Minute)
	}},
	{"24h", "24 h", "the day before", 24 * time.Hour, time.Hour, func(now time.Time, _ *time.Location) time.Time { return now.Truncate(time.Hour).Add(-23 * time.Hour) }},
	{"7d", "7 d", "the week before", 7 * 24 * time.Hour, 3 * time.Hour, daysFrom(7)},
	{"30d", "30 d", "the 30 days before", 30 * 24 * time.Hour, 24 * time.Hour, daysFrom(30)},
}

// daysFrom is today's midnight where the reader is, and the days before.
func daysFrom(days int) func(time.Time, *time.Location) time.Time {
	return func(now time.Time, zone *time.Location) time.Time {
		y, m, d := now.In(zone).Date()
		return time.Date(y, m, d+1-days, 0, 0, 0, 0, zone)
	}
}

const (
	defaultRange  = 1 // 24 hours
	shownTypes    = 10
	shownTroubles = 5
)

// overviewQuery is what the address says.
type overviewQuery struct {
	Source string // slug; "": all
	Range  int    // of overviewRanges
}

func (q overviewQuery) url() string {
	v := url.Values{}
	if q.Source != "" {
		v.Set("source", q.Source)
	}
	if q.Range != defaultRange {
		v.Set("range", overviewRanges[q.Range].Key)
	}
	if len(v) == 0 {
		return "/overview"
	}
	return "/overview?" + v.Encode()
}

func parseOverviewQuery(v url.Values) (overviewQuery, error) {
	q := overviewQuery{Source: v.Get("source"), Range: defaultRange}
	if key := v.Get("range"); key != "" {
		q.Range = slices.IndexFunc(overviewRanges, func(r overviewRange) bool { return r.Key == key })
	}
	if q.Range < 0 {
		return q, mistake("In the address, range must be 1h, 24h, 7d or 30d.")
	}
	return q, nil
}

// overviewView is the page of what arrived, altogether or of one source.
type overviewView struct {
	page
	Query     overviewQuery
	Source    *link // its page; nil: all
	Sources   []choice
	Ranges    []rangeLink
	Counted   string
	Lag       string
	Setup     *setupView // nothing ever arrived
	Figures   []figureView
	Shares    []shareView
	SharesURL string
	Volume    volumeView
	Types     []typeRow
	Rows      []sourceRow
	Answers   []answerRow
	Troubles  []failureRow
	Troubled  string // link to all failures
	Backlogs  []backlogRow
	Guards    []guard
}

// figureView is a number with what it means.
type figureView struct {
	Name, Value, Note string
	Tone              string
	URL               string // "" none
}

// shareView is a verdict's part of the whole.
type shareView struct {
	mood
	Class, Share, Count, URL string
	X, Width                 string // of the bar, in percent
}

type typeRow struct {
	Entity, Callback string
	NewType, Test    bool
	URL              string // "" where no filter can name it
	Events, Share    string
	Width            string // of the bar, in percent
	Rejected         string // "" none
	Rest             bool
}

type sourceRow struct {
	Name, URL, EventsURL string
	Events, Rate         string
	Late, Rejected       string
	State                mood
	Trend                trend
}

type answerRow struct {
	Status, Meaning, Tone string
	Kept, Lost            string
	URL                   string
}

type backlogRow struct {
	Name, URL       string
	State           mood
	Open, Exhausted string
	Oldest          timeView
	Late            bool // the oldest waits long
}

func (s *server) overviewShow(w http.ResponseWriter, r *http.Request) error {
	q, err := parseOverviewQuery(r.URL.Query())
	if err != nil {
		return err
	}
	sources, err := s.DB.ListSources(r.Context())
	if err != nil {
		return fmt.Errorf("listing sources: %w", err)
	}
	v := overviewView{page: s.newPage(r, "Overview"), Query: q}
	v.Messages = s.takeFlashes(w, r)
	var source *store.Source
	if q.Source != "" {
		i := slices.IndexFunc(sources, func(s *store.Source) bool { return s.Slug == q.Source })
		if i < 0 {
			return missing("There is no source of this name.")
		}
		source = sources[i]
	}
	if err := s.fillOverview(r.Context(), &v, source, sources); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, overviewPage(v))
}

// fillOverview asks for what the page shows; each part reads counts only, or a bounded number of rows.
func (s *server) fillOverview(ctx context.Context, v *overviewView, source *store.Source, sources []*store.Source) error {
	span := overviewRanges[v.Query.Range]
	from := span.from(v.Now, v.habits.zone())
	ask := store.TotalsQuery{From: from, Length: span.length, Parts: trendHours, Types: shownTypes}
	if source != nil {
		ask.Source = source.ID
	}
	totals, err := s.DB.VolumeTotals(ctx, ask)
	if err != nil {
		return err
	}
	v.head(source, sources, totals)
	if totals.First.IsZero() {
		if source != nil {
			sources = []*store.Source{source}
		}
		v.Setup = newSetupView(sources, s.PublicURL)
		return nil
	}
	text := "after:" + filterTime(from)
	if source != nil {
		text = filter.TermText(string(filter.KeySource), source.Slug) + " " + text
	}
	f, err := filter.Parse(text, v.Now)
	if err != nil {
		return err
	}
	volume, err := s.DB.Volume(ctx, store.VolumeQuery{Filter: f, Step: span.step, Zone: v.habits.zone()})
	if err != nil {
		return err
	}
	v.Volume = newVolumeView(volume, f, v.habits, v.Now)
	v.Volume.Ranges, v.Volume.Lag = nil, "" // the page has its own

	failures, err := s.DB.ListFailures(ctx, store.FailureQuery{States: []store.FailureState{store.FailureOpen}, Source: v.Query.Source, Limit: shownTroubles})
	if err != nil {
		return err
	}
	for i := range failures {
		v.Troubles = append(v.Troubles, newFailureRow(&failures[i], false, v.page))
	}
	if source == nil {
		backlogs, err := s.DB.ListBacklogs(ctx)
		if err != nil {
			return err
		}
		v.backlogs(backlogs)
	}
	v.fill(totals, f, from, span)
	v.sources(totals, sources, from)
	return nil
}

// head is what stands on the page whatever has arrived.
func (v *overviewView) head(source *store.Source, sources []*store.Source, totals *store.VolumeTotals) {
	for i, r := range overviewRanges {
		v.Ranges = append(v.Ranges, rangeLink{link{r.Name, overviewQuery{v.Query.Source, i}.url()}, i == v.Query.Range})
	}
	for _, s := range sources {
		v.Sources = append(v.Sources, choice{s.Slug, s.Name})
	}
	v.Troubled = failureQuery{Source: v.Query.Source}.url()
	v.Lag = countsLag(totals.CountedAt, v.Now, v.habits)
	if v.Lag == "" && !totals.CountedAt.IsZero() {
		v.Counted = "Counted until " + totals.CountedAt.In(v.habits.zone()).Format("15:04:05 ") + zoneWord(totals.CountedAt.In(v.habits.zone())) + "."
	}
	if source == nil {
		return
	}
	v.Title = plainText(cut(source.Name, 80)) + " · Overview"
	v.Source = &link{source.Name, "/sources/" + source.Slug}
	for _, g := range v.pulse.Guards {
		if g.Slug == source.Slug {
			v.Guards = append(v.Guards, g)
		}
	}
}

// fill makes the figures.
func (v *overviewView) fill(t *store.VolumeTotals, f filter.Filter, from time.Time, span overviewRange) {
	events := t.Events()
	all := f.Text()
	v.Figures = append(v.Figures, figureView{
		Name: "Events", Value: v.habits.grouped(events), Note: v.habits.rateWords(events, v.Now.Sub(from)) + v.habits.changeWords(events, t.Before, span.Before), URL: eventQuery{Text: all}.url(),
	})
	var asked, good, ours int64
	for _, a := range t.Answers {
		asked += a.Kept + a.Lost
		if a.Status >= 200 && a.Status < 300 {
			good += a.Kept + a.Lost
		}
		if a.Status >= 500 {
			ours += a.Kept + a.Lost
		}
	}
	answered := figureView{Name: "Answered 2xx", Value: v.habits.shareWords(good, asked), Note: "nothing else"}
	if bad := asked - good; bad > 0 {
		answered.Note = v.habits.plural(int(bad), "other answer", "other answers")
	}
	if ours > 0 { // what is refused is refused for a reason; this is our doing
		answered.Tone = toneBad
	}
	latency := figureView{Name: "Time to answer", Value: "–", Note: "not measured in this time"}
	if t.Latency.Answers > 0 {
		latency.Value = v.habits.latencyWords(t.Latency.P50)
		latency.Note = "median; 95 % within " + v.habits.latencyWords(t.Latency.P95)
	}
	v.Figures = append(v.Figures, answered, latency, v.troubleFigure())
	v.shares(t.VerdictCounts, all)
	v.types(t, all)
	for _, a := range t.Answers {
		row := answerRow{Status: strconv.Itoa(a.Status), Meaning: http.StatusText(a.Status), Tone: statusTone(a.Status), Kept: v.habits.grouped(a.Kept), Lost: v.habits.grouped(a.Lost)}
		if a.Kept > 0 {
			row.URL = eventQuery{Text: all + " " + filter.TermText(string(filter.KeyAnswered), row.Status)}.url()
		}
		v.Answers = append(v.Answers, row)
	}
}

// troubleFigure is the number of open failures.
func (v *overviewView) troubleFigure() figureView {
	f := figureView{Name: "Open failures", Value: "0", Note: "rejected events that are one trouble", URL: v.Troubled}
	n := len(v.Troubles)
	if v.Source == nil {
		n = max(n, v.pulse.Open)
	}
	if n > 0 {
		f.Value, f.Tone = openMark(n), toneBad
		if v.Source != nil && n == shownTroubles {
			f.Value += "+"
		}
	}
	return f
}

func (v *overviewView) shares(c store.VerdictCounts, all string) {
	total, x := c.Events(), 0.0
	for _, part := range []struct {
		verdict verify.Verdict
		n       int64
	}{{verify.Verified, c.Verified}, {verify.Late, c.Late}, {verify.Rejected, c.Rejected}} {
		width := 0.0
		if total > 0 {
			width = 100 * float64(part.n) / float64(total)
		}
		v.Shares = append(v.Shares, shareView{
			mood: verdictMood(part.verdict), Class: string(part.verdict), Share: v.habits.shareWords(part.n, total), Count: v.habits.grouped(part.n),
			URL: eventQuery{Text: all + " " + filter.TermText(string(filter.KeyVerdict), string(part.verdict))}.url(),
			X:   percent(x), Width: percent(width),
		})
		x += width
	}
}

func (v *overviewView) types(t *store.VolumeTotals, all string) {
	rest, most := t.VerdictCounts, int64(1)
	for _, c := range t.Types {
		most = max(most, c.Events())
	}
	row := func(c store.VerdictCounts) typeRow {
		r := typeRow{Events: v.habits.grouped(c.Events()), Share: v.habits.shareWords(c.Events(), t.Events()), Width: percent(100 * float64(c.Events()) / float64(most))}
		if c.Rejected > 0 {
			r.Rejected = v.habits.grouped(c.Rejected)
		}
		return r
	}
	for _, c := range t.Types {
		rest.Verified, rest.Late, rest.Rejected = rest.Verified-c.Verified, rest.Late-c.Late, rest.Rejected-c.Rejected
		r := row(c.VerdictCounts)
		r.Entity, r.Callback = typeWords(c.EntityType, c.CallbackType)
		r.NewType, r.Test = isNewType(c.EntityType, c.CallbackType), c.EntityType == store.TestEntityType
		r.URL = typeURL(all, c.EntityType, c.CallbackType, v.Now)
		v.Types = append(v.Types, r)
	}
	if rest.Events() > 0 {
		r := row(rest)
		r.Rest, r.Width = true, percent(min(100, 100*float64(rest.Events())/float64(most)))
		v.Types = append(v.Types, r)
	}
}

// typeURL lists the events of a type; "" where the filter cannot name it, as where the body says none.
func typeURL(all, entityType, callbackType string, now time.Time) string {
	if entityType == "" || callbackType == "" {
		return ""
	}
	text := all + " " + filter.TermText(string(filter.KeyType), strings.ToLower(entityType+"."+callbackType))
	f, err := filter.Parse(text, now)
	if err != nil || !f.Without(filter.KeyAfter).Without(filter.KeySource).Match(filter.Subject{EntityType: entityType, CallbackType: callbackType}) {
		return ""
	}
	return eventQuery{Text: text}.url()
}

// sources compares them, the busiest first, and leaves none out that is enabled: that nothing comes is worth knowing.
func (v *overviewView) sources(t *store.VolumeTotals, sources []*store.Source, from time.Time) {
	if v.Source != nil {
		return
	}
	counts := map[int64]store.SourceCount{}
	for _, c := range t.Sources {
		counts[c.SourceID] = c
	}
	slices.SortStableFunc(sources, func(a, b *store.Source) int {
		return -cmp.Compare(counts[a.ID].VerdictCounts.Events(), counts[b.ID].VerdictCounts.Events())
	})
	for _, s := range sources {
		c := counts[s.ID]
		row := sourceRow{
			Name: s.Name, URL: overviewQuery{s.Slug, v.Query.Range}.url(), State: newSourceView(s, "", v.Now).State,
			EventsURL: eventQuery{Text: filter.TermText(string(filter.KeySource), s.Slug) + " after:" + filterTime(from)}.url(),
			Events:    v.habits.grouped(c.Events()), Late: v.habits.grouped(c.Late), Rejected: v.habits.grouped(c.Rejected), Trend: partsTrend(c.Parts),
		}
		if c.Events() > 0 {
			row.Rate = v.habits.rateWords(c.Events(), v.Now.Sub(from))
		}
		v.Rows = append(v.Rows, row)
	}
}

// waitsLong is from when on an open delivery is worth a look.
const waitsLong = 15 * time.Minute

func (v *overviewView) backlogs(list []store.Backlog) {
	for _, b := range list {
		row := backlogRow{Name: b.Destination, URL: "/destinations/" + b.Destination, Oldest: newTime(b.Oldest, v.Now)}
		open := b.Deliveries[store.DeliveryPending] + b.Deliveries[store.DeliverySending] + b.Deliveries[store.DeliveryWaiting]
		exhausted := b.Deliveries[store.DeliveryExhausted]
		more := ""
		if open+exhausted >= store.MostBacklog {
			more = "+"
		}
		row.Open, row.Exhausted = v.habits.grouped(int64(open))+more, v.habits.grouped(int64(exhausted))+more
		row.Late = !b.Oldest.IsZero() && v.Now.Sub(b.Oldest) > waitsLong
		switch {
		case b.State != store.DestinationActive:
			row.State = mood{toneWarn, "dash", string(b.State)}
		case exhausted > 0:
			row.State = mood{toneBad, "cross", "given up on some"}
		case row.Late:
			row.State = mood{toneWarn, "clock", "waiting"}
		case open > 0:
			row.State = mood{toneInfo, "dots", "under way"}
		default:
			row.State = mood{toneGood, "check", "all delivered"}
		}
		v.Backlogs = append(v.Backlogs, row)
	}
}
