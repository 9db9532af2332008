package verify

// Cause is what most likely made a callback fail, as a code that does not change: callers may keep it and group by it.
// The empty Cause is none: nothing failed, or nothing that was tried fits.
type Cause string

// Causes of the source's settings.
const (
	CauseSourceDisabled     Cause = "source_disabled"
	CauseSettingsUnreadable Cause = "settings_unreadable"
	CauseSecretMissing      Cause = "secret_missing"  // no secret is valid now, and none that is known fits
	CauseSecretEnded        Cause = "secret_ended"    // a secret of the source fits that is no longer valid
	CauseSecretNotYet       Cause = "secret_not_yet"  // a secret of the source fits that is not valid yet
	CauseSecretBlanks       Cause = "secret_blanks"   // blanks, line breaks or quotation marks around the secret
	CauseSecretEncoding     Cause = "secret_encoding" // the key is the secret decoded from hex or base64, or not decoded
	CauseOtherSource        Cause = "other_source"    // another source's secret fits
	CauseOtherScheme        Cause = "other_scheme"    // signed by the rules of another scheme
)

// Causes of the signature's headers.
const (
	CauseHeaderRenamed Cause = "header_renamed"
	CauseHeaderDoubled Cause = "header_doubled"
	CauseHeaderSplit   Cause = "header_split"   // one value became several headers
	CauseHeaderAltered Cause = "header_altered" // quotation marks, other separators, percent signs, upper case
	CauseHeaderCut     Cause = "header_cut"
	CauseTimeUnit      Cause = "time_unit"    // milliseconds or less
	CauseSignedParts   Cause = "signed_parts" // the body alone was signed
)

// Causes of the body: what was done to it on the way.
const (
	CauseBodyWhitespace     Cause = "body_whitespace" // pretty-printed or made compact
	CauseBodyKeyOrder       Cause = "body_key_order"
	CauseBodyHTMLEscapes    Cause = "body_html_escapes"    // \u0026 against &
	CauseBodyUnicodeEscapes Cause = "body_unicode_escapes" // \u00e4 against ä
	CauseBodySlashEscapes   Cause = "body_slash_escapes"   // \/ against /
	CauseBodyNewline        Cause = "body_newline"         // a line break or blanks at its ends
	CauseBodyLineEnds       Cause = "body_line_ends"       // CRLF against LF
	CauseBodyBOM            Cause = "body_bom"
	CauseBodyCharset        Cause = "body_charset"
	CauseBodyCompression    Cause = "body_compression"
	CauseBodyReencoded      Cause = "body_reencoded" // several of these at once
)

// Causes of authentication.
const (
	CauseBasicSpelling         Cause = "basic_spelling" // right but for case or blanks
	CauseBasicSwapped          Cause = "basic_swapped"  // user and password
	CauseBasicEncoding         Cause = "basic_encoding" // right, but not base64, or not UTF-8
	CauseBasicRenamed          Cause = "basic_renamed"
	CauseBasicDoubled          Cause = "basic_doubled"
	CauseBasicOtherSource      Cause = "basic_other_source"
	CauseAuthHeaderSpelling    Cause = "auth_header_spelling"
	CauseAuthHeaderRenamed     Cause = "auth_header_renamed"
	CauseAuthHeaderDoubled     Cause = "auth_header_doubled"
	CauseAuthHeaderOtherSource Cause = "auth_header_other_source"
)

// Causes of freshness.
const (
	CauseClock  Cause = "clock"  // the clock here is wrong: other sources are off by the same
	CauseRepeat Cause = "repeat" // plenigo's repeat, which carries the time of the first try
)

// causeWords name each cause as an explanation that can be tried.
var causeWords = map[Cause]string{
	CauseSourceDisabled:        "the source is disabled",
	CauseSettingsUnreadable:    "a setting of the source cannot be decrypted",
	CauseSecretMissing:         "no secret of the source is valid",
	CauseSecretEnded:           "a secret that is no longer valid",
	CauseSecretNotYet:          "a secret that is not valid yet",
	CauseSecretBlanks:          "blanks, line breaks or quotation marks around the secret",
	CauseSecretEncoding:        "the secret decoded from hex or base64, or not decoded",
	CauseOtherSource:           "a secret of another source",
	CauseOtherScheme:           "another signing scheme",
	CauseHeaderRenamed:         "the signature's header renamed",
	CauseHeaderDoubled:         "the signature's header doubled",
	CauseHeaderSplit:           "the signature's header split in several",
	CauseHeaderAltered:         "the signature's header rewritten",
	CauseHeaderCut:             "the signature's header cut off",
	CauseTimeUnit:              "a time that is not in seconds",
	CauseSignedParts:           "a signature over other parts, such as the body alone",
	CauseBodyWhitespace:        "the body pretty-printed or made compact",
	CauseBodyKeyOrder:          "the keys of the body in another order",
	CauseBodyHTMLEscapes:       `\u0026 and its like against & in the body`,
	CauseBodyUnicodeEscapes:    `\u escapes against characters outside ASCII in the body`,
	CauseBodySlashEscapes:      `\/ against / in the body`,
	CauseBodyNewline:           "a line break or blanks at the ends of the body",
	CauseBodyLineEnds:          "other line breaks in the body",
	CauseBodyBOM:               "a byte order mark before the body",
	CauseBodyCharset:           "the body in another character set",
	CauseBodyCompression:       "the body packed or unpacked",
	CauseBodyReencoded:         "the body parsed and written anew",
	CauseBasicSpelling:         "basic credentials that differ in case or blanks",
	CauseBasicSwapped:          "user and password swapped",
	CauseBasicEncoding:         "basic credentials in another encoding",
	CauseBasicRenamed:          "basic credentials in another header",
	CauseBasicDoubled:          "basic credentials sent more than once",
	CauseBasicOtherSource:      "basic credentials of another source",
	CauseAuthHeaderSpelling:    "a header value that differs in case or blanks",
	CauseAuthHeaderRenamed:     "the value in another header",
	CauseAuthHeaderDoubled:     "the header sent more than once",
	CauseAuthHeaderOtherSource: "the header value of another source",
	CauseClock:                 "a wrong clock here",
	CauseRepeat:                "plenigo's repeat with the time of the first try",
}

// Words name the cause in a few words, for lists and headings.
func (c Cause) Words() string { return causeWords[c] }
