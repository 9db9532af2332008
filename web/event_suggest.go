package web

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"recall/filter"
	"recall/mask"
)

const (
	knownFresh = time.Minute     // what is known of the data is looked up anew after that
	knownTime  = 5 * time.Second // it may take
)

// known keeps the values that are suggested.
type known struct {
	mu     sync.Mutex
	at     time.Time
	own    []mask.Rule // that were set when they were looked up
	values filter.Known
}

// suggestion is a filter.Suggestion as search.js reads it.
type suggestion struct {
	Insert string `json:"insert"`
	From   int    `json:"from"` // bytes
	To     int    `json:"to"`
	Words  string `json:"words,omitempty"`
	More   bool   `json:"more,omitempty"`
}

// eventSuggest offers what can stand at the cursor of the search box.
func (s *server) eventSuggest(w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("q")
	at, err := strconv.Atoi(r.URL.Query().Get("at"))
	if err != nil || at < 0 || at > len(text) || len(text) > filter.MaxText || !utf8.ValidString(text) {
		return mistake("Ask with q, a filter of at most " + strconv.Itoa(filter.MaxText) + " bytes, and at, a place in it.")
	}
	list := []suggestion{}
	for _, one := range filter.Suggest(text, at, s.knownValues(r)) {
		list = append(list, suggestion{one.Insert, one.From, one.To, one.Words, one.More})
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(list)
}

// knownValues are those of a minute ago at most. When they cannot be read, keys and fixed values are still suggested.
func (s *server) knownValues(r *http.Request) filter.Known {
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	rules, err := s.DB.MaskRules(r.Context())
	if err != nil {
		s.Log.Debug("looking for values to suggest", "error", err)
		return filter.Known{filter.KeyType: typeChoices()} // nothing of the data where it is not known what is hidden
	}
	same := slices.Equal(rules.Own(), s.known.own)
	if age := s.Now().Sub(s.known.at); age >= 0 && age < knownFresh && same {
		return s.known.values
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), knownTime)
	defer cancel()
	values, err := s.findKnown(ctx, rules)
	if err != nil {
		s.Log.Debug("looking for values to suggest", "error", err)
		if values = s.known.values; !same {
			values = filter.Known{filter.KeyType: typeChoices()}
		}
	}
	s.known.at, s.known.own, s.known.values = s.Now(), rules.Own(), values
	return values
}

// findKnown adds what plenigo is known to send to what the events hold.
func (s *server) findKnown(ctx context.Context, rules *mask.Rules) (filter.Known, error) {
	values, err := s.DB.KnownValues(ctx, rules)
	if err != nil {
		return nil, err
	}
	for _, kind := range typeChoices() {
		if !slices.Contains(values[filter.KeyType], kind) {
			values[filter.KeyType] = append(values[filter.KeyType], kind)
		}
	}
	for _, list := range values {
		slices.Sort(list)
	}
	return values, nil
}
