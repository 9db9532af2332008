package receive

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// newEvent makes the event of a callback that has arrived whole, or is too large to be kept whole (tooLarge; body is nil
// then and size what was announced or sent). It judges it, and settles the answer it will get once it is committed.
func (h *Handler) newEvent(r *http.Request, sender netip.Addr, source store.LiveSource, body []byte, size int64, tooLarge bool) *store.Event {
	now := h.now() // an event has arrived when its last byte has
	header := receivedHeader(r)
	e := &store.Event{
		ID:         h.ids.next(now),
		SourceID:   source.ID,
		Window:     max(source.LateWindow, source.Tolerance),
		Sender:     sender,
		Header:     header,
		Body:       body,
		BodySHA256: sha256.Sum256(body),
		Size:       size,
		APIVersion: plenigo.Clean(header.Get(plenigo.HeaderAPIVersion)),
		Envelope:   h.readEnvelope(header, body),
	}
	switch {
	case tooLarge:
		e.Verification = verify.TooLarge()
	case source.Policy == nil: // nothing to judge by: believe nothing
		e.Verification = verify.Result{
			Verdict: verify.Rejected, Reason: verify.ReasonSettingsUnreadable,
			Signature: verify.NotChecked, Basic: verify.NotChecked, Header: verify.NotChecked,
		}
	default:
		e.Verification = source.Policy.Check(header, body, now)
	}
	e.UnexpectedType = !tooLarge && !source.Expects(e.Envelope.EntityType, e.Envelope.CallbackType)
	e.Answered = status(source, e.Verification)
	return e
}

// largeBody is far more than a usual callback.
const largeBody = 64 << 10

// readEnvelope takes a large or packed body apart only while few others are: the parts can need many times its own memory.
func (h *Handler) readEnvelope(header http.Header, body []byte) plenigo.Envelope {
	if len(body) > largeBody || plenigo.Packed(header) {
		h.reading <- struct{}{}
		defer func() { <-h.reading }()
	}
	return plenigo.Read(h.unpack(header, body))
}

// status is what a stored callback is answered. 413 stands also where rejected callbacks are observed: 2xx would say
// that the callback is kept, and its body is not.
func status(source store.LiveSource, result verify.Result) int {
	switch {
	case result.Reason == verify.ReasonBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case result.Accepted():
		return http.StatusOK
	case result.Reason == verify.ReasonSourceDisabled:
		return http.StatusForbidden
	case source.Observe:
		return http.StatusOK
	}
	return http.StatusUnauthorized
}

// receivedHeader is the header as it came: names in canonical form, values exactly, several values in their order. What
// net/http moves elsewhere is put back. Call it when the body has been read. Values of trailers are left out: they came
// after the body and are no headers, least of all a signature. The request's own header is taken: nobody needs it after us.
func receivedHeader(r *http.Request) http.Header {
	header := r.Header
	if r.Host != "" {
		header["Host"] = []string{r.Host}
	}
	if len(r.TransferEncoding) > 0 {
		header["Transfer-Encoding"] = slices.Clone(r.TransferEncoding)
	}
	if len(r.Trailer) > 0 {
		header["Trailer"] = slices.Sorted(maps.Keys(r.Trailer))
	}
	return header
}

// parseProxies reads address ranges; a bare address is a range of one.
func parseProxies(list []string) ([]netip.Prefix, error) {
	var ranges []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("RECALL_TRUSTED_PROXIES: %q is not an address or a range of addresses; write it as 10.0.0.0/8", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() { // senders are compared as plain IPv4
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), max(0, prefix.Bits()-96))
		}
		ranges = append(ranges, prefix)
	}
	return ranges, nil
}

func (h *Handler) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(h.trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// sender is the address the callback came from: the peer's, or behind trusted proxies the right-most address in
// X-Forwarded-For that is none of them. What stands further left could be anybody's word. It is invalid when even the
// peer's address cannot be read, as with a unix socket.
func (h *Handler) sender(r *http.Request) netip.Addr {
	sender, _ := parseHop(r.RemoteAddr)
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(strings.TrimSpace(hop))
		if !h.trusts(sender) || !ok {
			break
		}
		sender = addr
	}
	return sender
}

// WithSender gives next each request with the address it came from as its RemoteAddr, so that pages see through the same
// trusted proxies as callbacks: else all who come through a proxy would be one to whoever counts failed log-ins.
func (h *Handler) WithSender(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sender := h.sender(r); sender.IsValid() {
			r = r.WithContext(r.Context())
			r.RemoteAddr = netip.AddrPortFrom(sender, 0).String()
		}
		next.ServeHTTP(w, r)
	})
}

// parseHop reads an address with or without a port. A zone says nothing outside the machine and is dropped.
func parseHop(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// senderText is an address in words, "" for none.
func senderText(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
