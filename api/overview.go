package api

import (
	"context"
	"net/http"
	"time"

	"recall/store"
)

// CountsJSON is events by verdict.
type CountsJSON struct {
	Events   int64 `json:"events"`
	Verified int64 `json:"verified"`
	Late     int64 `json:"late"`
	Rejected int64 `json:"rejected"`
}

func newCountsJSON(c store.VerdictCounts) CountsJSON {
	return CountsJSON{c.Events(), c.Verified, c.Late, c.Rejected}
}

type typeCountJSON struct {
	EntityType   string `json:"entity_type"`
	CallbackType string `json:"callback_type"`
	CountsJSON
}

type sourceCountJSON struct {
	Source string `json:"source"`
	CountsJSON
}

type answerCountJSON struct {
	Status int   `json:"status"`
	Kept   int64 `json:"kept" doc:"Requests that became events."`
	Lost   int64 `json:"lost" doc:"Requests that became none; of whole hours."`
}

type backlogJSON struct {
	Destination string                      `json:"destination"`
	State       store.DestinationState      `json:"state" enum:"active,paused,broken"`
	Deliveries  map[store.DeliveryState]int `json:"deliveries" doc:"By state; at most 10,000 of each are counted."`
	Oldest      *time.Time                  `json:"oldest" doc:"When the oldest that waits was made."`
}

type overviewJSON struct {
	From time.Time `json:"from"`
	CountsJSON
	Before       *int64            `json:"before" doc:"Events in the same time before it; null: it was not counted so far back."`
	CountedAt    *time.Time        `json:"counted_at" doc:"How recent the counts are; null: nothing was ever counted."`
	Types        []typeCountJSON   `json:"types" doc:"The most frequent first, at most 50."`
	Sources      []sourceCountJSON `json:"sources"`
	Answers      []answerCountJSON `json:"answers"`
	P50Millis    *int64            `json:"p50_ms" doc:"How long half of the answers took at most; null: not known."`
	P95Millis    *int64            `json:"p95_ms"`
	OpenFailures int               `json:"open_failures" doc:"Groups; 100 at most are counted."`
	Destinations []backlogJSON     `json:"destinations"`
}

var overviewRanges = map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour}

func (s *server) overviewOperations() {
	add(s, operation{id: "overview-show", method: http.MethodGet, path: "/overview", need: store.RightMetadata, summary: "Count what came of late, and what waits", fails: []int{404}}, s.overview)
}

func (s *server) overview(ctx context.Context, in *struct {
	Range  string `query:"range" enum:"hour,day,week,month" default:"day" doc:"Up to now."`
	Source string `query:"source" maxLength:"63" doc:"Slug; all where it is left out."`
}) (*body[overviewJSON], error) {
	length := overviewRanges[in.Range]
	round := time.Minute
	if length > 24*time.Hour {
		round = time.Hour
	}
	q := store.TotalsQuery{From: s.Now().UTC().Add(-length).Truncate(round), Length: length, Types: 50}
	if in.Source != "" {
		source, err := s.DB.FindSource(ctx, in.Source)
		if err != nil {
			return nil, err
		}
		q.Source = source.ID
	}
	totals, err := s.DB.VolumeTotals(ctx, q)
	if err != nil {
		return nil, err
	}
	slug, err := s.slugs(ctx)
	if err != nil {
		return nil, err
	}
	v := overviewJSON{
		From: q.From, CountsJSON: newCountsJSON(totals.VerdictCounts), CountedAt: orNull(totals.CountedAt),
		Types: []typeCountJSON{}, Sources: []sourceCountJSON{}, Answers: []answerCountJSON{}, Destinations: []backlogJSON{},
	}
	if totals.Before >= 0 {
		v.Before = &totals.Before
	}
	if totals.Latency.Answers > 0 {
		v.P50Millis, v.P95Millis = new(totals.Latency.P50.Milliseconds()), new(totals.Latency.P95.Milliseconds())
	}
	for _, t := range totals.Types {
		v.Types = append(v.Types, typeCountJSON{t.EntityType, t.CallbackType, newCountsJSON(t.VerdictCounts)})
	}
	for _, c := range totals.Sources {
		v.Sources = append(v.Sources, sourceCountJSON{*slug(c.SourceID), newCountsJSON(c.VerdictCounts)})
	}
	for _, a := range totals.Answers {
		v.Answers = append(v.Answers, answerCountJSON{a.Status, a.Kept, a.Lost})
	}
	if v.OpenFailures, err = s.DB.CountOpenFailures(ctx); err != nil {
		return nil, err
	}
	backlogs, err := s.DB.ListBacklogs(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backlogs {
		v.Destinations = append(v.Destinations, backlogJSON{b.Destination, b.State, b.Deliveries, orNull(b.Oldest)})
	}
	return answer(v)
}
