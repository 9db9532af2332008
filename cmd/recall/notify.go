package main

import (
	"log/slog"
	"net"
	"os"
)

// notifier tells systemd how the service stands (Type=notify); "": nobody asks.
type notifier string

// newNotifier takes the socket's name out of the environment, so that PostgreSQL, which is started from here, does not speak
// for us.
func newNotifier() notifier {
	const variable = "NOTIFY_SOCKET"
	socket := os.Getenv(variable)
	os.Unsetenv(variable)
	return notifier(socket)
}

// tell sends a state, such as READY=1. That nobody listens any more is no reason to end.
func (n notifier) tell(state string, log *slog.Logger) {
	if n == "" {
		return
	}
	conn, err := net.Dial("unixgram", string(n)) // a name that begins with @ is an abstract one, as systemd means it
	if err == nil {
		_, err = conn.Write([]byte(state))
		conn.Close()
	}
	if err != nil {
		log.Warn("systemd could not be told", "state", state, "error", err)
	}
}
