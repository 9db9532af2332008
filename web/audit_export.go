package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"recall/store"
)

const (
	actionAuditExport = "audit.export"
	actionAuditCheck  = "audit.check"

	auditExportStep = 1000             // entries held at a time
	auditCheckMost  = 20 * time.Second // that a check from the page takes
)

// auditExport writes the entries that the page's fields choose into a file, newest first, page by page. Who exports what is the
// newest of them itself. A file that could not be finished breaks off, so that browsers tell it from a whole one.
func (s *server) auditExport(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	q := newAuditQuery(r.PostForm)
	ask, err := q.ask()
	if err != nil {
		return err
	}
	format := r.PostForm.Get("format")
	if format != "csv" && format != "jsonl" {
		return mistake("The format must be csv or jsonl.")
	}
	giveBack, err := s.takeExport(w)
	if err != nil {
		return err
	}
	defer giveBack()
	if err := s.DB.AddAudit(r.Context(), s.note(r, actionAuditExport, "audit list", "", map[string]any{"chosen": q.url(), "format": format, "address": address(r)})); err != nil {
		return err
	}
	ask.Limit = auditExportStep
	entries, err := s.DB.FindAudit(r.Context(), ask)
	if err != nil {
		return err
	}
	name := s.stamped("recall-audit", exportFormats[format].ext)
	s.brokenOff(r, name, download(w, name, exportFormats[format].contentType, func(out io.Writer) error {
		return s.writeAudit(r.Context(), out, format, ask, entries)
	}))
	return nil
}

// writeAudit writes the entries of a first page, and of all after it.
func (s *server) writeAudit(ctx context.Context, out io.Writer, format string, ask store.AuditQuery, entries []store.AuditEntry) error {
	lines, table := json.NewEncoder(out), csv.NewWriter(out)
	lines.SetEscapeHTML(false)
	table.UseCRLF = true
	if format == "csv" {
		if err := table.Write([]string{"id", "at", "actor", "action", "subject", "reason", "detail"}); err != nil {
			return err
		}
	}
	for len(entries) > 0 {
		for _, e := range entries {
			var err error
			if format == "csv" {
				err = writeAuditRow(table, e)
			} else {
				err = lines.Encode(e)
			}
			if err != nil {
				return err
			}
		}
		ask.Before = entries[len(entries)-1].ID
		var err error
		if entries, err = s.DB.FindAudit(ctx, ask); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

func writeAuditRow(w *csv.Writer, e store.AuditEntry) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	row := []string{strconv.FormatInt(e.ID, 10), e.At.Format(time.RFC3339Nano), e.Actor, e.Action, e.Subject, e.Reason, string(detail)}
	for i := range row {
		row[i] = noFormula(row[i])
	}
	return w.Write(row)
}

// auditCheck looks whether anything of the audit list was changed past Recall, and says so above the list.
func (s *server) auditCheck(w http.ResponseWriter, r *http.Request) error {
	found, err := s.DB.CheckWholeAudit(r.Context(), time.Now().Add(auditCheckMost), s.DB.KeepAudit)
	if err != nil {
		return err
	}
	detail := map[string]any{"fits": found.Fault == nil, "whole": found.Whole}
	check := &auditChecked{Fits: found.Fault == nil, Words: sentence(found.Words())}
	switch {
	case found.Fault != nil:
		check.Words = sentence(found.Fault.Error())
		detail["fault"] = found.Fault.Error()
		s.Log.Error("the audit list does not fit", "error", found.Fault)
	case !found.Whole:
		check.Words += " The rest took too long for a page: recall audit verify checks all of it."
	}
	if err := s.DB.AddAudit(r.Context(), s.note(r, actionAuditCheck, "audit list", "", detail)); err != nil {
		return err
	}
	return s.renderAudit(w, r, auditQuery{}, check)
}

// auditChecked is what a check found.
type auditChecked struct {
	Fits  bool
	Words string
}
