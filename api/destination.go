package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

type NamePath struct {
	Name string `path:"name" maxLength:"63" example:"crm"`
}

// DestinationSettings are those of a destination; what is left out stays as it is, or is the default.
type DestinationSettings struct {
	URL            *string           `json:"url,omitempty" minLength:"1" maxLength:"2048" doc:"Where to send. Private addresses are refused when sending, unless RECALL_EGRESS_ALLOW names them."`
	Method         *string           `json:"method,omitempty" enum:"POST,PUT,PATCH"`
	Match          *string           `json:"match,omitempty" maxLength:"4096" doc:"Send arriving events that fulfil this filter; an empty one sends every accepted event."`
	Signing        *string           `json:"signing,omitempty" enum:"plenigo,standard-webhooks,none"`
	Secret         *string           `json:"secret,omitempty" minLength:"1" maxLength:"1024" writeOnly:"true" doc:"A signing secret of the destination's own. It signs beside the old one until the overlap is over."`
	PassSignature  *bool             `json:"pass_signature,omitempty" doc:"Send the signature along that the event came with."`
	TimeoutSeconds *float64          `json:"timeout_seconds,omitempty" minimum:"0" maximum:"3600"`
	RetrySeconds   *[]int64          `json:"retry_seconds,omitempty" maxItems:"50" doc:"How long to wait before each retry; an empty list for none."`
	MaxRate        *float64          `json:"max_rate,omitempty" minimum:"0" doc:"Attempts a second over all instances; 0: no limit."`
	MaxConcurrency *int              `json:"max_concurrency,omitempty" minimum:"0" doc:"Attempts at the same time over all instances; 0: no limit of its own."`
	Order          *string           `json:"order,omitempty" enum:"any,entity"`
	Headers        []headerInput     `json:"headers,omitempty" maxItems:"20" doc:"Secret headers to send along; each is added, or takes the place of the one of its name."`
	ClearHeaders   map[string]string `json:"clear_headers,omitempty" doc:"Likewise headers that are no secret, and are shown."`
}

// apply makes a destination as the settings say.
func (in *DestinationSettings) apply(d *store.Destination, overlap time.Duration, now time.Time) error {
	give(&d.URL, in.URL)
	give(&d.Method, in.Method)
	give(&d.PassSignature, in.PassSignature)
	give(&d.MaxRate, in.MaxRate)
	give(&d.MaxConcurrency, in.MaxConcurrency)
	if in.Match != nil {
		if _, err := filter.ParseRule(*in.Match, now); err != nil {
			return wrong("body.match", err.Error())
		}
		d.Match = new(strings.TrimSpace(*in.Match))
	}
	if in.Signing != nil {
		d.Signing = store.Signing(*in.Signing)
	}
	if in.Order != nil {
		d.Ordering = store.Ordering(*in.Order)
	}
	if in.TimeoutSeconds != nil {
		d.Timeout = time.Duration(*in.TimeoutSeconds * float64(time.Second)).Round(time.Millisecond)
	}
	if in.RetrySeconds != nil {
		d.RetrySchedule = []time.Duration{}
		for _, n := range *in.RetrySeconds {
			d.RetrySchedule = append(d.RetrySchedule, *seconds(&n))
		}
	}
	for name, value := range in.ClearHeaders {
		d.SetHeader(verify.Header{Name: name, Value: value}, false)
	}
	for _, h := range in.Headers {
		d.SetHeader(verify.Header{Name: h.Name, Value: h.Value}, true)
	}
	switch {
	case d.Signing == store.SigningNone && in.Secret != nil:
		return wrong("body.secret", "a signing secret signs nothing where the signing is none")
	case d.Signing == store.SigningNone:
		d.Secrets = nil
	case in.Secret != nil && slices.ContainsFunc(d.Secrets, func(s store.SigningSecret) bool { return s.Key == *in.Secret }):
		return wrong("body.secret", "it is a signing secret that the destination has already")
	case in.Secret != nil:
		d.Rotate(*in.Secret, overlap, now)
	case d.Signing == store.SigningStandardWebhooks && len(d.Secrets) == 0:
		return wrong("body.secret", "standard-webhooks needs a signing secret: whsec_ and base64 of 24 to 64 random bytes; none is made here, since secrets are never given back")
	}
	return nil
}

// give changes a setting where a value was given.
func give[T any](setting, value *T) {
	if value != nil {
		*setting = *value
	}
}

type destinationList struct {
	Destinations []store.DestinationJSON `json:"destinations"`
}

