package store_test

import (
	"slices"
	"testing"

	"recall/store"
)

// Whoever may more may at least as much: a role has every right of the one before it, and more.
func TestRolesGrow(t *testing.T) {
	for i, role := range store.Roles {
		n := 0
		for _, do := range store.Rights {
			if do.Words() == "" {
				t.Errorf("nothing says what %s is", do)
			}
			if role.May(do) {
				n++
			}
			if got := slices.Contains(store.RolesWith(do), role); got != role.May(do) {
				t.Errorf("%s, %s: %t, in the list %t", role, do, role.May(do), got)
			}
			if i > 0 && store.Roles[i-1].May(do) && !role.May(do) {
				t.Errorf("%s may %s, and %s may not", store.Roles[i-1], do, role)
			}
		}
		if n <= i {
			t.Errorf("%s has %d rights", role, n)
		}
	}
	if !slices.ContainsFunc(store.Rights, store.RoleAdmin.May) || slices.ContainsFunc(store.Rights, func(do store.Right) bool { return !store.RoleAdmin.May(do) }) {
		t.Error("an admin may not everything")
	}
	if slices.ContainsFunc(store.Rights, store.Role("root").May) || slices.ContainsFunc(store.Rights, store.Role("").May) {
		t.Error("a role that there is not may something")
	}
}
