package main

import (
	"net/url"
	"runtime/debug"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"recall/dispatch"
)

// outgoing are the options of what sends to destinations, as far as they are settings.
func (a *app) outgoing() dispatch.Options {
	return dispatch.Options{EgressAllow: a.cfg.EgressAllow, Proxy: a.cfg.proxy(), Version: release(), Log: a.log, Now: a.now}
}

// proxy is which proxy to send through; nil: never any.
func (c config) proxy() func(*url.URL) (*url.URL, error) {
	if !c.EgressProxy {
		return nil
	}
	return httpproxy.FromEnvironment().ProxyFunc()
}

// releaseName is set by make release and the Dockerfile, where the build has no repository to ask.
var releaseName string

// release is the version as a User-Agent may hold it, "" where the build knows none.
func release() string {
	if releaseName != "" {
		return releaseName
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || strings.HasPrefix(info.Main.Version, "(") { // (devel)
		return ""
	}
	return info.Main.Version
}
