package dispatch

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// Outgoing is the way out for what else of the house speaks to others, such as alerts: past the same guard as deliveries.
type Outgoing struct {
	HTTP *http.Client
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewOutgoing makes one by the options of a Dispatcher.
func NewOutgoing(o Options) *Outgoing {
	guard := newEgress(o.EgressAllow, o.AllowAddr)
	dialer := &net.Dialer{Timeout: connectWait, Resolver: o.resolver, ControlContext: guard.control}
	return &Outgoing{newClient(o), dialer.DialContext}
}

// Words says why a connection failed, with host names and addresses at most; "" where that is not known. by is what the other
// end is called.
func (*Outgoing) Words(err error, by string) string {
	for _, explain := range []func(error) string{egressWords, proxyWords, nameWords, certificateWords, tlsWords, connectionWords} {
		if words := explain(err); words != "" {
			return strings.ReplaceAll(words, "the destination", by)
		}
	}
	return ""
}
