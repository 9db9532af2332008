package main

import "testing"

func TestMaskCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "mask", "list", "customer").want(t, 0, "entity.lastName", "personal", "API model")
	h.run("", "mask", "preview", "customer.change").want(t, 0, `"lastName":"••••"`, `"customerId":"48213"`)
	h.run("", "mask", "set", "customer", "entity.status", "personal", "--reason", "agreed").want(t, 0, "CUSTOMER entity.status: personal.")
	h.run("", "mask", "preview", "customer.change").want(t, 0, `"status":"••••"`)
	h.run("", "mask", "list", "--own").want(t, 0, "CUSTOMER", "entity.status", "set here")
	h.run("", "mask", "set", "CUSTOMER", "a..b", "personal").want(t, 2, "no path")
	h.run("", "mask", "preview", "nothing").want(t, 2, "no event and no sample")
	h.run("", "mask", "preview", "0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b").want(t, 1, "there is no event")
	h.run("", "mask", "reset", "CUSTOMER", "entity.status").want(t, 0, "1 rule taken back.")
	h.run("", "mask", "preview", "customer.change").want(t, 0, `"status":"ACTIVATED"`)
	if got := h.audited("CUSTOMER"); got != "mask.set mask.reset" {
		t.Errorf("audit: %s", got)
	}
}
