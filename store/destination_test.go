package store_test

import (
	"errors"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestDestinationRoundTrip(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	everything := ""
	d := crm()
	must(t, db.CreateDestination(t.Context(), d))
	bare := &store.Destination{
		Name: "bare", URL: "http://[::1]:8000", Match: &everything, Signing: store.SigningNone, Timeout: store.MinTimeout,
		State: store.DestinationActive,
	}
	must(t, db.CreateDestination(t.Context(), bare))
	manual := &store.Destination{
		Name: "manual", URL: "https://manual.example", Signing: store.SigningPlenigo, Timeout: store.MaxTimeout, State: store.DestinationBroken,
	}
	must(t, db.CreateDestination(t.Context(), manual))
	if d.ID == 0 || !d.CreatedAt.Equal(noon) || d.Revision == 0 {
		t.Errorf("created with id %d at %s, revision %d", d.ID, d.CreatedAt, d.Revision)
	}
	if bare.Method != http.MethodPost || bare.Ordering != store.OrderAny {
		t.Errorf("left out: method %q, order %q", bare.Method, bare.Ordering)
	}

	for _, want := range []*store.Destination{d, bare, manual} {
		byName, err := db.FindDestination(t.Context(), want.Name)
		must(t, err)
		byID, err := db.FindDestinationByID(t.Context(), want.ID)
		must(t, err)
		if !reflect.DeepEqual(byName, want) || !reflect.DeepEqual(byID, want) {
			t.Errorf("got  %+v\nand  %+v\nwant %+v", byName, byID, want)
		}
	}
	all, err := db.ListDestinations(t.Context())
	must(t, err)
	if !reflect.DeepEqual(all, []*store.Destination{bare, d, manual}) {
		t.Errorf("listed %v, want bare, crm, manual", all)
	}
}

func TestUpdateDestination(t *testing.T) {
	db := storetest.New(t)
	d := crm()
	must(t, db.CreateDestination(t.Context(), d))
	other := crm()
	other.Name = "other"
	must(t, db.CreateDestination(t.Context(), other))

	before := *d
	d.Name, d.URL, d.Match, d.Signing, d.State, d.Demo = "crm-2", "https://crm2.example", nil, store.SigningNone, store.DestinationActive, false
	d.Method, d.Secrets, d.PassSignature, d.ClearHeaders, d.MaxRate, d.MaxConcurrency, d.Ordering = "", nil, false, nil, 0, 0, ""
	d.Timeout, d.RetrySchedule = 1500*time.Millisecond, []time.Duration{time.Second}
	d.Headers = []verify.Header{{Name: "x-b", Value: "s3cret-b"}}
	must(t, db.UpdateDestination(t.Context(), d))
	want := *d
	want.Headers, want.Method, want.Ordering = []verify.Header{{Name: "X-B", Value: "s3cret-b"}}, http.MethodPost, store.OrderAny
	want.State = store.DestinationPaused // which is not a setting
	if want.Revision != before.Revision+1 {
		t.Errorf("revision %d after %d", want.Revision, before.Revision)
	}
	if got, err := db.FindDestination(t.Context(), "crm-2"); err != nil || !reflect.DeepEqual(got, &want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, &want)
	}
	if got, err := db.FindDestination(t.Context(), "other"); err != nil || !reflect.DeepEqual(got, other) {
		t.Errorf("the other one changed too: %+v, %v", got, err)
	}

	d.Headers, d.RetrySchedule = nil, nil
	must(t, db.UpdateDestination(t.Context(), d))
	if got, err := db.FindDestination(t.Context(), "crm-2"); err != nil || got.Headers != nil || got.RetrySchedule != nil {
		t.Errorf("headers and waits that were left out are still there: %+v, %v", got, err)
	}
	d.Name = "other"
	if err := db.UpdateDestination(t.Context(), d); !errors.Is(err, store.ErrExists) {
		t.Errorf("renamed to a name in use: %v, want %v", err, store.ErrExists)
	}
	if err := db.UpdateDestination(t.Context(), &before); !errors.Is(err, store.ErrChanged) {
		t.Errorf("changed from an older revision: %v, want %v", err, store.ErrChanged)
	}
}

