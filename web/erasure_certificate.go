package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"recall/erasure"
	"recall/store"
)

// certificateView is the certificate of a closed case, to be printed.
type certificateView struct {
	page
	URL       string // of the case
	Number    string
	Subject   string
	Person    bool
	Hash      string
	Sources   string
	Reason    string
	Opened    string // when, by whom, by which callback
	Confirmed string // when and by whom
	Closed    string
	Found     []namedCount
	Destroyed []namedCount
	Steps     []certificateStep
	Spools    []spoolLookRow
	Left      []erasure.CertificateLeft
	Leftover  []string
	Backups   string
	Events    []certificateEventRow
	All       string // how many there are
	Unlisted  string // of them not listed
	Digest    string
}

type certificateStep struct{ Name, Note string }

type certificateEventRow struct{ ID, Received, Type, Verdict, Size, SHA256, Note string }

func (s *server) certificateShow(w http.ResponseWriter, r *http.Request) error {
	c, cert, err := s.findCertificate(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, certificatePage(newCertificateView(s.newPage(r, fmt.Sprintf("Certificate of case %d", c.ID)), cert)))
}

// certificateJSON is the certificate as it was made, for programs.
func (s *server) certificateJSON(w http.ResponseWriter, r *http.Request) error {
	c, _, err := s.findCertificate(r)
	if err != nil {
		return err
	}
	attachment(w, fmt.Sprintf("recall-erasure-%d.json", c.ID), "application/json")
	w.Write(c.Certificate) // the reader may have gone
	return nil
}

func (s *server) findCertificate(r *http.Request) (*store.ErasureCase, *erasure.Certificate, error) {
	c, err := s.findErasure(r)
	if err != nil {
		return nil, nil, err
	}
	if c.Certificate == nil {
		return nil, nil, missing(fmt.Sprintf("Case %d has no certificate: it is made when the case is closed, and this one is %s.", c.ID, c.State))
	}
	cert, err := erasure.ReadCertificate(c.Certificate)
	return c, cert, err
}

// certificateTime is a time on a certificate: to the second, and the same for every reader.
func certificateTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func newCertificateView(p page, c *erasure.Certificate) certificateView {
	v := certificateView{
		page: p, URL: erasureURL(c.Case), Number: fmt.Sprint(c.Case), Subject: c.Subject, Person: c.PersonHash != "", Hash: c.PersonHash, Sources: enumerate(slices.Clone(c.Sources)),
		Reason: c.Reason, Opened: certificateTime(c.OpenedAt) + " by " + c.OpenedBy, Confirmed: certificateTime(c.ConfirmedAt) + " by " + c.ConfirmedBy, Closed: certificateTime(c.ClosedAt),
		Found: erasureCounts(c.Found), Destroyed: erasureCounts(c.Destroyed), Left: c.LeftOut, Leftover: c.Leftover, Backups: c.Backups, Digest: c.Digest,
		All: plural(int(c.EventsOfAll), "event", "events"),
	}
	if c.Callback != nil {
		v.Opened += ", for the callback " + c.Callback.String()
	}
	for _, step := range c.Steps {
		note := certificateTime(step.At)
		if step.Says != "" {
			note += "; " + step.Says
		}
		v.Steps = append(v.Steps, certificateStep{erasureStepWords[step.Step], "(" + note + ")"})
	}
	for _, l := range c.Spools {
		says := plural(l.Events, "event", "events") + " cleared, " + certificateTime(l.At)
		if l.Damaged > 0 {
			says += "; " + plural(l.Damaged, "damaged file", "damaged files") + " that cannot be read"
		}
		v.Spools = append(v.Spools, spoolLookRow{l.Instance, says})
	}
	for _, e := range c.Events {
		row := certificateEventRow{e.Event.String(), certificateTime(e.Received), cmp.Or(e.Type, "–"), e.Verdict, size(e.Size), e.SHA256, ""}
		if !e.Stored {
			row.Note = "never was in the database: it stood in a spool, or came later and was not kept"
		}
		v.Events = append(v.Events, row)
	}
	if n := int(c.EventsOfAll) - len(c.Events); n > 0 {
		v.Unlisted = plural(n, "more event is", "more events are") + " in the digest, and not listed here."
	}
	return v
}

// leftOutWords say who left an event, why, and what was doubtful about it.
func leftOutWords(l erasure.CertificateLeft) string {
	return "was left by " + l.By + ": " + l.Reason + " (" + l.Doubt + ")"
}
