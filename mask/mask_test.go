package mask_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"recall/diff"
	"recall/filter"
	"recall/mask"
	"recall/plenigo"
)

const (
	c      = `"` + mask.Cover + `"`
	secret = `"` + mask.SecretCover + `"`
)

func TestBody(t *testing.T) {
	t.Parallel()
	nothing, personal := mask.Reveal{}, mask.Reveal{Personal: true}
	for name, test := range map[string]struct {
		body, want string
		show       mask.Reveal
	}{
		"order, blanks and numbers stay": {
			"{ \"entityType\":\"TRANSACTION\",\n\"entity\": {\"sortKey\":20250304091530120045, \"amount\":1.50e1,\"pspTransactionId\" : \"pi_1\",\"description\":\"An Anna\"} }",
			"{ \"entityType\":\"TRANSACTION\",\n\"entity\": {\"sortKey\":20250304091530120045, \"amount\":1.50e1,\"pspTransactionId\" : " + c + ",\"description\":" + c + "} }", nothing},
		"all look the same":                                {`{"entityType":"CUSTOMER","entity":{"email":"a@b.de","birthday":7,"firstName":true,"lastName":"A long one"}}`, `{"entityType":"CUSTOMER","entity":{"email":` + c + `,"birthday":` + c + `,"firstName":` + c + `,"lastName":` + c + `}}`, nothing},
		"nothing there is shown":                           {`{"entityType":"CUSTOMER","entity":{"email":"","birthday":null}}`, `{"entityType":"CUSTOMER","entity":{"email":"","birthday":null}}`, nothing},
		"an address whole, also its country and its false": {`{"entityType":"ORDER","entity":{"items":[{"position":1,"deliveryAddress":{"country":"DE","businessAddress":false}}]}}`, `{"entityType":"ORDER","entity":{"items":[{"position":1,"deliveryAddress":{"country":` + c + `,"businessAddress":` + c + `}}]}}`, nothing},
		"both of a name twice":                             {`{"entityType":"CUSTOMER","entity":{"email":"a","email":"b"}}`, `{"entityType":"CUSTOMER","entity":{"email":` + c + `,"email":` + c + `}}`, nothing},
		"a name written with escapes":                      {`{"entityType":"CUSTOMER","entity":{"em\u0061il":"a"}}`, `{"entityType":"CUSTOMER","entity":{"em\u0061il":` + c + `}}`, nothing},
		"numbers of customers stay":                        {`{"entityType":"CUSTOMER","entityId":"48213","entity":{"customerId":"48213"}}`, `{"entityType":"CUSTOMER","entityId":"48213","entity":{"customerId":"48213"}}`, nothing},
		"a type nobody knows":                              {`{"entityType":"X","entity":{"first_name":"A","E-Mail":"B","list":[{"IBAN":"C"}],"productId":"P"}}`, `{"entityType":"X","entity":{"first_name":` + c + `,"E-Mail":` + c + `,"list":[{"IBAN":` + c + `}],"productId":"P"}}`, nothing},
		"a mail address anywhere":                          {`{"entityType":"X","entity":{"z":"ask anna@example.org","p@example.org":1}}`, `{"entityType":"X","entity":{"z":` + c + `,` + c + `:1}}`, nothing},
		"no mail address":                                  {`{"entityType":"X","z":["@","a@","@b","a@b","GPA.1@2"]}`, `{"entityType":"X","z":["@","a@","@b","a@b","GPA.1@2"]}`, nothing},
		"a type in other letters":                          {`{"entityType":"transaction","entity":{"pspTransactionId":"1"}}`, `{"entityType":"transaction","entity":{"pspTransactionId":` + c + `}}`, nothing},
		"a key whole":                                      {`{"entityType":"CALLBACK_RENEWAL","callbackType":"CREATION","entityId":"1","entity":{"any":["k"]}}`, `{"entityType":"CALLBACK_RENEWAL","callbackType":"CREATION","entityId":"1","entity":{"any":[` + secret + `]}}`, personal},
		"secrets are not among it":                         {`{"entityType":"VOUCHER_CHANNEL","entity":{"customData":"An Anna","multiVoucher":{"voucherCode":"BLAU"}}}`, `{"entityType":"VOUCHER_CHANNEL","entity":{"customData":"An Anna","multiVoucher":{"voucherCode":` + secret + `}}}`, personal},
		"secrets alone":                                    {`{"entityType":"VOUCHER_CHANNEL","entity":{"customData":"An Anna","multiVoucher":{"voucherCode":"BLAU"}}}`, `{"entityType":"VOUCHER_CHANNEL","entity":{"customData":` + c + `,"multiVoucher":{"voucherCode":"BLAU"}}}`, mask.Reveal{Secrets: true}},
		"an array":                                         {`[{"email":"a"}]`, `[{"email":` + c + `}]`, nothing},
		"no JSON":                                          {`email=a`, ``, nothing},
		"cut off":                                          {`{"entity":{"z":1`, ``, nothing},
		"a value alone":                                    {`"Anna"`, ``, nothing},
		"no JSON, revealed":                                {`email=a`, `email=a`, personal},
		"too deep to be gone into":                         {strings.Repeat(`{"a":`, 200) + `"x"` + strings.Repeat(`}`, 200), strings.Repeat(`{"a":`, 100) + c + strings.Repeat(`}`, 100), nothing},
	} {
		got, _ := mask.Default().Body([]byte(test.body), test.show)
		if string(got) != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

func TestOwnRules(t *testing.T) {
	t.Parallel()
	body := `{"entityType":"CUSTOMER","entity":{"email":"a@b.de","status":"BLOCKED","miscellaneousData":{"leitwegId":"1","x":"a@b.de"}}}`
	for name, test := range map[string]struct {
		rules []mask.Rule
		want  string
	}{
		"one shown":             {[]mask.Rule{{EntityType: "customer", Path: "entity.email", Class: mask.Shown}}, `{"email":"a@b.de","status":"BLOCKED","miscellaneousData":{"leitwegId":` + c + `,"x":` + c + `}}`},
		"one hidden":            {[]mask.Rule{{EntityType: "CUSTOMER", Path: "entity.status", Class: mask.Personal}}, `{"email":` + c + `,"status":` + c + `,"miscellaneousData":{"leitwegId":` + c + `,"x":` + c + `}}`},
		"of another type":       {[]mask.Rule{{EntityType: "ORDER", Path: "entity.status", Class: mask.Personal}}, `{"email":` + c + `,"status":"BLOCKED","miscellaneousData":{"leitwegId":` + c + `,"x":` + c + `}}`},
		"all below":             {[]mask.Rule{{EntityType: "CUSTOMER", Path: "entity.miscellaneousData", Class: mask.Shown}}, `{"email":` + c + `,"status":"BLOCKED","miscellaneousData":{"leitwegId":"1","x":"a@b.de"}}`},
		"the type before all":   {[]mask.Rule{{EntityType: "*", Path: "**", Class: mask.Shown}, {EntityType: "CUSTOMER", Path: "**.x", Class: mask.Secret}}, `{"email":"a@b.de","status":"BLOCKED","miscellaneousData":{"leitwegId":"1","x":` + secret + `}}`},
		"deeper before shorter": {[]mask.Rule{{EntityType: "CUSTOMER", Path: "entity", Class: mask.Personal}, {EntityType: "CUSTOMER", Path: "entity.sta*", Class: mask.Shown}}, `{"email":` + c + `,"status":"BLOCKED","miscellaneousData":{"leitwegId":` + c + `,"x":` + c + `}}`},
	} {
		rules, err := mask.New(test.rules)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := rules.Body([]byte(body), mask.Reveal{})
		if want := `{"entityType":"CUSTOMER","entity":` + test.want + `}`; string(got) != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
	for name, rule := range map[string]mask.Rule{
		"no type":        {Path: "a", Class: mask.Shown},
		"two words":      {EntityType: "A B", Path: "a", Class: mask.Shown},
		"no class":       {EntityType: "A", Path: "a"},
		"no path":        {EntityType: "A", Class: mask.Shown},
		"an empty name":  {EntityType: "A", Path: "a..b", Class: mask.Shown},
		"** in between":  {EntityType: "A", Path: "a.**.b", Class: mask.Shown},
		"** in a name":   {EntityType: "A", Path: "**a", Class: mask.Shown},
		"a line further": {EntityType: "A", Path: "a\nb", Class: mask.Shown},
	} {
		if _, err := mask.New([]mask.Rule{rule}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestReference: whatever the reference has in italics is hidden, but for the numbers of customers.
func TestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/plenigo.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)\n## 6\. Entities\n(.*?)\n## 7\.`).FindSubmatch(text)
	if section == nil {
		t.Fatal("no section 6")
	}
	types := map[string][]string{
		"Customer": {"CUSTOMER"}, "OptIns": {"CUSTOMER_OPT_IN"}, "Order": {"ORDER", "CROSS_CLIENT_ORDER"},
		"Invoice": {"INVOICE", "INVOICE_CANCELLATION", "INVOICE_CORRECTION"}, "Subscription": {"SUBSCRIPTION"},
		"AppStoreOrder": {"APP_STORE_ORDER"}, "AppStoreSubscription": {"APP_STORE_SUBSCRIPTION"}, "PurchasedAddon": {"PURCHASED_ADDON"},
		"Transaction": {"TRANSACTION"},
	}
	within := map[string]string{ // the names that stand in another object
		"leitwegId": "miscellaneousData", "donorText": "giftInfo", "gifteeEmail": "giftInfo", "deliveryAddress": "items", "trackingId": "trackingData",
		"trackingUrl": "trackingData", "profileId": "additionalStoreData", "profileName": "additionalStoreData", "orderId": "additionalStoreData",
	}
	italics, rules, found := regexp.MustCompile(`(^|[^*])\*([a-zA-Z]+)\*([^*]|$)`), mask.Default(), 0
	for _, part := range regexp.MustCompile(`\n\n`).Split(string(section[1]), -1) {
		head := regexp.MustCompile(`^\s*\*\*([A-Za-z]+)\*\*`).FindStringSubmatch(part)
		if head == nil {
			continue
		}
		for _, entityType := range types[head[1]] {
			for _, m := range italics.FindAllStringSubmatch(part, -1) {
				path := []string{"entity", m[2]}
				if in := within[m[2]]; in != "" {
					path = []string{"entity", in, m[2]}
				}
				if m[2] == "customerId" {
					continue // an identifier
				}
				if found++; rules.Class(entityType, path...) == mask.Shown {
					t.Errorf("%s %s is shown", entityType, strings.Join(path, "."))
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d names found", found)
	}
	if rules.Class("SUBSCRIPTION", "entity", "connectedOfferInfo", "customerId") == mask.Shown {
		t.Error("the number of another company's customer is shown")
	}
}

// TestSamples: of the people in the samples nothing is left.
func TestSamples(t *testing.T) {
	t.Parallel()
	people := []string{"Weißh", "weissh", "Jürgen", "Ölmühl", "Çelik", "Zoë", "zoe@", "Sørensen", "sørensen", "Pål", "Tanaka", "1979-03-21", "+49", "80331", "@example",
		"QB4K-9XTM", "ZL2W", "BLAU-WEIS", "NOT-A-REAL-TOKEN", "GPA.", "110293847561029384756", "pi_3Qz", "Konto aufgelöst", "Übergabe", "einladung"}
	for _, s := range plenigo.Samples() {
		got, _ := mask.Default().Body(s.Body, mask.Reveal{})
		for _, person := range people {
			if bytes.Contains(got, []byte(person)) {
				t.Errorf("%s: %s is left in\n%s", s.Name, person, got)
			}
		}
		id, after := plenigo.Read(s.Body), plenigo.Read(got)
		if after.EntityType != id.EntityType || after.EntityID != id.EntityID || after.CallbackType != id.CallbackType || !after.ChangedAt.Equal(id.ChangedAt) {
			t.Errorf("%s: what it is about is hidden: %s", s.Name, got)
		}
		if all, _ := mask.Default().Body(s.Body, mask.Everything); !bytes.Equal(all, s.Body) {
			t.Errorf("%s revealed is another", s.Name)
		}
	}
}

func TestTreeIsBody(t *testing.T) {
	t.Parallel()
	rules := mask.Default()
	for _, s := range plenigo.Samples() {
		masked, found := rules.Body(s.Body, mask.Reveal{})
		want, _ := diff.Parse(masked)
		got, _ := diff.Parse(s.Body)
		if again := rules.Tree(got, mask.Reveal{}); again != found {
			t.Errorf("%s: %+v, %+v", s.Name, again, found)
		}
		if list, _ := diff.CompareValues(want, want, diff.Options{}).Changes(1); len(list) > 0 || render(got) != render(want) {
			t.Errorf("%s:\n%s\nwant\n%s", s.Name, render(got), render(want))
		}
	}
}

func render(v *diff.Value) string {
	var b strings.Builder
	switch {
	case len(v.Members) > 0:
		for _, m := range v.Members {
			b.WriteString(string(m.RawName) + ":" + render(&m.Value) + ",")
		}
	case len(v.Items) > 0:
		for i := range v.Items {
			b.WriteString(render(&v.Items[i]) + ";")
		}
	default:
		return string(v.Raw)
	}
	return "{" + b.String() + "}"
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	rules, err := mask.New([]mask.Rule{{EntityType: "Headers", Path: "X-Shop*", Class: mask.Shown}, {EntityType: "headers", Path: "user-agent", Class: mask.Personal}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]mask.Class{
		"Content-Type": mask.Shown, "Plenigo-Signature": mask.Shown, "X-Hub-Signature-256": mask.Shown, "Webhook-Id": mask.Shown,
		"Authorization": mask.Secret, "Cookie": mask.Secret, "X-Api-Key": mask.Secret, "Webhook-Secret": mask.Secret,
		"X-Forwarded-For": mask.Personal, "X-Whatever": mask.Personal, "Referer": mask.Personal,
		"X-Shop-Name": mask.Shown, "User-Agent": mask.Personal,
	} {
		if got := rules.Header(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	got := rules.Headers(map[string][]string{"Authorization": {"Basic YTpi", "Basic", "YTpi"}, "X-User": {"Anna"}, "Accept": {"*/*"}}, mask.Reveal{})
	if !slices.Equal(got["Authorization"], []string{"Basic " + mask.SecretCover, mask.SecretCover, mask.SecretCover}) || got.Get("X-User") != mask.Cover || got.Get("Accept") != "*/*" {
		t.Errorf("%v", got)
	}
}

// FuzzBody: nothing hidden is left, the rest stays as it is, and what is no JSON is hidden whole.
func FuzzBody(f *testing.F) {
	for _, s := range plenigo.Samples() {
		f.Add(s.Body)
	}
	f.Add([]byte(`{"entityType":"CALLBACK_RENEWAL","a":{"b@c.de":[1,"\ud800",{"":"x"}]}}`))
	rules := mask.Default()
	f.Fuzz(func(t *testing.T, body []byte) {
		got, found := rules.Body(body, mask.Reveal{})
		if !json.Valid(body) {
			if got != nil && len(body) > 0 {
				t.Fatalf("no JSON, and yet %q", got)
			}
			return
		}
		if found.Whole {
			if got != nil {
				t.Fatalf("hidden whole, and yet %q", got)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("no JSON any more: %q", got)
		}
		if again, _ := rules.Body(got, mask.Reveal{}); !bytes.Equal(again, got) {
			t.Fatalf("hidden twice is another: %q, %q", got, again)
		}
		if whole, _ := rules.Body(body, mask.Everything); !bytes.Equal(whole, body) {
			t.Fatalf("revealed is another: %q", whole)
		}
		// Each value is either what it was or covered, and those that rules hide are.
		were, are := slices.Collect(filter.Scalars(body)), slices.Collect(filter.Scalars(got))
		if len(were) == len(are) {
			for i := range were {
				if !strings.HasPrefix(are[i].Text, mask.Cover) && are[i].Text != were[i].Text {
					t.Fatalf("%q became %q", were[i].Text, are[i].Text)
				}
				if regexp.MustCompile(`(?i)^entity\.(first_?name|e-?mail|vouchercode)$`).MatchString(were[i].Path) && were[i].Text != "" && were[i].Kind != filter.KindNull && !strings.HasPrefix(are[i].Text, mask.Cover) {
					t.Fatalf("%s is not hidden: %q", were[i].Path, got)
				}
			}
		}
	})
}
