package verify_test

import (
	"fmt"
	"net/http"
	"time"

	"recall/verify"
)

func ExamplePolicy_Explain() {
	policy, err := verify.NewPolicy(verify.Settings{
		Secrets:   []verify.Secret{{Name: "current", Key: "example-callback-secret"}},
		Tolerance: verify.DefaultTolerance,
	})
	if err != nil {
		panic(err)
	}
	now := time.Unix(1729583536, 0)
	header := http.Header{}
	header.Set("plenigo-signature", verify.Sign("example-callback-secret", now, []byte(`{"a":1}`)))

	e := policy.Explain(header, []byte("{\n  \"a\": 1\n}\n"), now, verify.Facts{})
	fmt.Println(e.Result.Reason)
	fmt.Println(e.Finding.Cause)
	fmt.Println(e.Finding.Words)
	// Output:
	// signature_mismatch
	// body_whitespace
	// The signature fits when the body is written without blanks and line breaks between its parts.
}

func ExampleScheme_Sign() {
	header, err := verify.StandardWebhooks.Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
		time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(header.Get("webhook-signature"))
	// Output: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}
