package dispatch

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"recall/store"
)

func TestEgress(t *testing.T) {
	for addr, want := range map[string]string{ // "" is let through
		// public
		"1.1.1.1": "", "9.255.255.255": "", "11.0.0.0": "", "100.63.255.255": "", "100.128.0.0": "", "126.255.255.255": "",
		"128.0.0.0": "", "169.253.255.255": "", "169.255.0.0": "", "172.15.255.255": "", "172.32.0.0": "", "191.255.255.255": "",
		"192.0.1.0": "", "192.0.3.0": "", "192.167.255.255": "", "192.169.0.0": "", "198.17.255.255": "", "198.20.0.0": "",
		"198.51.99.255": "", "203.0.114.0": "", "223.255.255.255": "", "::ffff:1.1.1.1": "",
		"2001:200::1": "", "2001:4860:4860::8888": "", "2003::1": "", "2606:4700::1111": "", "2a00:1450::1": "", "3ffe:ffff::1": "",

		"0.0.0.0": "unspecified", "0.255.255.255": "unspecified",
		"10.0.0.0": "private", "10.255.255.255": "private",
		"100.64.0.0": "carrier", "100.100.100.200": "metadata", "100.127.255.255": "carrier",
		"127.0.0.1": "loopback", "127.255.255.255": "loopback",
		"169.254.0.1": "link-local", "169.254.169.254": "metadata", "169.254.170.2": "metadata", "169.254.170.3": "link-local", "168.63.129.16": "metadata",
		"172.16.0.0": "private", "172.31.255.255": "private",
		"192.0.0.0": "protocols", "192.0.0.192": "metadata", "192.0.0.255": "protocols", "192.0.2.1": "documentation", "192.88.99.1": "6to4",
		"192.168.0.0": "private", "192.168.255.255": "private",
		"198.18.0.0": "benchmarks", "198.19.255.255": "benchmarks", "198.51.100.7": "documentation", "203.0.113.7": "documentation",
		"224.0.0.0": "multicast", "239.255.255.255": "multicast", "240.0.0.0": "reserved", "255.255.255.254": "reserved", "255.255.255.255": "broadcast",

		"::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::ffff:169.254.169.254": "metadata", "::ffff:a9fe:a9fe": "metadata",
		"::": "unspecified", "::1": "loopback", "::7f00:1": "IPv4-compatible", "::10.0.0.1": "IPv4-compatible", "::ffff:0:7f00:1": "IPv4-translated",
		"64:ff9b::7f00:1": "NAT64", "64:ff9b::101:101": "NAT64", "64:ff9b:1::1": "NAT64", "64:ff9b:1:ffff::1": "NAT64", "100::1": "discard",
		"2001::1": "Teredo", "2001:0:ffff::1": "Teredo", "2001:2::1": "benchmarks", "2001:10::1": "protocols", "2001:1ff::1": "protocols",
		"2001:db8::1": "documentation", "2002:7f00:1::": "6to4", "2002:101:101::1": "6to4", "3fff::1": "documentation", "3fff:fff::1": "documentation",
		"fc00::1": "private", "fdff::1": "private", "fd00:ec2::254": "metadata", "fd20:ce::254": "metadata", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "febf::1": "link-local",
		"fec0::1": "site-local", "ff02::1": "multicast", "ff0e::1": "multicast",
		"1::1": "not a public", "4000::1": "not a public", "5f00::1": "not a public", "e000::1": "not a public",
	} {
		err := newEgress(nil, nil).allowed(netip.AddrPortFrom(netip.MustParseAddr(addr), 443))
		var refused *egressError
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", addr, err)
		case want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "RECALL_EGRESS_ALLOW")):
			t.Errorf("%s: %v, want %s", addr, err, want)
		}
	}
}

func TestEgressAllow(t *testing.T) {
	guard := newEgress(
		[]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/16"), netip.MustParsePrefix("::ffff:192.168.7.0/120")},
		[]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9000"), netip.MustParseAddrPort("[::ffff:127.0.0.2]:9000")},
	)
	for addr, want := range map[string]bool{
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "10.2.0.1:80": false, "[fd12::1]:80": true, "[fd13::1]:80": false,
		"192.168.7.9:80": true, "192.168.8.9:80": false,
		"127.0.0.1:9000": true, "[::ffff:127.0.0.1]:9000": true, "127.0.0.1:9001": false, "127.0.0.2:9000": true, "[::1]:9000": false,
	} {
		if err := guard.allowed(netip.MustParseAddrPort(addr)); (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if guard.control(t.Context(), "tcp", "no address", nil) == nil {
		t.Error("let through what is no address")
	}
}

// TestNameThatChangesItsAnswer: a name is judged by what it means at the moment of dialling, each time.
func TestNameThatChangesItsAnswer(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	to.Config.SetKeepAlivesEnabled(false) // a kept connection has been judged already
	dns := newNameServer(t)
	dns.answer("shop.example", "127.0.0.1")
	o := w.options(to.URL)
	o.resolver = dns.resolver()
	d := w.start(o)
	port := addrOf(t, to.URL).Port()
	w.destination("crm", fmt.Sprintf("http://shop.example:%d/", port), once)
	w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded)

	for _, addr := range []string{"127.0.0.2", "169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.1"} {
		dns.answer("shop.example", addr)
		got := w.reach(w.redispatch(d, "crm"), store.DeliveryExhausted)
		shown := netip.AddrPortFrom(netip.MustParseAddr(addr).Unmap(), port).String()
		if !strings.HasPrefix(got.LastError, "not sent: "+shown+" is ") {
			t.Errorf("%s: %q", addr, got.LastError)
		}
	}
	dns.answer("shop.example", "127.0.0.1")
	w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded)
	if n := len(to.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestEgressAllowRange: a range in the setting lets a receiver in it be reached.
func TestEgressAllowRange(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusNoContent))
	w.destination("crm", to.URL)
	o := w.options()
	o.EgressAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w.reach(w.redispatch(w.start(o), "crm"), store.DeliverySucceeded)
}