func TestDestinationState(t *testing.T) {
	db := storetest.New(t)
	at := noon
	db.Now = func() time.Time { return at }
	d := crm()
	must(t, db.CreateDestination(t.Context(), d))
	at = noon.Add(time.Hour)
	note := store.AuditEntry{Actor: "anna", Action: "destination.state", Subject: "crm"}
	for _, want := range []struct {
		state   store.DestinationState
		reason  string
		changed bool
	}{
		{store.DestinationPaused, "again", false},
		{store.DestinationBroken, "it answers 500", true},
		{store.DestinationBroken, "it answers 502", false},
		{store.DestinationActive, "", true},
	} {
		changed, err := db.SetDestinationState(t.Context(), d.ID, want.state, want.reason, note)
		if err != nil || changed != want.changed {
			t.Errorf("%s: %v, %v; want %v", want.state, changed, err, want.changed)
		}
		got, err := db.FindDestination(t.Context(), "crm")
		must(t, err)
		if got.State != want.state || want.changed && (got.StateReason != want.reason || !got.StateSince.Equal(at)) || got.Revision != d.Revision {
			t.Errorf("%s: %s because %q since %s, revision %d", want.state, got.State, got.StateReason, got.StateSince, got.Revision)
		}
	}
	if list, err := db.ListAudit(t.Context(), "crm", 0); err != nil || len(list) != 2 {
		t.Errorf("noted %d, %v; want what changed", len(list), err)
	}
	if _, err := db.SetDestinationState(t.Context(), d.ID+1, store.DestinationActive, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	must(t, db.UpdateDestination(t.Context(), d)) // its settings are as they were read
}

func TestRotateDestination(t *testing.T) {
	d := &store.Destination{}
	keys := func(at time.Time) string {
		var list []string
		for _, s := range d.ValidSecrets(at) {
			list = append(list, s.Key)
		}
		return strings.Join(list, " ")
	}
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	d.Rotate("a", 24*time.Hour, noon)
	d.Rotate("b", 24*time.Hour, hour(1))
	d.Rotate("c", 2*time.Hour, hour(2))
	for at, want := range map[int]string{2: "c b a", 3: "c b a", 4: "c", 1000: "c"} {
		if got := keys(hour(at)); got != want {
			t.Errorf("after %d h: %q, want %q", at, got, want)
		}
	}
	d.Rotate("d", 0, hour(5))
	if len(d.Secrets) != 1 || keys(hour(5)) != "d" {
		t.Errorf("%+v", d.Secrets)
	}
}

func TestRemovedDestination(t *testing.T) {
	db := storetest.New(t)
	d := crm()
	must(t, db.CreateDestination(t.Context(), d))
	must(t, db.RemoveDestination(t.Context(), "crm"))
	_, byName := db.FindDestination(t.Context(), "crm")
	_, byID := db.FindDestinationByID(t.Context(), d.ID)
	for name, err := range map[string]error{
		"found by name": byName, "found by id": byID,
		"changed": db.UpdateDestination(t.Context(), d), "removed again": db.RemoveDestination(t.Context(), "crm"),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want %v", name, err, store.ErrNotFound)
		}
	}
	if all, err := db.ListDestinations(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("listed %v, %v", all, err)
	}
	must(t, db.CreateDestination(t.Context(), crm()))
}

func TestMissingDestination(t *testing.T) {
	db := storetest.New(t)
	must(t, db.CreateDestination(t.Context(), crm()))
	for name, wanted := range map[string]string{"unknown": "nobody", "other case": "CRM", "empty": "", "NUL": "crm\x00", "no UTF-8": "\xff"} {
		_, err := db.FindDestination(t.Context(), wanted)
		if removed := db.RemoveDestination(t.Context(), wanted); !errors.Is(err, store.ErrNotFound) || !errors.Is(removed, store.ErrNotFound) {
			t.Errorf("%s: found %v, removed %v; want %v", name, err, removed, store.ErrNotFound)
		}
	}
	if _, err := db.FindDestinationByID(t.Context(), 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("id 0: %v, want %v", err, store.ErrNotFound)
	}
}

func TestCreatingOneDestinationAtOnce(t *testing.T) {
	db := storetest.New(t)
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = db.CreateDestination(t.Context(), crm()) })
	}
	group.Wait()
	made := 0
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, store.ErrExists):
			t.Errorf("got %v, want %v", err, store.ErrExists)
		}
	}
	if made != 1 {
		t.Errorf("%d were made, want 1", made)
	}
}

