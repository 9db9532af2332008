package store

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"
)

// SourceChanges is what the audit list keeps of a change: every setting that differs, before and after; nil for before
// is a source that was added. Of secrets it tells names and validity, of basic authentication the user, of header pairs
// the names; where only a hidden value changed, it tells that.
func SourceChanges(before, after *Source) map[string]any {
	if before == nil {
		return after.noted()
	}
	return settingChanges(before.noted(), after.noted(), before.hidden(), after.hidden())
}

// settingChanges are the settings that differ, before and after, and the names of hidden values that were replaced.
func settingChanges(was, is map[string]any, wasHidden, isHidden map[string]string) map[string]any {
	changes := map[string]any{}
	for name, value := range is {
		if !reflect.DeepEqual(was[name], value) {
			changes[name] = map[string]any{"before": was[name], "after": value}
		}
	}
	var replaced []string
	for _, name := range slices.Sorted(maps.Keys(isHidden)) {
		if value, there := wasHidden[name]; there && value != isHidden[name] {
			replaced = append(replaced, name)
		}
	}
	if len(replaced) > 0 {
		changes["replaced"] = replaced
	}
	return changes
}

// noted are a source's settings without anything secret, as JSON takes them.
func (s *Source) noted() map[string]any {
	basic := any(nil)
	if s.Basic != nil {
		basic = s.Basic.User
	}
	secrets := []any{}
	for _, secret := range s.Secrets {
		secrets = append(secrets, map[string]any{"name": secret.Name, "from": timeOrNil(secret.From), "until": timeOrNil(secret.Until)})
	}
	headers := []string{}
	for _, h := range s.Headers {
		headers = append(headers, http.CanonicalHeaderKey(h.Name))
	}
	slices.Sort(headers)
	return map[string]any{
		"name": s.Name, "enabled": s.Enabled, "observe": s.Observe, "tolerance": s.Tolerance.String(),
		"late_window": s.LateWindow.String(), "scheme": s.Scheme.String(), "secrets": secrets, "basic_user": basic,
		"headers": headers, "expected_types": append([]string{}, s.ExpectedTypes...),
	}
}

// hidden are a source's secret values by what they are.
func (s *Source) hidden() map[string]string {
	values := map[string]string{}
	for _, secret := range s.Secrets {
		values["secret "+secret.Name] = secret.Key
	}
	if s.Basic != nil {
		values["basic password"] = s.Basic.Password
	}
	for _, h := range s.Headers {
		values["header "+http.CanonicalHeaderKey(h.Name)] = h.Value
	}
	return values
}

func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
