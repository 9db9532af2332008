package web

import (
	"strings"

	"recall/store"
)

// may tells whether who is logged in may do something.
func (p page) may(do store.Right) bool { return store.Role(p.Role).May(do) }

// What a page shows depends on these.
func (p page) mayChange() bool { return p.may(store.RightSettings) }
func (p page) maySend() bool   { return p.may(store.RightRedispatch) }
func (p page) mayExport() bool { return p.may(store.RightExport) }
func (p page) mayAudit() bool  { return p.may(store.RightAudit) }
func (p page) mayUsers() bool  { return p.may(store.RightUsers) }
func (p page) mayErase() bool  { return p.may(store.RightErase) }

// maySendNot and mayChangeNot say who may do what the reader may not; what begins with a verb: "send events again".
func (p page) maySendNot(what string) string   { return mayNot(p.Role, store.RightRedispatch, what) }
func (p page) mayChangeNot(what string) string { return mayNot(p.Role, store.RightSettings, what) }

func mayNot(role string, do store.Right, what string) string {
	return "Your role is " + role + ". " + whoMay(do) + " may " + what + "."
}

// whoMay names the roles that have a right: "An operator or admin".
func whoMay(do store.Right) string {
	var words []string
	for _, role := range store.RolesWith(do) {
		words = append(words, string(role))
	}
	last := len(words) - 1
	text := words[last]
	if last > 0 {
		text = strings.Join(words[:last], ", ") + " or " + text
	}
	if strings.ContainsRune("aeiou", rune(text[0])) {
		return "An " + text
	}
	return "A " + text
}

// missingRight refuses a route, saying which right is missing and who has it.
func missingRight(user *store.User, need store.Right) error {
	return refused("Your role is " + string(user.Role) + ", without the right “" + string(need) + "” (" + need.Words() + "). " + whoMay(need) + " has it.")
}
