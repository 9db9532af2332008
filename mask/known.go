package mask

import "slices"

// Where a rule is known from. The sections are of the reference of plenigo callbacks (docs/plenigo.md).
const (
	model    = "API model"
	freeText = "free text"
	dossier  = "a person's whole data"
	related  = "by its nearest relative"
	key      = "a credential"
	voucher  = "worth money"
	number   = "an identifier, needed for work"
	judged   = "Recall’s own judgement"
	byName   = "by its name"
)

func paths(entityType, why string, class Class, all ...string) []Rule {
	rules := make([]Rule, len(all))
	for i, path := range all {
		rules[i] = Rule{entityType, path, class, why}
	}
	return rules
}

// known are Recall's own rules: what docs/plenigo.md §6 has in italics and §7 names, per entity type, and names by which personal
// data is told in types that nobody knows yet, and in fields that are new. Numbers of customers and entities are
// identifiers and stay, as do the ids of orders, invoices and subscriptions.
var known = slices.Concat(
	paths("CUSTOMER", model, Personal,
		"entity.email", "entity.invoiceEmail", "entity.username", "entity.firstName", "entity.lastName", "entity.birthday",
		"entity.mobileNumber", "entity.externalSystemId", "entity.miscellaneousData.leitwegId"),
	orderRules("ORDER"),
	orderRules("CROSS_CLIENT_ORDER"),
	invoiceRules("INVOICE"),
	invoiceRules("INVOICE_CANCELLATION"),
	invoiceRules("INVOICE_CORRECTION"),
	paths("SUBSCRIPTION", model, Personal,
		"entity.externalSystemId", "entity.paymentMethodId", "entity.invoiceAddressId", "entity.deliveryAddressId",
		"entity.connectedOfferInfo.customerId"),
	paths("SUBSCRIPTION", judged, Secret, "entity.multiuserSettings.invitationUrl"), // lets into somebody's subscription
	paths("APP_STORE_ORDER", model, Personal,
		"entity.additionalStoreData.profileId", "entity.additionalStoreData.profileName", "entity.additionalStoreData.orderId"),
	paths("APP_STORE_ORDER", judged, Personal,
		"entity.additionalStoreData.userInputCancelReason", "entity.additionalStoreData.developerPayload",
		"entity.items.additionalStoreItemData.profileId", "entity.items.additionalStoreItemData.profileName",
		"entity.items.additionalStoreItemData.orderId"),
	paths("APP_STORE_SUBSCRIPTION", model, Personal, "entity.externalSystemId"),
	paths("PURCHASED_ADDON", model, Personal, "entity.trackingData.trackingId", "entity.trackingData.trackingUrl"),
	paths("PURCHASED_ADDON", freeText, Personal, "entity.trackingData.additionalData"),
	paths("TRANSACTION", model, Personal, "entity.pspTransactionId"),
	paths("TRANSACTION", freeText, Personal, "entity.description", "entity.errorMessage"),
	paths("FAILED_PAYMENT", related, Personal, "entity.pspTransactionId", "entity.paymentMethodId", "entity.description", "entity.errorMessage"),
	paths("MULTIUSER_SUBSCRIPTION", related, Personal, "entity.users"),
	paths("MULTIUSER_SUBSCRIPTION", number, Shown, "entity.users.customerId", "entity.users.status"),
	paths("MULTIUSER_SUBSCRIPTION", judged, Secret, "entity.multiuserSettings.invitationUrl"),
	paths("CUSTOMER_GDPR", dossier, Personal, "entity"),
	paths("CUSTOMER_GDPR", number, Shown, "entity.customerId", "entity.customer.customerId", "entity.promiseId"),
	voucherRules("VOUCHER_CAMPAIGN"),
	voucherRules("VOUCHER_CHANNEL"),
	// Its shape is unknown, so what is the key in it is not known either. Its entityId is none: plenigo’s own log shows it.
	paths("CALLBACK_RENEWAL", key, Secret, "**"),
	paths("CALLBACK_RENEWAL", number, Shown, "entityType", "callbackType", "entityId"),

	paths(EveryType, number, Shown, "entityType", "callbackType", "entityId"),
	paths(EveryType, model, Personal, "**.createdBy", "**.changedBy"),
	paths(EveryType, byName, Personal,
		"**.*email*", "**.*mail", "**.*address*", "**.*phone*", "**.*mobile*", "**.*fax*",
		"**.*firstName*", "**.*lastName*", "**.*surname*", "**.*givenName*", "**.*familyName*", "**.*fullName*", "**.*userName*",
		"**.*nickName*", "**.*birthName*", "**.*maidenName*", "**.*customerName*", "**.*companyName*", "**.*recipient*", "**.*contact*",
		"**.*holder*", "**.owner*", "**.name", "**.login", "**.person*",
		"**.birth*", "**.*dateOfBirth*", "**.dob", "**.age", "**.gender*", "**.sex", "**.nationality*",
		"**.*street*", "**.*postbox*", "**.*postcode*", "**.*postalCode*", "**.*zip*", "**.city", "**.town",
		"**.*iban*", "**.bic", "**.swift*", "**.*accountNumber*", "**.*cardNumber*", "**.mandate*", "**.vatNumber", "**.*taxId*", "**.*leitweg*",
		"**.ip", "**.latitude", "**.longitude", "**.geo*",
		"**.*externalSystemId*", "**.paymentMethodId", "**.pspTransactionId", "**.trackingId", "**.profileId"),
	paths(EveryType, freeText, Personal,
		"**.donorText", "**.description", "**.errorMessage", "**.customData", "**.additionalData", "**.trackingUrl",
		"**.*comment*", "**.*note", "**.notes", "**.message", "**.*freeText*"),
	paths(EveryType, byName, Secret,
		"**.*voucherCode*", "**.*couponCode*", "**.*password*", "**.*passwd*", "**.*secret*", "**.*token*", "**.*apiKey*", "**.*privateKey*",
		"**.*credential*", "**.authorization", "**.cookie*", "**.otp", "**.pin", "**.cvc", "**.cvv"),
	headerRules(),
)

// base of every type with addresses: an address is hidden whole, so that nothing of it is left to guess from.
func orderRules(entityType string) []Rule {
	return slices.Concat(
		paths(entityType, model, Personal, "entity.externalSystemId", "entity.paymentMethodId", "entity.invoiceAddress",
			"entity.giftInfo.gifteeEmail", "entity.items.deliveryAddress"),
		paths(entityType, freeText, Personal, "entity.giftInfo.donorText"),
		paths(entityType, voucher, Secret, "entity.items.voucherCode", "entity.items.voucherPurchase.voucherCode"))
}

func invoiceRules(entityType string) []Rule {
	return paths(entityType, model, Personal, "entity.paymentMethodId", "entity.customerEmail", "entity.invoiceAddress", "entity.items.deliveryAddress")
}

func voucherRules(entityType string) []Rule {
	return slices.Concat(
		paths(entityType, voucher, Secret, "**.voucherCode"),
		paths(entityType, freeText, Personal, "**.customData"))
}
