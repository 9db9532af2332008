package plenigo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Read takes out of a body what can be read. It never fails: any bytes are a callback. Numbers stay the digits they are.
func Read(body []byte) Envelope {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var document any
	if decoder.Decode(&document) != nil || decoder.More() || len(bytes.TrimSpace(body[decoder.InputOffset():])) > 0 {
		return Envelope{}
	}
	e := Envelope{IsJSON: true}
	root, _ := document.(map[string]any)
	e.EntityType = Clean(text(root["entityType"]))
	e.CallbackType = Clean(text(root["callbackType"]))
	e.EntityID = Clean(id(root["entityId"]))
	entity, _ := root["entity"].(map[string]any)
	e.ChangedAt, _ = time.Parse(time.RFC3339Nano, text(entity["changedDate"]))
	if y := e.ChangedAt.Year(); y < 1 || y > 9999 {
		e.ChangedAt = time.Time{}
	}
	e.Customers = customers(e.EntityType, root, entity)
	return e
}

// text is a JSON string's text, or nothing.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// id is an identifier sent as a JSON string or number. Empty and zero mean "not set" (REFERENCE §2).
func id(v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number:
		s = v.String()
	}
	if s == "0" {
		return ""
	}
	return s
}

// Clean makes a text fit for a column and an index: valid UTF-8, no NUL, at most MaxField bytes, cut between runes.
func Clean(s string) string {
	if len(s) > MaxField {
		cut := MaxField
		for cut > MaxField-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	s = strings.ToValidUTF8(s, "")
	return strings.ReplaceAll(s, "\x00", "")
}

// customers finds every customer the body names, by the table of REFERENCE §7.
func customers(entityType string, root, entity map[string]any) []CustomerLink {
	var links customerLinks
	item := func(field string) {
		items, _ := entity["items"].([]any)
		for _, it := range items {
			if m, ok := it.(map[string]any); ok {
				links.add(m[field], "entity.items[]."+field)
			}
		}
	}
	field := func(name string) { links.add(entity[name], "entity."+name) }

	switch entityType {
	case "CUSTOMER":
		links.add(root["entityId"], "entityId")
		field("customerId")
	case "CUSTOMER_OPT_IN", "APP_STORE_SUBSCRIPTION", "TRANSACTION":
		field("customerId")
	case "ORDER", "CROSS_CLIENT_ORDER", "INVOICE", "INVOICE_CANCELLATION", "INVOICE_CORRECTION":
		field("invoiceCustomerId")
		item("deliveryCustomerId")
	case "SUBSCRIPTION": // connectedOfferInfo.customerId is of another company's numbering
		field("invoiceCustomerId")
		field("deliveryCustomerId")
	case "APP_STORE_ORDER":
		field("customerId")
		item("deliveryCustomerId")
	case "PURCHASED_ADDON":
		field("deliveryCustomerId")
	case "VOUCHER_CAMPAIGN", "VOUCHER_CHANNEL", "CALLBACK_RENEWAL":
		return nil
	default: // shape unknown: wherever a customer's id stands by name
		links.search(root["entity"], "entity")
	}
	for _, by := range []string{"createdBy", "changedBy"} {
		if text(entity[by+"Type"]) == "CUSTOMER" { // with MERCHANT the digits are a staff account
			field(by)
		}
	}
	return links.list
}

// customerLinks collects distinct links in the order found, at most MaxCustomers.
type customerLinks struct {
	list []CustomerLink
	seen map[CustomerLink]bool
}

func (l *customerLinks) add(v any, path string) {
	link := CustomerLink{CustomerID: Clean(id(v)), Path: Clean(path)}
	if link.CustomerID == "" || l.seen[link] || len(l.list) >= MaxCustomers {
		return
	}
	if l.seen == nil {
		l.seen = map[CustomerLink]bool{}
	}
	l.seen[link] = true
	l.list = append(l.list, link)
}

// search walks an unknown tree. Names are visited in order, so that the result is the same each time.
func (l *customerLinks) search(v any, path string) {
	if len(l.list) >= MaxCustomers {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			l.search(item, path+"[]")
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			at := path + "." + name
			if len(at) > MaxField {
				continue
			}
			switch name {
			case "customerId", "invoiceCustomerId", "deliveryCustomerId":
				l.add(v[name], at)
			default:
				l.search(v[name], at)
			}
		}
	}
}
