package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"recall/plenigo"
)

// encodeCustomers writes the links as a column of events holds them.
func encodeCustomers(links []plenigo.CustomerLink) string {
	if len(links) == 0 {
		return ""
	}
	list := make([][2]string, len(links))
	for i, l := range links {
		list[i] = [2]string{l.CustomerID, l.Path}
	}
	return jsonText(list)
}

// decodeCustomers reads what encodeCustomers wrote.
func decodeCustomers(text string) ([]plenigo.CustomerLink, error) {
	if text == "" {
		return nil, nil
	}
	var list [][2]string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("reading the customers: %w", err)
	}
	links := make([]plenigo.CustomerLink, len(list))
	for i, l := range list {
		links[i] = plenigo.CustomerLink{CustomerID: l[0], Path: l[1]}
	}
	return links, nil
}

// customerPart is how encodeCustomers writes a link of that customer, up to its path. A quote within a text is never
// written bare, so it stands nowhere else.
func customerPart(id string) string {
	return "[" + jsonText(id) + ","
}

// jsonText writes strings as PostgreSQL does, too.
func jsonText(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings can be written
	}
	return strings.TrimSuffix(b.String(), "\n")
}
