package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"recall/filter"
	"recall/mask"
	"recall/store"
)

const (
	knownFresh  = time.Minute     // what is known of the data is looked up anew after that
	knownTime   = 5 * time.Second // it may take
	knownSample = 60              // newest events that paths and values are taken from
	knownBody   = 64 << 10        // bytes; larger bodies are not looked into
	knownPaths  = 300
	knownValues = 8  // of a path: one with more is no choice of a few
	knownLength = 40 // bytes of a value
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

// findKnown takes sources and destinations from the settings, types from what plenigo is known to send, and paths, headers
// and values of few choices from the newest events. What is hidden is never suggested.
func (s *server) findKnown(ctx context.Context, rules *mask.Rules) (filter.Known, error) {
	values := filter.Known{filter.KeyType: typeChoices()}
	add := func(key filter.Key, value string, most int) {
		if value != "" && len(value) <= knownLength && utf8.ValidString(value) && len(values[key]) < most && !slices.Contains(values[key], value) {
			values[key] = append(values[key], value)
		}
	}
	sources, err := s.DB.ListSources(ctx)
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		add(filter.KeySource, source.Slug, 100)
	}
	destinations, err := s.DB.ListDestinations(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range destinations {
		add(filter.KeyDelivery, d.Name, 100)
	}
	newest, err := s.DB.ListEvents(ctx, store.EventQuery{Limit: knownSample})
	if err != nil {
		return nil, err
	}
	choices := map[string][]string{}
	for _, one := range newest.Events {
		if one.EntityType != "" {
			add(filter.KeyType, strings.ToLower(one.EntityType+"."+one.CallbackType), 300)
		}
		add(filter.KeyVersion, one.APIVersion, 20)
		add(filter.KeyReason, string(one.Reason), 30)
		for _, id := range one.Customers {
			add(filter.KeyCustomer, id, 20)
		}
		if one.Size > knownBody {
			continue
		}
		e, err := s.DB.FindEvent(ctx, one.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for name := range e.Header {
			add(filter.KeyHeader, strings.ToLower(name), 60)
		}
		plain, _ := unpacked(e, s.MaxBody)
		body, _ := rules.Body(plain, mask.Reveal{})
		for scalar := range filter.Scalars(body) {
			add(filter.KeyPayload, scalar.Path, knownPaths)
			list, seen := choices[scalar.Path], scalar.Text
			if !strings.HasPrefix(seen, mask.Cover) && len(choices) < knownPaths && len(list) <= knownValues && len(seen) <= knownLength && !slices.Contains(list, seen) {
				choices[scalar.Path] = append(list, seen)
			}
		}
	}
	for path, list := range choices {
		if len(list) > knownValues || len(path) > 100 {
			continue
		}
		for _, value := range list {
			add(filter.Key(path), value, knownValues)
		}
	}
	for _, list := range values {
		slices.Sort(list)
	}
	return values, nil
}
