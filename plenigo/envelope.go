package plenigo

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Read takes out of a body what can be read. It never fails: any bytes are a callback. Numbers stay the digits they are.
// Where a name stands twice in an object, the last one counts, as with encoding/json.
func Read(body []byte) Envelope {
	if !json.Valid(body) { // it also bounds how deep values lie in each other
		return Envelope{}
	}
	root := object{}
	root.read(gjson.ParseBytes(body), "entityType", "callbackType", "entityId", "entity")
	entity := object{}
	entity.read(root["entity"], "changedDate", "customerId", "invoiceCustomerId", "deliveryCustomerId", "items",
		"createdBy", "createdByType", "changedBy", "changedByType")
	e := Envelope{
		IsJSON:       true,
		EntityType:   Clean(text(root["entityType"])),
		CallbackType: Clean(text(root["callbackType"])),
		EntityID:     Clean(id(root["entityId"])),
	}
	e.ChangedAt, _ = time.Parse(time.RFC3339Nano, text(entity["changedDate"]))
	if y := e.ChangedAt.Year(); y < 1 || y > 9999 {
		e.ChangedAt = time.Time{}
	}
	e.Customers = customers(e.EntityType, root, entity)
	return e
}

// object holds the wanted fields of a JSON object.
type object map[string]gjson.Result

// read takes fields by name; of anything but an object it takes none.
func (o object) read(v gjson.Result, names ...string) {
	if !v.IsObject() {
		return
	}
	v.ForEach(func(name, value gjson.Result) bool {
		if slices.Contains(names, name.Str) {
			o[name.Str] = value
		}
		return true
	})
}

// text is a JSON string's text, or nothing.
func text(v gjson.Result) string {
	if v.Type != gjson.String {
		return ""
	}
	return v.Str
}

// id is an identifier sent as a JSON string or number. Empty and zero mean "not set" (REFERENCE §2).
func id(v gjson.Result) string {
	s := ""
	switch v.Type {
	case gjson.String:
		s = v.Str
	case gjson.Number:
		s = v.Raw // the digits as sent
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
func customers(entityType string, root, entity object) []CustomerLink {
	var links customerLinks
	item := func(field string) {
		if !entity["items"].IsArray() {
			return
		}
		entity["items"].ForEach(func(_, item gjson.Result) bool {
			o := object{}
			o.read(item, field)
			links.add(o[field], "entity.items[]."+field)
			return true
		})
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
type customerLinks struct{ list []CustomerLink }

func (l *customerLinks) add(v gjson.Result, path string) {
	link := CustomerLink{CustomerID: Clean(id(v)), Path: Clean(path)}
	if link.CustomerID == "" || len(l.list) >= MaxCustomers || slices.Contains(l.list, link) {
		return
	}
	l.list = append(l.list, link)
}

// search walks an unknown tree, in the order of the body.
func (l *customerLinks) search(v gjson.Result, path string) {
	if len(l.list) >= MaxCustomers || len(path) > MaxField {
		return
	}
	switch {
	case v.IsArray():
		v.ForEach(func(_, item gjson.Result) bool {
			l.search(item, path+"[]")
			return len(l.list) < MaxCustomers
		})
	case v.IsObject():
		v.ForEach(func(name, value gjson.Result) bool {
			switch at := path + "." + name.Str; name.Str {
			case "customerId", "invoiceCustomerId", "deliveryCustomerId":
				l.add(value, at)
			default:
				l.search(value, at)
			}
			return len(l.list) < MaxCustomers
		})
	}
}