func (s *server) destinationOperations() {
	const one = "/destinations/{name}"
	add(s, operation{id: "destination-list", method: http.MethodGet, path: "/destinations", need: store.RightMetadata, summary: "List the destinations, with what waits for them"}, s.destinationList)
	add(s, operation{id: "destination-add", method: http.MethodPost, path: "/destinations", need: store.RightSettings, status: http.StatusCreated, summary: "Add a destination",
		more: "Without match events are only sent by hand.", fails: []int{409}}, s.destinationAdd)
	add(s, operation{id: "destination-show", method: http.MethodGet, path: one, need: store.RightMetadata, summary: "Show a destination; secrets stay hidden", fails: []int{404}}, s.destinationShow)
	add(s, operation{id: "destination-set", method: http.MethodPatch, path: one, need: store.RightSettings, summary: "Change a destination's settings; what is not named stays as it is", fails: []int{404, 409}}, s.destinationSet)
	add(s, operation{id: "destination-rotate", method: http.MethodPost, path: one + "/rotate", need: store.RightSettings, summary: "Give a destination a new signing secret; the old one signs beside it for a while", fails: []int{404, 409}}, s.destinationRotate)
	add(s, operation{id: "destination-pause", method: http.MethodPost, path: one + "/pause", need: store.RightSettings, summary: "Send nothing to a destination for now; deliveries wait", fails: []int{404}}, s.destinationState(store.DestinationPaused, "destination.pause"))
	add(s, operation{id: "destination-resume", method: http.MethodPost, path: one + "/resume", need: store.RightSettings, summary: "Send to a paused or broken destination again", fails: []int{404}}, s.destinationState(store.DestinationActive, "destination.resume"))
	add(s, operation{id: "destination-test", method: http.MethodPost, path: one + "/test", need: store.RightRedispatch, summary: "Send a test request to a destination now", fails: []int{404, 409}}, s.destinationTest)
	add(s, operation{id: "destination-remove", method: http.MethodDelete, path: one, need: store.RightSettings, status: http.StatusNoContent, summary: "Remove a destination; what was sent to it stays on record", fails: []int{404}}, s.destinationRemove)
}

func (s *server) destinationList(ctx context.Context, _ *none) (*body[destinationList], error) {
	found, err := s.DB.ListDestinations(ctx)
	if err != nil {
		return nil, err
	}
	open, err := s.DB.CountOpen(ctx)
	list := destinationList{Destinations: []store.DestinationJSON{}}
	for _, d := range found {
		list.Destinations = append(list.Destinations, d.JSON(open[d.Name]))
	}
	return &body[destinationList]{list}, err
}

func (s *server) answerDestination(ctx context.Context, d *store.Destination) (*body[store.DestinationJSON], error) {
	open, err := s.DB.CountOpen(ctx)
	if err != nil {
		return nil, err
	}
	return answer(d.JSON(open[d.Name]))
}

