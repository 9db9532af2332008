package verify

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// credentials are what came as "user:password", and how it had to be read.
type credentials struct {
	text  string
	cause Cause // what had to be assumed to find it; "" for nothing
	words string
}

const doCredentials = "Enter user and password at %s exactly as they stand here, or the other way round; then verify the callback again."

// basic looks for what makes the basic credentials right.
func (s *search) basic(status Status) Finding {
	want := s.p.settings.Basic
	do := fmt.Sprintf(doCredentials, s.sender())
	spelled, swapped := sumOf(spelling(want.User+":"+want.Password)), sumOf(want.Password+":"+want.User)
	for _, got := range s.credentials() {
		if got.cause != "" {
			s.try(got.cause)
		}
		if got.cause != "" && s.p.basic.equal(sumOf(got.text)) {
			return Finding{Cause: got.cause, Words: "User and password are right, but " + got.words + ".", Do: "Let the sender send them once, in the header Authorization as basic authentication (RFC 7617), and every proxy on the way pass it as it is."}
		}
		s.try(CauseBasicSwapped)
		if swapped.equal(sumOf(got.text)) {
			return Finding{Cause: CauseBasicSwapped, Words: "User and password are swapped.", Do: do}
		}
		s.try(CauseBasicSpelling)
		if spelled.equal(sumOf(spelling(got.text))) {
			return Finding{Cause: CauseBasicSpelling, Words: "User and password are right but for upper and lower case, or blanks around them.", Do: do}
		}
		for _, other := range s.facts.Others {
			basic := other.Settings.Basic
			if basic == nil {
				continue
			}
			s.try(CauseBasicOtherSource)
			if sumOf(basic.User + ":" + basic.Password).equal(sumOf(got.text)) {
				return Finding{Cause: CauseBasicOtherSource, Words: fmt.Sprintf("User and password are those of the source %q.", other.Name),
					Do: fmt.Sprintf("If it is a callback of that source, give it that source's URL at %s; else enter this source's user and password there.", s.sender())}
			}
		}
	}
	if status == Missing {
		return Finding{Words: "There is no Authorization header, and no other header holds the user and password asked for.",
			Do: fmt.Sprintf("Turn on basic authentication for this callback at %s, or stop asking for it here; a proxy on the way may also take the header away.", s.sender())}
	}
	return Finding{Words: "The user or password is another one, and differs by more than case, blanks or order.", Do: do}
}

// spelling is what is left of credentials when case and blanks do not count.
func spelling(text string) string {
	user, password, _ := strings.Cut(text, ":")
	return strings.ToLower(strings.TrimSpace(user) + ":" + strings.TrimSpace(password))
}

// credentials are read from every header that may hold them.
func (s *search) credentials() []credentials {
	var all []credentials
	values := s.header["Authorization"]
	for _, value := range values[:min(len(values), maxCandidates)] {
		for _, text := range readBasic(value) {
			if text.cause == "" && len(values) > 1 {
				text.cause, text.words = CauseBasicDoubled, "the Authorization header is there more than once"
			}
			all = append(all, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.header)) {
		if name == "Authorization" || !alike(name, "Authorization") || len(all) > 4*maxCandidates {
			continue
		}
		for _, text := range readBasic(s.header[name][0]) {
			all = append(all, credentials{text.text, CauseBasicRenamed, "they came in the header " + s.veil.show(name, 80)})
		}
	}
	if user, password := s.header.Get("Php-Auth-User"), s.header.Get("Php-Auth-Pw"); user != "" {
		all = append(all, credentials{user + ":" + password, CauseBasicRenamed, "they came in the headers php-auth-user and php-auth-pw"})
	}
	return all
}

// readBasic reads a value of Authorization, by the rules and otherwise.
func readBasic(value string) []credentials {
	scheme, rest, found := strings.Cut(strings.TrimSpace(value), " ")
	rest = strings.TrimSpace(rest)
	if !found || !strings.EqualFold(scheme, "Basic") {
		rest = strings.TrimSpace(value)
	}
	plain, err := base64.StdEncoding.DecodeString(rest)
	if err == nil {
		all := []credentials{{text: string(plain)}}
		if !found {
			all[0].cause, all[0].words = CauseBasicEncoding, "the word Basic is missing before them"
		}
		if !utf8.Valid(plain) {
			text, _ := charmap.Windows1252.NewDecoder().String(string(plain))
			all = append(all, credentials{text, CauseBasicEncoding, "in another character set than UTF-8"})
		}
		return all
	}
	all := []credentials{{rest, CauseBasicEncoding, "not encoded in base64"}}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if plain, err := encoding.DecodeString(rest); err == nil {
			all = append(all, credentials{string(plain), CauseBasicEncoding, "encoded in another form of base64"})
		}
	}
	return all
}

// authHeader looks for what makes the i-th header pair right.
func (s *search) authHeader(i int, status Status) Finding {
	want, sum := s.p.settings.Headers[i], s.p.headers[i]
	values := s.header[want.Name]
	for _, value := range values[:min(len(values), maxCandidates)] {
		if len(values) > 1 {
			s.try(CauseAuthHeaderDoubled)
			if sum.equal(sumOf(value)) {
				return Finding{Cause: CauseAuthHeaderDoubled, Words: fmt.Sprintf("The header %s has the right value, but is there %d times.", want.Name, len(values)),
					Do: "Something on the way adds a second copy: let every proxy pass the header once."}
			}
		}
		s.try(CauseAuthHeaderSpelling)
		if sumOf(strings.ToLower(bare(want.Value))).equal(sumOf(strings.ToLower(bare(value)))) {
			return Finding{Cause: CauseAuthHeaderSpelling, Words: fmt.Sprintf("The value of the header %s is right but for upper and lower case, or blanks and quotation marks around it.", want.Name),
				Do: fmt.Sprintf("Enter the value at %s exactly as it stands here, or the other way round; then verify the callback again.", s.sender())}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.header)) {
		for j, value := range s.header[name] {
			if name == want.Name || j == maxCandidates {
				break
			}
			s.try(CauseAuthHeaderRenamed)
			if sum.equal(sumOf(value)) {
				return Finding{Cause: CauseAuthHeaderRenamed, Words: fmt.Sprintf("The value asked for in the header %s came in the header %s.", want.Name, s.veil.show(name, 80)),
					Do: fmt.Sprintf("Name the header alike here and at %s; a proxy on the way may also rename it.", s.sender())}
			}
		}
	}
	for _, other := range s.facts.Others {
		for _, h := range other.Settings.Headers {
			if !strings.EqualFold(h.Name, want.Name) || len(values) == 0 {
				continue
			}
			s.try(CauseAuthHeaderOtherSource)
			if sumOf(h.Value).equal(sumOf(values[0])) {
				return Finding{Cause: CauseAuthHeaderOtherSource, Words: fmt.Sprintf("The value of the header %s is that of the source %q.", want.Name, other.Name),
					Do: fmt.Sprintf("If it is a callback of that source, give it that source's URL at %s; else enter this source's value there.", s.sender())}
			}
		}
	}
	if status == Missing {
		return Finding{Words: fmt.Sprintf("There is no header %s, and no other header has the value asked for.", want.Name),
			Do: fmt.Sprintf("Add the header to this callback at %s, or stop asking for it here; a proxy on the way may also take it away.", s.sender())}
	}
	return Finding{Words: fmt.Sprintf("The value of the header %s is another one, and differs by more than case or blanks.", want.Name),
		Do: fmt.Sprintf("Enter the value at %s exactly as it stands here, or the other way round; then verify the callback again.", s.sender())}
}
