package web

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

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
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	default:
		w.Header().Set("Retry-After", "60")
		return &statusError{http.StatusServiceUnavailable, fmt.Sprintf("%d exports are under way. Try again when one of them is done.", exportMost)}
	}
	detail := map[string]any{}
	if len(wish.Sources) > 0 {
		detail["sources"] = wish.Sources
	}
	if err := s.DB.AddAudit(r.Context(), s.note(r, actionReport, wish.Person, wish.Reason, detail)); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="recall-customer-`+wish.Person+`-`+s.Now().UTC().Format("20060102-150405")+`.zip"`)
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox")
	out := bufio.NewWriterSize(&patientWriter{w: w, control: http.NewResponseController(w)}, 32<<10)
	counts, err := s.Report.WriteReport(r.Context(), out, wish.Person, wish.Sources)
	if err == nil {
		err = out.Flush()
	}
	detail["events"], detail["doubtful"], detail["whole"] = counts.Events, counts.Doubtful, err == nil
	auditing, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	if auditErr := s.DB.AddAudit(auditing, s.note(r, actionReport+"ed", wish.Person, wish.Reason, detail)); auditErr != nil {
		s.Log.Error("audit entry not written", "action", actionReport+"ed", "error", auditErr)
	}
	if err != nil {
		if r.Context().Err() == nil {
			s.Log.Error("a report broke off", "events", counts.Events, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// erasureListFile sends the erasure list, which is kept beside the backups.
func (s *server) erasureListFile(w http.ResponseWriter, r *http.Request) error {
	if err := s.DB.AddAudit(r.Context(), s.note(r, "erasure.list", "erasure", "", nil)); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/jsonl")
	h.Set("Content-Disposition", `attachment; filename="recall-erasure-list-`+s.Now().UTC().Format("20060102-150405")+`.jsonl"`)
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox")
	out := bufio.NewWriterSize(&patientWriter{w: w, control: http.NewResponseController(w)}, 32<<10)
	err := s.DB.WriteErasureList(r.Context(), out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		if r.Context().Err() == nil {
			s.Log.Error("an erasure list broke off", "error", err)
		}
		panic(http.ErrAbortHandler)
	}
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
