package api_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"recall/erasure"
	"recall/store"
	"recall/verify"
)

// workErasures has cases go on until one is in a state.
func (h *house) workErasures(t *testing.T, id int64, until store.ErasureState) {
	t.Helper()
	e := erasure.New(h.db, nil, "", nil)
	for range 300 {
		_, err := e.Work(t.Context())
		must(t, err)
		c, err := h.db.FindErasure(t.Context(), id)
		must(t, err)
		if c.State == until {
			return
		}
		h.pass(5 * time.Second)
	}
	t.Fatalf("case %d does not become %s", id, until)
}

// A case by the API, from its opening to the certificate; and what an erased event answers.
func TestErasures(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	own := h.record(t, verify.Verified, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213","entity":{"customerId":"48213","email":"erase.me@example.org"}}`)
	gift := h.record(t, verify.Verified, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7","entity":{"invoiceCustomerId":"555","items":[{"deliveryCustomerId":"48213"}]}}`)
	alone := h.record(t, verify.Verified, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"8"}`)
	h.call(t, "GET", "/erasures", "").want(200, `"cases":[]`)
	h.call(t, "POST", "/erasures", `{"customer":"48213"}`).want(422, "reason")
	h.call(t, "POST", "/erasures", `{"customer":"48 213","reason":"x"}`).want(422, "customer id")
	h.call(t, "POST", "/erasures", `{"reason":"x"}`).want(422, "one or the other")
	h.call(t, "POST", "/erasures", `{"customer":"48213","sources":["nope"],"reason":"x"}`).want(422, "no source nope")
	h.call(t, "POST", "/erasures", `{"event_id":"0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b","reason":"x"}`).want(404)
	h.call(t, "POST", "/erasures", `{"customer":"48213","sources":["shop"],"reason":"by letter"}`).
		want(201, `"state":"finding"`, `"customer":"48213"`, `"sources":["shop"]`, `"opened_by":"admin via token all"`)
	h.call(t, "POST", "/erasures", `{"customer":"48213","reason":"again"}`).want(409, "urn:recall:exists", "case 1")
	h.call(t, "POST", "/erasures/1/confirm", `{"reason":"x"}`).want(409, "urn:recall:state")
	h.workErasures(t, 1, store.ErasureOpen)
	h.call(t, "GET", "/erasures/1", "").want(200, `"undecided":1`, `"to_be_erased":1`, `"state":"open"`)
	h.call(t, "GET", "/erasures/1/events", "").want(200, own.String(), gift.String(), "as with a gift", `"erase":null`, `"source":"shop"`)
	h.call(t, "GET", "/erasures/7", "").want(404, "no case 7")
	h.call(t, "POST", "/erasures/1/confirm", `{"reason":"x"}`).want(409, "urn:recall:doubtful")
	h.call(t, "POST", "/erasures/1/decide", `{"erase":false}`).want(422, "urn:recall:reason")
	h.call(t, "POST", "/erasures/1/decide", `{"erase":true,"events":["x"]}`).want(422, "not the id")
	h.call(t, "POST", "/erasures/1/decide", `{"erase":true,"events":["`+alone.String()+`"]}`).want(422, "none of these")
	h.call(t, "POST", "/erasures/1/decide", `{"erase":false,"events":["`+gift.String()+`"],"reason":"it is 555's"}`).want(200, `"undecided":0`, `"left":1`)
	h.call(t, "POST", "/erasures/1/search", "").want(200, `"state":"finding"`)
	h.workErasures(t, 1, store.ErasureOpen)
	h.call(t, "GET", "/erasures/1/certificate", "").want(404, "when it is closed")
	h.call(t, "PATCH", "/erasures/settings", `{"backups_days":30,"automatic":true,"grace_hours":24,"one_company":true,"reason":"agreed"}`).want(200, `"backups_days":30`)
	h.call(t, "PATCH", "/erasures/settings", `{"automatic":false}`).want(200, `"backups_days":30`, `"automatic":false`, `"grace_hours":24`)
	h.call(t, "POST", "/erasures/1/confirm", `{"reason":"checked"}`).want(200, `"state":"running"`)
	h.call(t, "POST", "/erasures/1/cancel", `{"reason":"no"}`).want(409, "urn:recall:state")
	h.workErasures(t, 1, store.ErasureClosed)
	h.call(t, "GET", "/erasures/1", "").want(200, `"state":"closed"`, `"customer":null`, `"certificate":true`, `"events":1`).never("48213")
	h.call(t, "GET", "/erasures/1/certificate", "").want(200, own.String(), `"events_of_all":1`, "kept for 30 days", "it is 555's", `"sources":["shop"]`).never("48213", "erase.me")
	h.call(t, "GET", "/erasures?limit=1", "").want(200, `"id":1`)
	if a := h.call(t, "POST", "/erasures/list", "").want(200, "recall erasure list", own.String()).never("48213"); a.header.Get("Content-Type") != "application/octet-stream" {
		t.Error(a.header)
	}

	for _, ask := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"GET", "/payload", ""}, {"GET", "/raw?reveal=true&reason=x", ""}, {"GET", "/deliveries", ""}, {"POST", "/redispatch", `{"to":"crm","reason":"again"}`}, {"POST", "/reverify", ""},
	} {
		h.call(t, ask.method, "/events/"+own.String()+ask.path, ask.body).want(410, "urn:recall:erased", "case 1", "sent again").never("48213")
	}
	h.call(t, "GET", "/events/"+gift.String(), "").want(200)

	h.call(t, "POST", "/erasures", `{"event_id":"`+alone.String()+`","reason":"sent by mistake"}`).want(201, `"id":2`, `"event_id":"`+alone.String())
	h.call(t, "POST", "/erasures/2/cancel", `{"reason":"it is needed"}`).want(200, `"state":"cancelled"`, `"waits":"it is needed"`)
	h.call(t, "GET", "/audit?subject=case+1", "").want(200, "erasure.open", "erasure.decide", "erasure.confirm", "erasure.close")
}

// A report holds everything about a person that there is, and nothing of others; it takes the right to see what is covered.
func TestReport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	own := h.record(t, verify.Verified, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213","entity":{"customerId":"48213","lastName":"Quokka"}}`)
	h.record(t, verify.Verified, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"9","entity":{"customerId":"9","lastName":"Wombat"}}`)
	h.call(t, "POST", "/customers/48213/report", `{}`).want(422, "reason")
	h.call(t, "POST", "/customers/x%20y/report", `{"reason":"x"}`).want(422, "customer id")
	erases := h.tokenOf(t, &store.User{ID: 1, Name: "admin"}, "erases", store.RightErase)
	h.callAs(t, erases, "POST", "/customers/48213/report", `{"reason":"x"}`).want(403, "reveal")
	a := h.call(t, "POST", "/customers/48213/report", `{"reason":"asked by letter"}`).want(200)
	z, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	must(t, err)
	names := ""
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		names += f.Name + " "
		if !strings.Contains(string(text), own.String()) || !strings.Contains(string(text), "Quokka") || strings.Contains(string(text), "Wombat") || strings.Contains(string(text), "c2VjcmV0") {
			t.Errorf("%s: %s", f.Name, text)
		}
	}
	if names != "report.jsonl report.html " {
		t.Error(names)
	}
	h.call(t, "GET", "/audit?subject=48213", "").want(200, "customer.report", "asked by letter", fmt.Sprintf(`"events":%d`, 1))
}
