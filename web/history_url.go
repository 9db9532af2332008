package web

import (
	"net/url"
	"strings"

	"recall/filter"
)

// entityURL is the history of one entity. Where the type is not known, or no address can be made of the id, it is the
// list of the events with the id.
func entityURL(entityType, id string) string {
	if entityType == "" || isDots(entityType) || isDots(id) {
		if entityType == "" {
			return filterURL(filter.KeyEntity, id)
		}
		return filterURL(filter.KeyEntity, strings.ToLower(entityType)+"/"+id)
	}
	return "/entities/" + url.PathEscape(asciiLower(entityType)) + "/" + url.PathEscape(id)
}

// customerURL is the history of one customer.
func customerURL(id string) string {
	if isDots(id) {
		return filterURL(filter.KeyCustomer, id)
	}
	return "/customers/" + url.PathEscape(id)
}

// isDots tells what no part of an address can be: a browser takes it for a way up.
func isDots(s string) bool { return s == "." || s == ".." }

// asciiLower changes ASCII letters only, as filters compare types.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