func TestUnreadableDestination(t *testing.T) {
	url := storetest.URL(t)
	db, _ := open(t, url, storetest.Key())
	d := crm()
	d.State = store.DestinationActive
	must(t, db.CreateDestination(t.Context(), d))
	bare := crm()
	bare.Name, bare.Headers, bare.Secrets, bare.Signing = "bare", nil, nil, store.SigningPlenigo
	must(t, db.CreateDestination(t.Context(), bare))

	reader, log := open(t, url, otherKey(t))
	got, err := reader.FindDestination(t.Context(), "crm")
	must(t, err)
	if !got.Unreadable || got.State != store.DestinationBroken || got.Headers != nil || got.Secrets != nil {
		t.Errorf("got %+v, want it unreadable and broken", got)
	}
	if n := strings.Count(log.String(), "destination=crm"); n != 1 || strings.Contains(log.String(), "s3cret") {
		t.Errorf("want one line without values about it, got:\n%s", log)
	}
	if err := db.UpdateDestination(t.Context(), got); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("changing it: %v, want a refusal", err)
	}
	if got, err := reader.FindDestination(t.Context(), "bare"); err != nil || got.Unreadable {
		t.Errorf("a destination without headers: %+v, %v; want it readable", got, err)
	}
	moved, err := db.Pool().Exec(t.Context(), `
		UPDATE destinations SET headers_sealed = (SELECT headers_sealed FROM destinations WHERE name = 'crm') WHERE name = 'bare'`)
	if err != nil || moved.RowsAffected() != 1 {
		t.Fatal(moved, err)
	}
	if got, err := db.FindDestination(t.Context(), "bare"); err != nil || !got.Unreadable {
		t.Errorf("with the headers of another destination: %+v, %v; want it unreadable", got, err)
	}
}

