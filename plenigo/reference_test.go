package plenigo

import "testing"

func TestRefers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entityType, path, by, want string }{
		{"ORDER", "entityId", "", "ORDER"},
		{"", "entityId", "", ""},
		{"ORDER", "entity.items[].deliveryCustomerId", "", "CUSTOMER"},
		{"ORDER", "entity.orderId", "", "ORDER"},
		{"ORDER", "entity.items[].voucherUsage.purchaseOrderId", "", "ORDER"},
		{"ORDER", "entity.items[].productId", "", ""},
		{"ORDER", "orderId", "", ""},
		{"SUBSCRIPTION", "entity.connectedOfferInfo.customerId", "", ""},
		{"SUBSCRIPTION", "entity.successorId", "", "SUBSCRIPTION"},
		{"SUBSCRIPTION", "entity.items[].chainId", "", ""},
		{"APP_STORE_ORDER", "entity.additionalStoreData.orderId", "", ""},
		{"APP_STORE_SUBSCRIPTION", "entity.chainId", "", ""},
		{"INVOICE", "entity.invoiceId", "", "INVOICE"},
		{"INVOICE_CANCELLATION", "entity.invoiceId", "", ""},
		{"INVOICE_CANCELLATION", "entity.precursorId", "", "INVOICE"},
		{"INVOICE", "entity.successorId", "", ""},
		{"CUSTOMER", "entity.changedBy", "CUSTOMER", "CUSTOMER"},
		{"CUSTOMER", "entity.changedBy", "MERCHANT", ""},
		{"SUBSCRIPTION", "entity.items[].createdBy", "CUSTOMER", "CUSTOMER"},
		{"VOUCHER_CAMPAIGN", "entity.vouchers[].orderId", "", "ORDER"},
		{"VOUCHER_CAMPAIGN", "entity.customerId", "", ""},
		{"CALLBACK_RENEWAL", "entity.customerId", "", ""},
		{"SOMETHING_NEW", "entity.a.customerId", "", "CUSTOMER"},
	} {
		sibling := func(string) string { return c.by }
		if got := Refers(c.entityType, c.path, sibling); got != c.want {
			t.Errorf("%s %s (by %q): %q, want %q", c.entityType, c.path, c.by, got, c.want)
		}
	}
}
