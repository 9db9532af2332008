package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"recall/alert"
	"recall/store"
)

// TestAlertChannels: a channel is added, tried, changed and removed; what is secret of it goes in and never comes out.
func TestAlertChannels(t *testing.T) {
	t.Parallel()
	var posts atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/services/hidden-path" || r.Header.Get("X-Key") != "hidden-value" || !strings.Contains(string(text), `"text"`) {
			t.Errorf("%s %v %s", r.URL, r.Header, text)
		}
		if posts.Add(1) > 1 {
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(hook.Close)
	h := newHouse(t)
	hidden := func(a answer) answer {
		t.Helper()
		if strings.Contains(string(a.body), "hidden") {
			t.Errorf("it tells a secret: %s", a.body)
		}
		return a
	}
	h.call(t, "GET", "/alerts/channels", "").want(200, `"channels":[]`)
	for name, tt := range map[string]struct{ body, says string }{
		"nowhere":            {`{"name":"ops"}`, "either mail or webhook"},
		"mail and a webhook": {`{"name":"ops","mail":{},"webhook":{}}`, "either mail or webhook"},
		"several mistakes":   {`{"name":"Ops","mail":{"host":"smtp.example.org"}}`, `"location":"body.mail.from"`},
		"no URL":             {`{"name":"ops","webhook":{"url":"gopher://hidden"}}`, `"location":"body.webhook.url"`},
		"an unknown kind":    {`{"name":"ops","webhook":{"url":"https://example.org/"},"alerts":["weather"]}`, `"location":"body.alerts"`},
	} {
		t.Log(name)
		hidden(h.call(t, "POST", "/alerts/channels", tt.body)).want(422, tt.says)
	}
	hidden(h.call(t, "POST", "/alerts/channels", `{"name":"ops","webhook":{"url":"`+hook.URL+`/services/hidden-path","format":"slack","header_name":"X-Key","header_value":"hidden-value"},"alerts":["silence"]}`)).
		want(201, `"kind":"webhook"`, `"address":"`+hook.URL+`/…"`, `"header_name":"X-Key"`, `"alerts":["silence"]`)
	h.call(t, "POST", "/alerts/channels", `{"name":"ops","webhook":{"url":"https://example.org/"}}`).want(409)
	h.call(t, "POST", "/alerts/channels/ops/test", "").want(200, `"taken":true`)
	hidden(h.call(t, "POST", "/alerts/channels/ops/test", "")).want(200, `"taken":false`, "410")
	hidden(h.call(t, "GET", "/alerts/channels/ops", "")).want(200, `"failing_since":"`, "410")
	h.call(t, "PATCH", "/alerts/channels/ops", `{"mail":{"host":"smtp.example.org"}}`).want(422, "of the kind webhook")
	hidden(h.call(t, "PATCH", "/alerts/channels/ops", `{"rename":"pager","alerts":[],"paused":true,"webhook":{"format":"json"},"reason":"moved"}`)).
		want(200, `"name":"pager"`, `"alerts":[]`, `"paused":true`, `"format":"json"`)
	c, err := h.db.FindAlertChannel(t.Context(), "pager")
	must(t, err)
	if c.Webhook.HeaderValue != "hidden-value" || !strings.HasSuffix(c.Webhook.URL, "/services/hidden-path") {
		t.Error("what was not named did not stay as it was")
	}
	hidden(h.call(t, "POST", "/alerts/channels", `{"name":"mail","mail":{"host":"smtp.example.org","user":"recall","password":"hidden","from":"recall@example.org","to":["ops@example.org"]}}`)).
		want(201, `"port":587`, `"security":"starttls"`, `"to":["ops@example.org"]`)
	hidden(h.call(t, "PATCH", "/alerts/channels/mail", `{"mail":{"security":"tls"}}`)).want(200, `"port":465`)
	h.call(t, "DELETE", "/alerts/channels/mail", "").want(204)
	h.call(t, "DELETE", "/alerts/channels/mail", "").want(404, "lists them")
}

// tester sends tests as serve does.
type tester struct{}

func (tester) Test(ctx context.Context, c *store.AlertChannel) error {
	return alert.New(alert.Options{Outgoing: alert.Outgoing{HTTP: http.DefaultClient}}).Test(ctx, c)
}
