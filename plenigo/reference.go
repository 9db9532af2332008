package plenigo

import "strings"

// ItemIDs name the members that identify an item of a list in a body, best first (REFERENCE §6): an order's and an
// invoice's items have a position, a subscription's an id of their own.
var ItemIDs = []string{"position", "subscriptionItemId"}

// references are the members whose value is the id of an entity wherever they stand under "entity".
var references = map[string]string{
	"customerId":             "CUSTOMER",
	"invoiceCustomerId":      "CUSTOMER",
	"deliveryCustomerId":     "CUSTOMER",
	"orderId":                "ORDER",
	"purchaseOrderId":        "ORDER",
	"subscriptionId":         "SUBSCRIPTION",
	"appStoreOrderId":        "APP_STORE_ORDER",
	"appStoreSubscriptionId": "APP_STORE_SUBSCRIPTION",
	"purchasedAddonId":       "PURCHASED_ADDON",
}

// Refers tells of which type the entity is that a value of a body names by its id; "" where that is not known, which is
// not guessed. entityType is that of the body. path leads to the value, with [] for any item of a list:
// entity.items[].deliveryCustomerId. sibling gives the text of another member of the object the value stands in.
func Refers(entityType, path string, sibling func(name string) string) string {
	if path == "entityId" {
		return entityType
	}
	within, inEntity := strings.CutPrefix(path, "entity.")
	if !inEntity {
		return ""
	}
	names := strings.Split(strings.ReplaceAll(within, "[]", ""), ".")
	for _, name := range names[:len(names)-1] {
		switch name { // numbers of another company, and of Apple and Google
		case "connectedOfferInfo", "additionalStoreData", "additionalStoreItemData":
			return ""
		}
	}
	name := names[len(names)-1]
	own := len(names) == 1 // a member of the entity itself
	switch {
	case name == "createdBy" || name == "changedBy": // with MERCHANT the digits are a staff account
		if sibling(name+"Type") == "CUSTOMER" {
			return "CUSTOMER"
		}
		return ""
	case entityType == "VOUCHER_CAMPAIGN" || entityType == "VOUCHER_CHANNEL":
		if name == "orderId" {
			return "ORDER"
		}
		return ""
	case entityType == "CALLBACK_RENEWAL":
		return ""
	case entityType == "SUBSCRIPTION" && own && (name == "chainId" || name == "precursorId" || name == "successorId"):
		return "SUBSCRIPTION"
	// Whether a cancellation's or correction's own invoiceId is announced as an invoice too is not known.
	case entityType == "INVOICE" && own && name == "invoiceId":
		return "INVOICE"
	case strings.HasPrefix(entityType, "INVOICE") && own && name == "precursorId": // the invoice that was corrected or cancelled
		return "INVOICE"
	}
	return references[name]
}
