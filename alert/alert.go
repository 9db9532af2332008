// Package alert finds what somebody should look at, and tells people: by mail, and by webhooks.
//
// One instance at a time looks for what any can see in the database; what only one can see (its spool, its disk, that the
// database is away) each looks for itself. What is found becomes rows of alerts, and those are told as digests: one message
// for what came within a window, repeated at growing intervals while it lasts, and one when it is over. While the database is
// away an instance keeps its own alerts in memory and tells of them by the channels it last knew.
//
//	alert.go    the kinds
//	find.go     what any instance finds
//	silence.go  a source's usual rhythm, missed
//	local.go    what an instance finds of itself
//	book.go     findings become alerts, and alerts become due
//	message.go  what is said
//	send.go     by which channel: mail.go, webhook.go
//	watch.go    when all of this happens
package alert

import (
	"slices"
	"time"
)

// Kind is what an alert is about.
type Kind string

const (
	SwitchedOff         Kind = "switched_off"
	SwitchOffNear       Kind = "switch_off_near"
	RejectedBurst       Kind = "rejected_burst"
	Silence             Kind = "silence"
	SecretEnding        Kind = "secret_ending"
	DestinationBroken   Kind = "destination_broken"
	DestinationGone     Kind = "destination_gone"
	DeliveriesExhausted Kind = "deliveries_exhausted"
	ReplayStopped       Kind = "replay_stopped"
	ErasureWaiting      Kind = "erasure_waiting"
	AuditBroken         Kind = "audit_broken"
	Outage              Kind = "outage"
	DatabaseAway        Kind = "database_away"
	SpoolInUse          Kind = "spool_in_use"
	SpoolSetAside       Kind = "spool_set_aside"
	DiskFilling         Kind = "disk_filling"
	CertificateEnding   Kind = "certificate_ending"
)

// About is what is known of a kind.
type About struct {
	Kind    Kind
	Words   string        // what it is, for settings
	Title   string        // of one; %s is its subject
	Runbook string        // section of docs/runbook.md
	Local   bool          // each instance finds its own
	Hold    time.Duration // how long it must seem over until it is
	Once    bool          // it is news: neither repeated, nor is its end told
}

// Kinds are all, in the order in which they are shown.
var Kinds = []About{
	{SwitchedOff, "a callback that plenigo must be assumed to have switched off", "plenigo has switched off %s", "recallswitchedoff", false, 0, false},
	{SwitchOffNear, "days of failed answers, after which plenigo switches a callback off", "plenigo may switch off %s", "recallswitchoffnear", false, 0, false},
	{RejectedBurst, "many callbacks are rejected", "Callbacks of %s are rejected", "recallrejectedburst", false, 15 * time.Minute, false},
	{Silence, "a source is silent against its habit", "Source %s is silent", "recallsilence", false, 0, false},
	{SecretEnding, "a source has no valid secret, or soon none", "The secret of %s ends", "recallsecretending", false, 0, false},
	{DestinationBroken, "a destination keeps failing", "Destination %s keeps failing", "recalldestinationbroken", false, 5 * time.Minute, false},
	{DestinationGone, "a destination answered 410 Gone", "Destination %s asks not to be sent to", "recalldestinationgone", false, 0, false},
	{DeliveriesExhausted, "deliveries have used up their tries", "Deliveries to %s are exhausted", "recalldeliveriesexhausted", false, 0, false},
	{ReplayStopped, "a replay stopped by itself", "Replay %s stopped", "recallreplaystopped", false, 0, false},
	{ErasureWaiting, "an erasure case waits for somebody", "Erasure case %s waits", "recallerasurewaiting", false, 0, false},
	{AuditBroken, "the audit list was changed past Recall", "The audit list does not fit", "recallauditbroken", false, 0, false},
	{Outage, "Recall itself took no callbacks for a while", "Recall was away", "after-an-outage", false, 0, true},
	{DatabaseAway, "PostgreSQL is away", "PostgreSQL is away", "recalllooksnotatdatabase", true, 2 * time.Minute, false},
	{SpoolInUse, "callbacks wait in the spool", "Callbacks wait in the spool", "recallspoolinuse", true, 2 * time.Minute, false},
	{SpoolSetAside, "callbacks or files were set aside in the spool", "Something was set aside in the spool", "recallspoolsetaside", true, 0, false},
	{DiskFilling, "the disk of the data folder is nearly full", "The disk is nearly full", "recalldiskfilling", true, 10 * time.Minute, false},
	{CertificateEnding, "a certificate of the program's own ends soon", "The certificate of %s ends", "recallcertificateending", true, 0, false},
}

// AboutOf is what is known of a kind, also of one that only a newer program knows.
func AboutOf(kind string) About {
	for _, a := range Kinds {
		if string(a.Kind) == kind {
			return a
		}
	}
	return About{Kind: Kind(kind), Words: kind, Title: kind, Runbook: ""}
}

// Known tells whether there is such a kind.
func Known(kind string) bool {
	return slices.ContainsFunc(Kinds, func(a About) bool { return string(a.Kind) == kind })
}

// Finding is something that is so at one moment.
type Finding struct {
	Kind    Kind
	Subject string
	Level   int // 0: 1
	Words   string
	Page    string
}

// KindNames are the names of all kinds.
func KindNames() []string {
	var names []string
	for _, a := range Kinds {
		names = append(names, string(a.Kind))
	}
	return names
}