func TestDestinationWithWrongSettingsIsRefused(t *testing.T) {
	db := storetest.New(t)
	d := crm()
	must(t, db.CreateDestination(t.Context(), d))
	url := func(u string) func(*store.Destination) { return func(d *store.Destination) { d.URL = u } }
	header := func(name, value string) func(*store.Destination) {
		return func(d *store.Destination) { d.Headers = []verify.Header{{Name: name, Value: value}} }
	}
	secret := func(key string) func(*store.Destination) {
		return func(d *store.Destination) { d.Secrets = []store.SigningSecret{{Key: key}} }
	}
	for name, test := range map[string]struct {
		change func(*store.Destination)
		want   string
	}{
		"no name":          {func(d *store.Destination) { d.Name = "" }, `name ""`},
		"capitals":         {func(d *store.Destination) { d.Name = "CRM" }, "lower-case letters"},
		"no URL":           {url(""), "URL is empty"},
		"no scheme":        {url("crm.example/in"), "http or https"},
		"other scheme":     {url("ftp://crm.example"), "http or https"},
		"no host":          {url("https:///in"), "a host"},
		"port and no host": {url("https://:8000/in"), "a host"},
		"opaque":           {url("https:crm.example"), "a host"},
		"user":             {url("https://anna:s3cret@crm.example"), "in a header"},
		"fragment":         {url("https://crm.example/#s3cret"), "no fragment"},
		"empty fragment":   {url("https://crm.example/#"), "no fragment"},
		"blank":            {url("https://crm.example/s3cret\n"), "cannot be read"},
		"broken host":      {url("https://crm example/s3cret"), "cannot be read"},
		"no UTF-8":         {url("https://crm.example/\xff"), "cannot be read"},
		"port 0":           {url("https://crm.example:0"), "port"},
		"port 65536":       {url("https://crm.example:65536"), "between 1 and 65535"},
		"long URL":         {url("https://crm.example/" + strings.Repeat("a", store.MaxURL)), "longer than 2000 bytes"},
		"wrong rule":       {func(d *store.Destination) { d.Match = new("nonsense:1") }, "matching rule"},
		"rule with NUL":    {func(d *store.Destination) { d.Match = new("source:a\x00") }, "matching rule"},
		"other method":     {func(d *store.Destination) { d.Method = "GET" }, "POST, PUT, PATCH"},
		"no signing":       {func(d *store.Destination) { d.Signing = "" }, "plenigo, standard-webhooks, none"},
		"no secret":        {func(d *store.Destination) { d.Secrets = nil }, "needs a secret of the destination's own"},
		"secret no base64": {secret("whsec_s3cret"), "leave it empty to let one be made"},
		"secret too short": {secret("whsec_czNjcmV0"), "24 to 64"},
		"secret too long":  {secret("whsec_" + strings.Repeat("czNjcmV0", 11)), "24 to 64"},
		"secret and blank": {secret("whsec_czNjcmV0LW9sZC1zM2NyZXQtb2xkLXMzY3JldA== "), "a blank"},
		"secret of lines": {func(d *store.Destination) {
			d.Signing, d.Secrets = store.SigningPlenigo, []store.SigningSecret{{Key: "s3cret\nb"}}
		}, "one line"},
		"long secret": {func(d *store.Destination) {
			d.Signing, d.Secrets = store.SigningPlenigo, []store.SigningSecret{{Key: strings.Repeat("s3cret", 100)}}
		}, "longer than 500 bytes"},
		"many secrets":      {func(d *store.Destination) { d.Secrets = slices.Repeat(d.Secrets, 6) }, "at most 10"},
		"negative rate":     {func(d *store.Destination) { d.MaxRate = -1 }, "from 0.001 to 10000"},
		"no rate at all":    {func(d *store.Destination) { d.MaxRate = math.NaN() }, "from 0.001 to 10000"},
		"high rate":         {func(d *store.Destination) { d.MaxRate = 1e6 }, "from 0.001 to 10000"},
		"negative at once":  {func(d *store.Destination) { d.MaxConcurrency = -1 }, "from 1 to 500"},
		"many at once":      {func(d *store.Destination) { d.MaxConcurrency = 501 }, "from 1 to 500"},
		"other order":       {func(d *store.Destination) { d.Ordering = "newest" }, "any or entity"},
		"no state":          {func(d *store.Destination) { d.State = "" }, "active, paused, broken"},
		"no time-out":       {func(d *store.Destination) { d.Timeout = 0 }, "between 100ms and 5m0s"},
		"long time-out":     {func(d *store.Destination) { d.Timeout = time.Hour }, "between 100ms and 5m0s"},
		"broken time-out":   {func(d *store.Destination) { d.Timeout = time.Second + 1 }, "whole milliseconds"},
		"many retries":      {func(d *store.Destination) { d.RetrySchedule = make([]time.Duration, store.MaxRetries+1) }, "at most 30"},
		"no wait":           {func(d *store.Destination) { d.RetrySchedule = []time.Duration{time.Second, 0} }, "between 1s"},
		"long wait":         {func(d *store.Destination) { d.RetrySchedule = []time.Duration{store.MaxRetryWait + time.Second} }, "between 1s"},
		"broken wait":       {func(d *store.Destination) { d.RetrySchedule = []time.Duration{1500 * time.Millisecond} }, "whole seconds"},
		"no header name":    {header("X A", "s3cret"), "not a header name"},
		"no header value":   {header("X-A", ""), "X-A is empty"},
		"two header lines":  {header("X-A", "s3cret\r\nX-B: b"), "line break"},
		"value not UTF-8":   {header("X-A", "s3cret\xff"), "not valid UTF-8"},
		"connection header": {header("host", "s3cret"), "Host cannot be chosen: it belongs to the connection"},
		"header of ours":    {header("recall-event", "s3cret"), "Recall-Event cannot be chosen: it begins with Recall-"},
		"signature":         {header("plenigo-signature", "s3cret"), "where the signing is plenigo"},
		"other signature":   {header("webhook-id", "s3cret"), "where the signing is standard-webhooks"},
		"content type":      {header("content-type", "s3cret"), "as the event has it"},
		"idempotency key":   {header("idempotency-key", "s3cret"), "the same for every try"},
		"long header":       {header("X-A", strings.Repeat("s3cret", 2000)), "longer than 8 KiB"},
		"many headers":      {func(d *store.Destination) { d.Headers = make([]verify.Header, 50) }, "at most 50"},
		"clear header twice": {func(d *store.Destination) {
			d.ClearHeaders = []verify.Header{{Name: "x-a", Value: "s3cret"}}
		}, "X-A is there twice"},
		"header twice": {func(d *store.Destination) {
			d.Headers = []verify.Header{{Name: "X-A", Value: "s3cret"}, {Name: "x-a", Value: "s3cret"}}
		}, "X-A is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := *d
			wrong.Name = "another"
			test.change(&wrong)
			for _, err := range []error{wrong.Validate(noon), db.CreateDestination(t.Context(), &wrong), db.UpdateDestination(t.Context(), &wrong)} {
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("got %v, want one that says %q and shows no secret", err, test.want)
				}
			}
		})
	}
	if got, err := db.FindDestination(t.Context(), "crm"); err != nil || !reflect.DeepEqual(got, d) || count(t, db, "destinations") != 1 {
		t.Errorf("the destinations changed: %+v, %v", got, err)
	}
}

// Whatever URL is let in can be sent to.
func FuzzDestinationURL(f *testing.F) {
	for _, u := range []string{"https://crm.example/in?a=b", "http://[::1]:8000", "https://a:b@c", "https://a/#", "http:///", "http://%41/", "http://a:99999", "//a"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, u string) {
		d := crm()
		d.URL = u
		if d.Validate(noon) != nil {
			return
		}
		r, err := http.NewRequest(http.MethodPost, u, nil)
		if err != nil || r.URL.Hostname() == "" || r.URL.User != nil || r.URL.Fragment != "" || strings.ContainsRune(u, 0) {
			t.Errorf("%q is let in: %v", u, err)
		}
	})
}

func TestPlainURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://crm.example/in":                       "https://crm.example/in",
		"https://user:kept@crm.example/in?token=kept#": "https://crm.example/in?…",
		"https://crm.example/a%2Fb?x":                  "https://crm.example/a%2Fb?…",
		"https://crm.example/#kept":                    "https://crm.example/",
		"http://[::1]:80":                              "http://[::1]:80",
		"://kept":                                      "",
	} {
		if got := store.PlainURL(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
