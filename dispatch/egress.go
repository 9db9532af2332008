package dispatch

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// egress guards against requests into networks that are not the internet's. It looks at the address at the moment of
// dialling, after the name was resolved, so that no name can answer one thing to a check and another to the connection.
type egress struct {
	allow     []netip.Prefix   // RECALL_EGRESS_ALLOW
	allowAddr []netip.AddrPort // exact addresses let through besides
}

// newEgress makes a guard. IPv4 addresses written as IPv6 are taken as what they are, here and in allowed.
func newEgress(allow []netip.Prefix, allowAddr []netip.AddrPort) egress {
	var g egress
	for _, p := range allow {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		g.allow = append(g.allow, p)
	}
	for _, a := range allowAddr {
		g.allowAddr = append(g.allowAddr, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return g
}

// egressError says which rule kept a connection from being made, and which setting lets it through.
type egressError struct {
	addr netip.AddrPort
	rule egressRule
}

func (e *egressError) Error() string {
	return fmt.Sprintf("%s is %s (%s), and RECALL_EGRESS_ALLOW does not name it", e.addr, e.rule.what, e.rule.prefix)
}

// egressRule is a range that nothing is sent to.
type egressRule struct {
	prefix netip.Prefix
	what   string
}

func refuse(prefix, what string) egressRule { return egressRule{netip.MustParsePrefix(prefix), what} }

// refused are the ranges of IANA's registries of special-purpose addresses, the addresses at which clouds answer machines
// of theirs, and the ranges that carry an IPv4 address inside, which could be any of the others. The first that holds
// an address names it.
var refused = []egressRule{
	refuse("169.254.169.254/32", "a cloud's metadata address"),
	refuse("168.63.129.16/32", "a cloud's metadata address"),
	refuse("169.254.170.2/32", "a cloud's metadata address"),
	refuse("100.100.100.200/32", "a cloud's metadata address"),
	refuse("192.0.0.192/32", "a cloud's metadata address"),
	refuse("0.0.0.0/8", "an unspecified address"),
	refuse("10.0.0.0/8", "a private address"),
	refuse("100.64.0.0/10", "a carrier's internal address"),
	refuse("127.0.0.0/8", "a loopback address"),
	refuse("169.254.0.0/16", "a link-local address"),
	refuse("172.16.0.0/12", "a private address"),
	refuse("192.0.0.0/24", "an address for protocols"),
	refuse("192.0.2.0/24", "an address for documentation"),
	refuse("192.88.99.0/24", "a 6to4 relay"),
	refuse("192.168.0.0/16", "a private address"),
	refuse("198.18.0.0/15", "an address for benchmarks"),
	refuse("198.51.100.0/24", "an address for documentation"),
	refuse("203.0.113.0/24", "an address for documentation"),
	refuse("224.0.0.0/4", "a multicast address"),
	refuse("255.255.255.255/32", "the broadcast address"),
	refuse("240.0.0.0/4", "a reserved address"),

	refuse("fd00:ec2::254/128", "a cloud's metadata address"),
	refuse("fd20:ce::254/128", "a cloud's metadata address"),
	refuse("::/128", "an unspecified address"),
	refuse("::1/128", "the loopback address"),
	refuse("::/96", "an IPv4-compatible address"),
	refuse("::ffff:0:0:0/96", "an IPv4-translated address"),
	refuse("64:ff9b::/96", "a NAT64 address"),
	refuse("64:ff9b:1::/48", "a NAT64 address"),
	refuse("100::/64", "a discard-only address"),
	refuse("2001::/32", "a Teredo address"),
	refuse("2001:2::/48", "an address for benchmarks"),
	refuse("2001::/23", "an address for protocols"),
	refuse("2001:db8::/32", "an address for documentation"),
	refuse("2002::/16", "a 6to4 address"),
	refuse("3fff::/20", "an address for documentation"),
	refuse("fc00::/7", "a private address"),
	refuse("fe80::/10", "a link-local address"),
	refuse("fec0::/10", "a site-local address"),
	refuse("ff00::/8", "a multicast address"),
}

// publicIPv6 is where all public IPv6 addresses lie; notPublic is the rest.
var (
	publicIPv6 = netip.MustParsePrefix("2000::/3")
	notPublic  = refuse("::/0", "not a public address")
)

// allowed tells whether an address may be sent to; the error is an *egressError.
func (g egress) allowed(addr netip.AddrPort) error {
	addr = netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
	ip := addr.Addr()
	holds := func(p netip.Prefix) bool { return p.Contains(ip) }
	if slices.ContainsFunc(g.allow, holds) || slices.Contains(g.allowAddr, addr) {
		return nil
	}
	for _, r := range refused {
		if r.prefix.Contains(ip) {
			return &egressError{addr, r}
		}
	}
	if !ip.Is4() && !publicIPv6.Contains(ip) {
		return &egressError{addr, notPublic}
	}
	return nil
}

// control is asked by net.Dialer for every connection, with the address it is about to connect to.
func (g egress) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("not an address: %w", err)
	}
	return g.allowed(addr)
}
