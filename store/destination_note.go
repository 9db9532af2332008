package store

import (
	"net/url"
	"slices"
	"strings"

	"recall/verify"
)

// DestinationChanges is what the audit list keeps of a change: every setting that differs, before and after; nil for before
// is a destination that was added. Of secret headers it tells the names, of signing secrets when they were made and end, of
// the URL all but its query; where only a hidden value changed, it tells that.
func DestinationChanges(before, after *Destination) map[string]any {
	if before == nil {
		return after.noted()
	}
	return settingChanges(before.noted(), after.noted(), before.hidden(), after.hidden())
}

// noted are a destination's settings without anything secret, as JSON takes them.
func (d *Destination) noted() map[string]any {
	n := *d
	n.normalize()
	match := any(nil)
	if n.Match != nil {
		match = *n.Match
	}
	secrets := []any{}
	for _, s := range n.Secrets {
		secrets = append(secrets, map[string]any{"made": timeOrNil(s.MadeAt), "until": timeOrNil(s.Until)})
	}
	retry := []string{}
	for _, wait := range n.RetrySchedule {
		retry = append(retry, wait.String())
	}
	names := []string{}
	for _, h := range storeHeaders(n.Headers) {
		names = append(names, h.Name)
	}
	slices.Sort(names)
	clear := []string{}
	for _, h := range storeHeaders(n.ClearHeaders) {
		clear = append(clear, h.Name+": "+h.Value)
	}
	slices.Sort(clear)
	return map[string]any{
		"name": n.Name, "url": n.ShownURL(), "method": n.Method, "match": match, "signing": string(n.Signing), "signing_secrets": secrets,
		"pass_signature": n.PassSignature, "secret_headers": names, "headers": clear, "timeout": n.Timeout.String(), "retry": strings.Join(retry, ","),
		"max_rate": n.MaxRate, "max_concurrency": n.MaxConcurrency, "ordering": string(n.Ordering),
	}
}

// hidden are a destination's secret values by what they are.
func (d *Destination) hidden() map[string]string {
	values := map[string]string{}
	for _, h := range storeHeaders(d.Headers) {
		values["secret header "+h.Name] = h.Value
	}
	for _, s := range d.Secrets {
		values["signing secret made "+s.MadeAt.UTC().Format("2006-01-02 15:04:05 UTC")] = s.Key
	}
	if u, err := url.Parse(d.URL); err == nil {
		values["query of the URL"] = u.RawQuery
	}
	return values
}

// SetHeader sets a header that is sent along, secret or not, in place of one of the same name.
func (d *Destination) SetHeader(h verify.Header, secret bool) {
	d.RemoveHeader(h.Name)
	list := &d.ClearHeaders
	if secret {
		list = &d.Headers
	}
	*list = append(slices.Clone(*list), h)
}

// RemoveHeader tells whether there was one of that name.
func (d *Destination) RemoveHeader(name string) bool {
	before := len(d.Headers) + len(d.ClearHeaders)
	named := func(h verify.Header) bool { return strings.EqualFold(h.Name, name) }
	d.Headers = slices.DeleteFunc(slices.Clone(d.Headers), named)
	d.ClearHeaders = slices.DeleteFunc(slices.Clone(d.ClearHeaders), named)
	return len(d.Headers)+len(d.ClearHeaders) < before
}
