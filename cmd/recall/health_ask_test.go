package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthCommand(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte("it was " + r.URL.Path + "\n"))
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(addr, ":")

	command(t, "", "health", "--admin-addr", addr).want(t, 0, "it was /health/ready")
	command(t, "", "health", "--admin-addr", "0.0.0.0:"+port).want(t, 0, "it was /health/ready")
	command(t, "", "health", "--live", "--admin-addr", ":"+port).want(t, 0, "it was /health/live")
	status = http.StatusServiceUnavailable
	command(t, "", "health", "--admin-addr", addr).want(t, 1, "it was")
	server.Close()
	command(t, "", "health", "--admin-addr", addr).want(t, 1, "nobody answers")
	command(t, "", "health", "--admin-addr", "nonsense").want(t, 2, "RECALL_ADMIN_ADDR")
}
