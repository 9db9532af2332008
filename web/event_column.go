package web

import (
	"slices"
	"strings"
)

// column is one of the list's that may be left out. Time, verdict and event always stand there.
type column string

const (
	colCustomers  column = "customers"
	colSource     column = "source"
	colAnswered   column = "answered"
	colDeliveries column = "deliveries"
	colSignature  column = "signature"
	colVersion    column = "version"
	colSize       column = "size"
	colID         column = "id"
)

// allColumns are in the order shown, with their headings.
var allColumns = []struct {
	Column column
	Name   string
}{
	{colCustomers, "Customers"}, {colSource, "Source"}, {colAnswered, "Answered"}, {colDeliveries, "Deliveries"},
	{colSignature, "Signature"}, {colVersion, "API version"}, {colSize, "Size"}, {colID, "Id"},
}

var usualColumns = columns{colCustomers, colSource, colAnswered, colDeliveries}

// noColumns is how an address says that none of them is shown; an empty one stands for the usual ones.
const noColumns = "none"

// columns are those that a list shows, in the order of allColumns.
type columns []column

// readColumns takes those that exist out of a list with commas; nothing gives the usual ones.
func readColumns(text string) columns {
	if text == "" {
		return usualColumns
	}
	return pickColumns(strings.Split(text, ","))
}

func pickColumns(names []string) columns {
	var c columns
	for _, one := range allColumns {
		if slices.Contains(names, string(one.Column)) {
			c = append(c, one.Column)
		}
	}
	return c
}

// String is how addresses and saved views write them; "" the usual ones.
func (c columns) String() string {
	if slices.Equal(c, usualColumns) {
		return ""
	}
	if len(c) == 0 {
		return noColumns
	}
	names := make([]string, len(c))
	for i, one := range c {
		names[i] = string(one)
	}
	return strings.Join(names, ",")
}

func (c columns) has(one column) bool { return slices.Contains(c, one) }
