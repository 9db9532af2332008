package main

// Commands that are still to come; each leaves this file for one of its own.
type (
	eventCmd struct{}
)
