package web

import (
	"io"
	"net/http"

	"recall/erasure"
	"recall/store"
)

// actionReport is how the audit list calls the answer to a person's request.
const actionReport = "customer.report"

func (s *server) reportNew(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newReportView(r)
	if err != nil {
		return err
	}
	v.Customer.Focus = v.Customer.Value == ""
	v.Reason.Focus = !v.Customer.Focus
	return s.render(w, r, http.StatusOK, reportPage(v))
}

func (s *server) newReportView(r *http.Request) (erasureCreateView, error) {
	v, err := s.newErasureCreateView(r, "Answer a person’s request")
	v.Reason.Hint = "It stands in the audit list with your name."
	return v, err
}

// reportCreate sends everything that is held about a customer as one file. That it is made stands in the audit list before the first byte
// goes out. A file that could not be finished breaks off without its end, so that nobody takes it for a whole one.
func (s *server) reportCreate(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newReportView(r)
	if err != nil {
		return err
	}
	wish, ok, err := v.wish(r)
	if err != nil {
		return err
	}
	if !ok || wish.Person == "" {
		return s.render(w, r, http.StatusUnprocessableEntity, reportPage(v))
	}
	giveBack, err := s.takeExport(w)
	if err != nil {
		return err
	}
	defer giveBack()
	detail := map[string]any{}
	if len(wish.Sources) > 0 {
		detail["sources"] = wish.Sources
	}
	if err := s.DB.AddAudit(r.Context(), s.note(r, actionReport, wish.Person, wish.Reason, detail)); err != nil {
		return err
	}
	name := s.stamped("recall-customer-"+wish.Person, "zip")
	var counts erasure.ReportCounts
	err = download(w, name, "application/zip", func(out io.Writer) (err error) {
		counts, err = s.Report.WriteReport(r.Context(), out, wish.Person, wish.Sources)
		return err
	})
	detail["events"], detail["doubtful"], detail["whole"] = counts.Events, counts.Doubtful, err == nil
	s.auditEnd(r, s.note(r, actionReport+"ed", wish.Person, wish.Reason, detail))
	s.brokenOff(r, "a person's report", err)
	return nil
}

// erasureListFile sends the erasure list, which is kept beside the backups.
func (s *server) erasureListFile(w http.ResponseWriter, r *http.Request) error {
	if err := s.DB.AddAudit(r.Context(), s.note(r, "erasure.list", "erasure", "", nil)); err != nil {
		return err
	}
	name := s.stamped("recall-erasure-list", "jsonl")
	s.brokenOff(r, name, download(w, name, "application/jsonl", func(out io.Writer) error { return s.DB.WriteErasureList(r.Context(), out) }))
	return nil
}

// reportURL is where the answer to a person's request is made.
func reportURL(customer string) string {
	if store.ValidPerson(customer) != nil {
		return ""
	}
	return "/erasures/report?customer=" + customer
}

// erasePersonURL is where a case about a person is opened.
func erasePersonURL(customer string) string {
	if store.ValidPerson(customer) != nil {
		return ""
	}
	return "/erasures/new?customer=" + customer
}
