package web

import (
	"fmt"
	"net/http"
	"time"

	"recall/mask"
	"recall/store"
)

// deliveryView is one delivery with its attempts, the newest first.
type deliveryView struct {
	ID          string
	Destination link
	State       mood
	Trigger     string
	Replay      link // that it is of; zero: none
	Reason      string
	Created     timeView
	Next        timeView // zero: no further attempt is planned
	Waits       string   // for its destination, though it is due; "": it does not
	Finished    bool
	Attempts    []attemptView
}

type attemptView struct {
	ID         string // of the element, so that what is open stays open
	Number     int
	Open       bool
	At         timeView
	Result     mood
	Took       string
	Error      string
	URL        string
	Request    []headerView
	Response   []headerView
	Body       []piece
	Truncated  bool
	BodyHidden bool
	Removed    string // when retention took the answer away; "": it did not
}

func (v *eventView) setDeliveries(deliveries []*store.Delivery, rules *mask.Rules, reveal mask.Reveal) {
	for _, d := range deliveries {
		v.Deliveries = append(v.Deliveries, newDeliveryView(d, v.Now, rules, reveal))
		switch d.State {
		case store.DeliveryPending, store.DeliverySending:
			v.Poll = "every 2s"
		case store.DeliveryWaiting:
			if v.Poll == "" {
				v.Poll = "every 10s"
			}
		}
	}
}

// overdueAfter is when a delivery that is due and not sent waits for its destination, and not just for its turn.
const overdueAfter = 10 * time.Second

func newDeliveryView(d *store.Delivery, now time.Time, rules *mask.Rules, reveal mask.Reveal) deliveryView {
	v := deliveryView{
		ID:          "delivery-" + d.ID.String(),
		Destination: link{d.Destination, "/destinations/" + d.Destination},
		State:       deliveryMood(d.State),
		Trigger:     triggerWords(d.Trigger, d.RequestedBy),
		Reason:      d.Reason,
		Created:     newTime(d.CreatedAt, now),
		Finished:    !d.FinishedAt.IsZero(),
	}
	if d.ReplayID != 0 {
		v.Replay = link{fmt.Sprint("replay ", d.ReplayID), replayURL(d.ReplayID)}
	}
	switch {
	case !d.FinishedAt.IsZero() || d.State == store.DeliverySending:
	case !d.NextAttemptAt.IsZero() && now.Sub(d.NextAttemptAt) > overdueAfter:
		v.Waits = "due, and waits until its destination can be sent to"
	case d.State == store.DeliveryWaiting:
		v.Next = newTime(d.NextAttemptAt, now)
	}
	for i := len(d.History) - 1; i >= 0; i-- {
		v.Attempts = append(v.Attempts, newAttemptView(v.ID, &d.History[i], d.State, rules, reveal))
	}
	return v
}

// shownResponse bounds what a page shows of a destination's answer.
const shownResponse = 4 << 10

// newAttemptView shows an attempt. What a destination answered is free text of another system, which may repeat what was sent
// to it or say more of the same person: it is hidden like what is personal in a body.
func newAttemptView(delivery string, a *store.Attempt, state store.DeliveryState, rules *mask.Rules, reveal mask.Reveal) attemptView {
	v := attemptView{
		ID:       fmt.Sprintf("%s-%d", delivery, a.Number),
		Number:   a.Number,
		At:       newTime(a.StartedAt, a.StartedAt),
		Error:    a.Error,
		URL:      a.RequestURL,
		Request:  headerViews(a.RequestHeader, sentHeader, reveal),
		Response: headerViews(a.ResponseHeader, rules.Header, reveal),
	}
	switch {
	case a.Duration < 0 && state == store.DeliverySending:
		v.Result = mood{toneInfo, "send", "under way"}
	case a.Duration < 0:
		v.Result = mood{toneIdle, "dash", "never ended: Recall was stopped meanwhile"}
	case a.Status == 0:
		v.Result = mood{toneBad, "cross", "no answer"}
	case a.Status >= 200 && a.Status < 300:
		v.Result = mood{toneGood, "check", statusWords(a.Status)}
	default:
		v.Result = mood{toneBad, "cross", statusWords(a.Status)}
	}
	if a.Duration >= 0 {
		v.Took = span(a.Duration)
	}
	if !a.AnswerRemovedAt.IsZero() {
		v.Removed = exact(a.AnswerRemovedAt)
	}
	if !reveal.Personal {
		v.BodyHidden = len(a.ResponseBody) > 0
		return v
	}
	body := string(a.ResponseBody)
	v.Truncated = a.ResponseTruncated
	if len(body) > shownResponse {
		body, v.Truncated = shorten(body, shownResponse), true
	}
	v.Body = textPieces(body)
	return v
}

// statusWords is a code with its usual name, such as "503 Service Unavailable".
func statusWords(code int) string {
	if name := http.StatusText(code); name != "" {
		return fmt.Sprintf("%d %s", code, name)
	}
	return fmt.Sprint(code)
}
