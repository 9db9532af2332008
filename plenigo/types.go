package plenigo

import (
	"net/http"
	"strings"
)

// Sureness says how a pair of types is known.
type Sureness string

const (
	Documented Sureness = "documented" // in plenigo's own table (REFERENCE §5)
	Inferred   Sureness = "inferred"   // both values exist, the pair is a guess
)

// Type is one kind of callback.
type Type struct {
	EntityType, CallbackType string
	Sureness                 Sureness
}

// Types is the table of REFERENCE §5. The list grows at plenigo: a pair that is not here is no error.
var Types = []Type{
	{"APP_STORE_ORDER", "CREATION", Documented},
	{"APP_STORE_SUBSCRIPTION", "CHANGE", Documented},
	{"APP_STORE_SUBSCRIPTION", "CREATION", Documented},
	{"CUSTOMER", "CHANGE", Documented},
	{"CUSTOMER", "CREATION", Documented},
	{"CUSTOMER", "DELETION", Documented},
	{"CUSTOMER_OPT_IN", "CHANGE", Documented},
	{"FAILED_PAYMENT", "PAYMENT_FAILED", Documented},
	{"INVOICE", "CHANGE", Documented},
	{"INVOICE", "CREATION", Documented},
	{"INVOICE_CANCELLATION", "CREATION", Documented},
	{"INVOICE_CORRECTION", "CREATION", Documented},
	{"MULTIUSER_SUBSCRIPTION", "CANCELLATION", Documented},
	{"MULTIUSER_SUBSCRIPTION", "CREATION", Documented},
	{"MULTIUSER_SUBSCRIPTION", "UNDO_CANCELLATION", Documented},
	{"ORDER", "CREATION", Documented},
	{"PURCHASED_ADDON", "CONDITIONS_FULFILLED", Documented},
	{"SUBSCRIPTION", "CANCELLATION", Documented},
	{"SUBSCRIPTION", "CHANGE", Documented},
	{"SUBSCRIPTION", "CREATION", Documented},
	{"SUBSCRIPTION", "ENDED", Documented},
	{"SUBSCRIPTION", "UNDO_CANCELLATION", Inferred},
	{"TRANSACTION", "CREATION", Inferred},
	{"TRANSACTION", "PAYMENT_FAILED", Inferred},
	{"TRANSACTION", "PAYMENT_REVOKED", Inferred},
}

var known = func() map[[2]string]bool {
	m := map[[2]string]bool{}
	for _, t := range Types {
		m[[2]string{t.EntityType, t.CallbackType}] = true
	}
	return m
}()

// Known tells whether the pair is in the table. An unknown one is kept and shown like any other, and marked.
func Known(entityType, callbackType string) bool { return known[[2]string{entityType, callbackType}] }

// SensitiveHeader tells whether a header's values are credentials and never shown (REFERENCE §7). A source's own header
// names come on top.
func SensitiveHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Php-Auth-User", "Php-Auth-Pw", "X-Api-Key", "X-Auth-Token", "X-Plenigo-Token":
		return true
	}
	lower := strings.ToLower(name)
	return strings.Contains(lower, "secret") || strings.Contains(lower, "password") || strings.HasSuffix(lower, "-token")
}
