package web

import "github.com/google/uuid"

// compareURL is the page that compares two events, the older one first.
func compareURL(older, newer uuid.UUID) string {
	return eventURL(older) + "/compare/" + newer.String()
}
