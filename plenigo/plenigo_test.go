package plenigo

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	for _, s := range Samples() {
		if s.Name == name {
			return s.Body
		}
	}
	t.Fatalf("no sample %s", name)
	return nil
}

func links(e Envelope) string {
	var b strings.Builder
	for _, c := range e.Customers {
		fmt.Fprintf(&b, "%s@%s ", c.CustomerID, c.Path)
	}
	return strings.TrimSpace(b.String())
}

func TestEverySampleIsRead(t *testing.T) {
	all := Samples()
	if len(all) != 21+6+9 {
		t.Errorf("%d samples", len(all))
	}
	for _, s := range all {
		e := Read(s.Body)
		want := strings.Split(s.Name, ".")
		if !e.IsJSON || !strings.EqualFold(e.EntityType, want[0]) || !strings.EqualFold(e.CallbackType, want[1]) {
			t.Errorf("%s read as %s.%s", s.Name, e.EntityType, e.CallbackType)
		}
		if s.Kind == "documented" && !Known(e.EntityType, e.CallbackType) {
			t.Errorf("%s is not known", s.Name)
		}
		if bytes.HasSuffix(s.Body, []byte("\n")) {
			t.Errorf("%s ends in a newline: was it reformatted?", s.Name)
		}
	}
}

func TestCustomers(t *testing.T) {
	for name, want := range map[string]string{
		"customer.creation":          "48377@entityId 48377@entity.customerId",
		"customer.deletion":          "48999@entityId",
		"order.creation.gift":        "48213@entity.invoiceCustomerId 48377@entity.items[].deliveryCustomerId",
		"subscription.creation.gift": "48213@entity.invoiceCustomerId 48377@entity.deliveryCustomerId",
		"voucher_campaign.creation":  "",
		"callback_renewal.creation":  "",
	} {
		if got := links(Read(sample(t, name))); got != want && !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"entityType":"ORDER","entity":{"createdBy":"7","createdByType":"CUSTOMER","changedBy":"10001","changedByType":"MERCHANT"}}`: "7@entity.createdBy",
		`{"entityType":"ORDER","entity":{"invoiceCustomerId":"","items":[{"deliveryCustomerId":0},{"deliveryCustomerId":5}]}}`:        "5@entity.items[].deliveryCustomerId",
		`{"entityType":"SUBSCRIPTION","entity":{"connectedOfferInfo":{"customerId":"9"}}}`:                                            "",
		`{"entityType":"NEW","entity":{"a":[{"customerId":"1"},{"customerId":"1"}],"b":{"invoiceCustomerId":2}}}`:                     "1@entity.a[].customerId 2@entity.b.invoiceCustomerId",
	} {
		if got := links(Read([]byte(body))); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestNumbersAndTexts(t *testing.T) {
	e := Read([]byte(`{"entityType":"A\u0000B","callbackType":5,"entityId":18446744073709551616,"entity":{"changedDate":"2024-08-27T11:49:41.389622Z"}}`))
	if e.EntityID != "18446744073709551616" || e.EntityType != "AB" || e.CallbackType != "" || !e.OwnTime() {
		t.Errorf("%+v", e)
	}
	if e := Read([]byte(`{"entityType":"` + strings.Repeat("ä", 200) + `"}`)); len(e.EntityType) != MaxField {
		t.Errorf("%d bytes", len(e.EntityType))
	}
	for _, body := range []string{"", "{", "\xef\xbb\xbf{}", "{} {}", "{}x", strings.Repeat("[", 1<<20), "\x00"} {
		if Read([]byte(body)).IsJSON {
			t.Errorf("%.20q is no JSON", body)
		}
	}
	if e := Read([]byte(" [1]\n")); !e.IsJSON || e.EntityType != "" {
		t.Errorf("%+v", e)
	}
}

func TestManyCustomersAreBounded(t *testing.T) {
	body := `{"entityType":"X","entity":[`
	for i := range 3000 {
		body += fmt.Sprintf(`{"customerId":%d},`, i+1)
	}
	if n := len(Read([]byte(strings.TrimSuffix(body, ",") + "]}")).Customers); n != MaxCustomers {
		t.Errorf("%d links", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range Samples() {
		f.Add(s.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := Read(body)
		for _, s := range []string{e.EntityType, e.CallbackType, e.EntityID} {
			if len(s) > MaxField || !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("%q", s)
			}
		}
		if len(e.Customers) > MaxCustomers {
			t.Errorf("%d customers", len(e.Customers))
		}
	})
}
