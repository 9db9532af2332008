package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/mask"
	"recall/plenigo"
	"recall/store"
)

// RevealQuery asks for what masking hides.
type RevealQuery struct {
	Reveal  bool   `query:"reveal" doc:"Show what is personal; needs the right reveal and a reason, and stands in the audit list."`
	Secrets bool   `query:"secrets" doc:"With reveal: show what is secret too, such as voucher codes."`
	Reason  string `query:"reason" maxLength:"500" doc:"With reveal: why, for the audit list."`
}

// show is what may be shown of an event that is asked for. It is noted before anything is.
func (s *server) show(ctx context.Context, event uuid.UUID, in RevealQuery) (mask.Reveal, error) {
	if !in.Reveal {
		if in.Secrets {
			return mask.Reveal{}, wrong("query.secrets", "secrets goes with reveal=true")
		}
		return mask.Reveal{}, s.DB.NoteView(ctx, s.note(ctx, "event.view", event.String(), "", nil))
	}
	if p := allow(ctx, store.RightReveal); p != nil {
		return mask.Reveal{}, p
	}
	if strings.TrimSpace(in.Reason) == "" {
		return mask.Reveal{}, wrong("query.reason", "to show what is hidden takes a reason")
	}
	note := s.note(ctx, store.RevealEvent.ActionReveal(), event.String(), in.Reason, map[string]any{"secrets": in.Secrets})
	return mask.Reveal{Personal: true, Secrets: in.Secrets}, s.DB.AddAudit(ctx, note)
}

// carried is what a callback, or an answer of a destination, carried, as it may leave.
type carried struct {
	Headers http.Header
	Body    []byte
	Masked  bool // something of the body is hidden
	Whole   bool // all of it is
}

// release is the one place that values of payloads leave through: bodies and headers of events, and what destinations were sent
// and answered. own are the names of headers that a source asks for: like credentials they are never shown.
func (s *server) release(ctx context.Context, show mask.Reveal, header http.Header, body []byte, own ...string) (carried, error) {
	rules, err := s.DB.MaskRules(ctx)
	if err != nil {
		return carried{}, err
	}
	out := carried{Headers: http.Header{}}
	for name, values := range rules.Headers(header, show) {
		if plenigo.SensitiveHeader(name) || slices.ContainsFunc(own, func(n string) bool { return strings.EqualFold(n, name) }) {
			values = rules.Headers(http.Header{name: values}, mask.Reveal{})[name]
			for i, value := range values {
				if mask.AuthScheme(name, value) == "" {
					values[i] = mask.Cover
				}
			}
		}
		out.Headers[name] = values
	}
	shown, found := rules.Body(body, show)
	out.Body, out.Masked, out.Whole = shown, found.Hides(show), found.Whole && !show.Personal
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
	Headers http.Header `json:"headers" doc:"Values that are hidden are covered; those that let somebody in always are."`
	Kept    bool        `json:"kept" doc:"false: the body was larger than the limit, and was not kept."`
	IsJSON  bool        `json:"is_json"`
	Masked  bool        `json:"masked" doc:"Something of the body is hidden; reveal=true shows it to who may see it."`
	Body    string      `json:"body" doc:"As text, with the order of its keys and its numbers as they were sent; what is no UTF-8 is replaced."`
}

func (s *server) payloadOperations() {
	add(s, operation{id: "event-payload", method: http.MethodGet, path: "/events/{id}/payload", need: store.RightPayloads, summary: "Show an event's headers and body", fails: []int{404, 410}}, s.eventPayload)
	add(s, operation{id: "event-raw", method: http.MethodGet, path: "/events/{id}/raw", need: store.RightPayloads, summary: "Get an event's body, byte for byte", more: "What is personal is covered, and Recall-Masked says so; reveal=true gives the bytes that came.", fails: []int{404, 410}}, s.eventRaw)
	add(s, operation{id: "event-attempts", method: http.MethodGet, path: "/events/{id}/deliveries/{delivery}/attempts", need: store.RightPayloads,
		summary: "List a delivery's attempts, with what was sent and answered", fails: []int{404}}, s.eventAttempts)
}

type payloadInput struct {
	EventPath
	RevealQuery
}

func (s *server) eventPayload(ctx context.Context, in *payloadInput) (*body[payloadJSON], error) {
	e, out, err := s.payloadOf(ctx, in)
	if err != nil {
		return nil, err
	}
	return answer(payloadJSON{e.ID, out.Headers, len(e.Body) > 0 || e.Size == 0, e.Envelope.IsJSON, out.Masked, strings.ToValidUTF8(string(out.Body), "�")})
}

func (s *server) payloadOf(ctx context.Context, in *payloadInput) (*store.Event, carried, error) {
	e, err := s.findEvent(ctx, in.parse())
	if err != nil {
		return nil, carried{}, err
	}
	own, err := s.ownHeaders(ctx, e.SourceID)
	if err != nil {
		return nil, carried{}, err
	}
	show, err := s.show(ctx, e.ID, in.RevealQuery)
	if err != nil {
		return nil, carried{}, err
	}
	out, err := s.release(ctx, show, e.Header, e.Body, own...)
	return e, out, err
}

type rawOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Masked      bool   `header:"Recall-Masked" doc:"Values of the body are covered: it is not what came byte for byte."`
	Body        []byte
}

func (s *server) eventRaw(ctx context.Context, in *payloadInput) (*rawOutput, error) {
	e, out, err := s.payloadOf(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(e.Body) == 0 && e.Size > 0 {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-kept", Detail: "The body was larger than the limit, so it was not kept."}
	}
	if out.Whole {
		return nil, &Problem{Status: http.StatusForbidden, Type: "masked", Detail: "The body is no JSON, so nothing tells what in it is personal, and all of it is hidden. reveal=true with a reason shows it to who may see it."}
	}
	return &rawOutput{"application/octet-stream", `attachment; filename="` + e.ID.String() + `.body"`, out.Masked, out.Body}, nil
}

type attemptsInput struct {
	EventPath
	RevealQuery
	Delivery string `path:"delivery" format:"uuid"`
}

type attemptDetail struct {
	AttemptJSON
	RequestHeaders  http.Header `json:"request_headers" doc:"Values of secret ones are left out."`
	ResponseHeaders http.Header `json:"response_headers"`
	ResponseBody    string      `json:"response_body"`
	Truncated       bool        `json:"truncated" doc:"The rest of the answer was not kept."`
	AnswerRemovedAt *time.Time  `json:"answer_removed_at" doc:"When retention took the answer's headers and body away; null: it did not."`
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
	show, err := s.show(ctx, in.parse(), in.RevealQuery)
	if err != nil {
		return nil, err
	}
	list := attemptList{Attempts: []attemptDetail{}}
	for j := range found[i].History {
		a := &found[i].History[j]
		sent, err := s.release(ctx, show, a.RequestHeader, nil)
		if err != nil {
			return nil, err
		}
		got, err := s.release(ctx, show, a.ResponseHeader, a.ResponseBody)
		if err != nil {
			return nil, err
		}
		list.Attempts = append(list.Attempts, attemptDetail{newAttemptJSON(a), sent.Headers, got.Headers, strings.ToValidUTF8(string(got.Body), "�"), a.ResponseTruncated, orNull(a.AnswerRemovedAt)})
	}
	return answer(list)
}