func (s *server) destinationShow(ctx context.Context, in *NamePath) (*body[store.DestinationJSON], error) {
	d, err := s.findDestination(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return s.answerDestination(ctx, d)
}

func (s *server) destinationAdd(ctx context.Context, in *struct {
	Body struct {
		DestinationSettings
		Name string `json:"name" minLength:"1" maxLength:"63" example:"crm" doc:"Lower-case letters, digits and hyphens."`
	}
}) (*body[store.DestinationJSON], error) {
	if in.Body.URL == nil {
		return nil, wrong("body.url", "url is missing: where to send")
	}
	now := s.Now()
	d := &store.Destination{
		Name: in.Body.Name, Method: http.MethodPost, Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout, RetrySchedule: store.DefaultRetrySchedule(),
		Ordering: store.OrderAny, State: store.DestinationActive,
	}
	if err := in.Body.apply(d, 0, now); err != nil {
		return nil, err
	}
	if err := d.Validate(now); err != nil {
		return nil, wrong("body", err.Error())
	}
	if err := s.DB.CreateDestination(ctx, d, s.note(ctx, "destination.add", d.Name, "", store.DestinationChanges(nil, d))); err != nil {
		return nil, err
	}
	return answer(d.JSON(store.OpenCount{}))
}

// defaultOverlap is how long an old signing secret signs beside a new one.
const defaultOverlap = 24 * time.Hour

func overlapOf(n *int64) time.Duration {
	if n == nil {
		return defaultOverlap
	}
	return *seconds(n)
}

// changeDestination changes a destination's settings, and notes what is different.
func (s *server) changeDestination(ctx context.Context, name, reason string, change func(*store.Destination) error) (*body[store.DestinationJSON], error) {
	d, err := s.findDestination(ctx, name)
	if err != nil {
		return nil, err
	}
	if d.Unreadable {
		return nil, fmt.Errorf("the destination %s %w: give the key it was sealed with, or give it up by recall destination set --drop-unreadable", name, store.ErrUnreadable)
	}
	before := *d
	before.Headers, before.ClearHeaders, before.Secrets = slices.Clone(d.Headers), slices.Clone(d.ClearHeaders), slices.Clone(d.Secrets)
	if err := change(d); err != nil {
		return nil, err
	}
	if err := d.Validate(s.Now()); err != nil {
		return nil, wrong("body", err.Error())
	}
	if changes := store.DestinationChanges(&before, d); len(changes) > 0 {
		if err := s.DB.UpdateDestination(ctx, d, s.note(ctx, "destination.set", d.Name, reason, changes)); err != nil {
			return nil, err
		}
	}
	return s.answerDestination(ctx, d)
}

func (s *server) destinationSet(ctx context.Context, in *struct {
	NamePath
	Body struct {
		DestinationSettings
		ReasonBody
		Rename         *string  `json:"rename,omitempty" minLength:"1" maxLength:"63" doc:"A new name."`
		ManualOnly     bool     `json:"manual_only,omitempty" doc:"Send events by hand only, in place of a match."`
		RemoveHeaders  []string `json:"remove_headers,omitempty" maxItems:"20" doc:"Names of headers to send along no more."`
		RemoveSecret   bool     `json:"remove_secret,omitempty" doc:"Drop its own signing secrets, at once: plenigo is then signed by the source's secret."`
		OverlapSeconds *int64   `json:"overlap_seconds,omitempty" minimum:"0" doc:"How long the old signing secret signs beside a new one; 86400 where it is left out."`
	}
}) (*body[store.DestinationJSON], error) {
	if in.Body.ManualOnly && in.Body.Match != nil {
		return nil, wrong("body.manual_only", "manual_only sends by hand only, and match what fulfils a filter; give one or the other")
	}
	if in.Body.RemoveSecret && in.Body.Secret != nil {
		return nil, wrong("body.remove_secret", "secret and remove_secret exclude each other")
	}
	return s.changeDestination(ctx, in.Name, in.Body.Reason, func(d *store.Destination) error {
		give(&d.Name, in.Body.Rename)
		for _, name := range in.Body.RemoveHeaders {
			if !d.RemoveHeader(name) {
				return wrong("body.remove_headers", fmt.Sprintf("no header %.80q is sent along", name))
			}
		}
		if in.Body.ManualOnly {
			d.Match = nil
		}
		if in.Body.RemoveSecret {
			d.Secrets = nil
		}
		return in.Body.apply(d, overlapOf(in.Body.OverlapSeconds), s.Now())
	})
}

func (s *server) destinationRotate(ctx context.Context, in *struct {
	NamePath
	Body struct {
		ReasonBody
		Secret         string `json:"secret" minLength:"1" maxLength:"1024" writeOnly:"true" doc:"The new signing secret."`
		OverlapSeconds *int64 `json:"overlap_seconds,omitempty" minimum:"0" doc:"How long the old one signs beside it; 86400 where it is left out."`
	}
}) (*body[store.DestinationJSON], error) {
	settings := DestinationSettings{Secret: &in.Body.Secret}
	return s.changeDestination(ctx, in.Name, in.Body.Reason, func(d *store.Destination) error {
		return settings.apply(d, overlapOf(in.Body.OverlapSeconds), s.Now())
	})
}

type nameReason struct {
	NamePath
	Body *ReasonBody
}

func (s *server) destinationState(state store.DestinationState, action string) func(context.Context, *nameReason) (*body[store.DestinationJSON], error) {
	return func(ctx context.Context, in *nameReason) (*body[store.DestinationJSON], error) {
		d, err := s.findDestination(ctx, in.Name)
		if err != nil {
			return nil, err
		}
		reason := in.Body.why()
		why := reason
		if state == store.DestinationActive {
			why = "" // which needs no explanation
		}
		note := s.note(ctx, action, d.Name, reason, map[string]any{"before": d.State, "after": state})
		if _, err := s.DB.SetDestinationState(ctx, d.ID, state, why, note); err != nil {
			return nil, err
		}
		return s.destinationShow(ctx, &in.NamePath)
	}
}

type trialJSON struct {
	Succeeded      bool   `json:"succeeded" doc:"A delivery would have been."`
	Status         int    `json:"status" doc:"0: no answer."`
	Error          string `json:"error"`
	DurationMillis int64  `json:"duration_ms"`
}

func (s *server) destinationTest(ctx context.Context, in *struct {
	NamePath
	Body *struct {
		Source string `json:"source,omitempty" maxLength:"63" doc:"Sign by this source's secret, where the destination has none of its own; the first with a valid one where it is left out."`
	}
}) (*body[trialJSON], error) {
	d, err := s.findDestination(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	var source *store.Source
	if in.Body != nil && in.Body.Source != "" {
		if source, err = s.DB.FindSource(ctx, in.Body.Source); err != nil {
			return nil, err
		}
	}
	trial, err := s.Trial.Try(ctx, d, source)
	if err != nil {
		return nil, &Problem{Status: http.StatusConflict, Type: "test", Detail: "The destination cannot be tested: " + err.Error() + "."}
	}
	if err := s.DB.AddAudit(ctx, s.note(ctx, "destination.test", d.Name, "", map[string]any{"status": trial.Status, "error": trial.Error})); err != nil {
		return nil, err
	}
	return answer(trialJSON{trial.Succeeded(), trial.Status, trial.Error, trial.Duration.Milliseconds()})
}

func (s *server) destinationRemove(ctx context.Context, in *struct {
	NamePath
	Reason string `query:"reason" maxLength:"500" doc:"Why, for the audit list."`
}) (*none, error) {
	if _, err := s.findDestination(ctx, in.Name); err != nil {
		return nil, err
	}
	open, err := s.DB.CountOpen(ctx)
	if err != nil {
		return nil, err
	}
	note := s.note(ctx, "destination.remove", in.Name, in.Reason, map[string]any{"waiting": open[in.Name].Waiting})
	return nil, s.DB.RemoveDestination(ctx, in.Name, note)
}
