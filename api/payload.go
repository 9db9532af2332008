package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
)

// hidden stands in the place of a value that lets somebody in.
const hidden = "(hidden)"

// carried is what a callback, or an answer of a destination, carried, as it may leave.
type carried struct {
	Headers http.Header
	Body    []byte
}

// release is the one place that values of payloads leave through: bodies and headers of events, and what destinations were sent
// and answered. own are the names of headers that a source asks for.
func (s *server) release(_ context.Context, _ *store.Event, header http.Header, body []byte, own ...string) (carried, error) {
	out := carried{Headers: http.Header{}, Body: body}
	for name, values := range header {
		if plenigo.SensitiveHeader(name) || slices.ContainsFunc(own, func(n string) bool { return strings.EqualFold(n, name) }) {
			hide := make([]string, len(values))
			for i := range hide {
				hide[i] = hidden
			}
			values = hide
		}
		out.Headers[name] = values
	}
	return out, nil
}

// ownHeaders are the names of the headers that a source asks for, whose values let somebody in.
func (s *server) ownHeaders(ctx context.Context, sourceID int64) ([]string, error) {
	source, err := s.DB.FindSourceByID(ctx, sourceID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range source.Headers {
		names = append(names, h.Name)
	}
	return names, nil
}

// payloadJSON is what an event carried.
type payloadJSON struct {
	ID      uuid.UUID   `json:"id" format:"uuid"`
	Headers http.Header `json:"headers" doc:"Values that let somebody in are hidden."`
	Kept    bool        `json:"kept" doc:"false: the body was larger than the limit, and was not kept."`
	IsJSON  bool        `json:"is_json"`
	Body    string      `json:"body" doc:"As text, with the order of its keys and its numbers as they were sent; what is no UTF-8 is replaced."`
}

func (s *server) payloadOperations() {
	add(s, operation{id: "event-payload", method: http.MethodGet, path: "/events/{id}/payload", need: store.RightPayloads, summary: "Show an event's headers and body", fails: []int{404, 410}}, s.eventPayload)
	add(s, operation{id: "event-raw", method: http.MethodGet, path: "/events/{id}/raw", need: store.RightPayloads, summary: "Get an event's body, byte for byte", fails: []int{404, 410}}, s.eventRaw)
	add(s, operation{id: "event-attempts", method: http.MethodGet, path: "/events/{id}/deliveries/{delivery}/attempts", need: store.RightPayloads,
		summary: "List a delivery's attempts, with what was sent and answered", fails: []int{404}}, s.eventAttempts)
}

func (s *server) eventPayload(ctx context.Context, in *EventPath) (*body[payloadJSON], error) {
	e, out, err := s.payloadOf(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	return answer(payloadJSON{e.ID, out.Headers, len(e.Body) > 0 || e.Size == 0, e.Envelope.IsJSON, strings.ToValidUTF8(string(out.Body), "�")})
}

func (s *server) payloadOf(ctx context.Context, id uuid.UUID) (*store.Event, carried, error) {
	e, err := s.findEvent(ctx, id)
	if err != nil {
		return nil, carried{}, err
	}
	own, err := s.ownHeaders(ctx, e.SourceID)
	if err != nil {
		return nil, carried{}, err
	}
	out, err := s.release(ctx, e, e.Header, e.Body, own...)
	return e, out, err
}

type rawOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (s *server) eventRaw(ctx context.Context, in *EventPath) (*rawOutput, error) {
	e, out, err := s.payloadOf(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	if len(e.Body) == 0 && e.Size > 0 {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-kept", Detail: "The body was larger than the limit, so it was not kept."}
	}
	return &rawOutput{"application/octet-stream", `attachment; filename="` + e.ID.String() + `.body"`, out.Body}, nil
}

type attemptsInput struct {
	EventPath
	Delivery string `path:"delivery" format:"uuid"`
}

type attemptDetail struct {
	AttemptJSON
	RequestHeaders  http.Header `json:"request_headers" doc:"Values of secret ones are left out."`
	ResponseHeaders http.Header `json:"response_headers"`
	ResponseBody    string      `json:"response_body"`
	Truncated       bool        `json:"truncated" doc:"The rest of the answer was not kept."`
}

type attemptList struct {
	Attempts []attemptDetail `json:"attempts"`
}

func (s *server) eventAttempts(ctx context.Context, in *attemptsInput) (*body[attemptList], error) {
	id := uuid.MustParse(in.Delivery)
	found, err := s.DB.ListDeliveries(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(found, func(d *store.Delivery) bool { return d.ID == id })
	if i < 0 {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: "The event has no such delivery; " + Prefix + "/events/" + in.ID + "/deliveries lists those it has."}
	}
	list := attemptList{Attempts: []attemptDetail{}}
	for j := range found[i].History {
		a := &found[i].History[j]
		sent, err := s.release(ctx, nil, a.RequestHeader, nil)
		if err != nil {
			return nil, err
		}
		got, err := s.release(ctx, nil, a.ResponseHeader, a.ResponseBody)
		if err != nil {
			return nil, err
		}
		list.Attempts = append(list.Attempts, attemptDetail{newAttemptJSON(a), sent.Headers, got.Headers, strings.ToValidUTF8(string(got.Body), "�"), a.ResponseTruncated})
	}
	return answer(list)
}
