package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"recall/erasure"
	"recall/store"
)

// Reporter writes what is held about a person as one file; erasure.Eraser is one.
type Reporter interface {
	WriteReport(ctx context.Context, w io.Writer, person string, sources []int64) (erasure.ReportCounts, error)
}

const (
	reportMost  = 2                // reports and lists that are written at one time
	reportWrite = 30 * time.Second // a reader may take for some of it
)

func (s *server) reportOperations() {
	file := func(contentType, words string) map[string]*huma.Response {
		return map[string]*huma.Response{"200": {Description: words, Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	}
	addWith(s, operation{id: "customer-report", method: http.MethodPost, path: "/customers/{id}/report", need: store.RightErase, summary: "Get everything that is held about a customer, and where it was sent and when, as one file",
		more: "A zip with a page for people and lines of JSON. Nothing in it is covered but credentials, so it needs `reveal` too. Doubtful events are marked: look at those before you hand it out."},
		file("application/zip", "The file. One that breaks off has no end."), s.customerReport)
	addWith(s, operation{id: "erasure-list-file", method: http.MethodPost, path: "/erasures/list", need: store.RightErase, summary: "Get the erasure list, to be kept beside the backups",
		more: "Lines of JSON. `recall erasure list-replay` has it erased again after an older backup was restored."}, file("application/octet-stream", "The list. One that breaks off has no line that says how much it held."), s.erasureListFile)
}

func (s *server) customerReport(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"64" example:"48213"`
	Body struct {
		Reason  string   `json:"reason" minLength:"1" maxLength:"500" doc:"For the audit list."`
		Sources []string `json:"sources,omitempty" maxItems:"100" doc:"Only what came to these, by their slugs."`
	}
}) (*huma.StreamResponse, error) {
	if p := allow(ctx, store.RightReveal); p != nil {
		p.Detail = "A report shows what is covered elsewhere. " + p.Detail
		return nil, p
	}
	if store.ValidPerson(in.ID) != nil {
		return nil, wrong("path.id", store.ErrErasurePerson.Error())
	}
	sources, err := s.sourceIDs(ctx, in.Body.Sources)
	if err != nil {
		return nil, err
	}
	detail := map[string]any{}
	if len(in.Body.Sources) > 0 {
		detail["sources"] = in.Body.Sources
	}
	note := s.note(ctx, "customer.report", in.ID, in.Body.Reason, detail)
	return s.file(ctx, note, "application/zip", "recall-customer-"+in.ID+".zip", func(w io.Writer) error {
		counts, err := s.Report.WriteReport(ctx, w, in.ID, sources)
		done := note
		done.Action, done.Detail = "customer.reported", map[string]any{"events": counts.Events, "doubtful": counts.Doubtful, "whole": err == nil}
		auditing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(err, s.DB.AddAudit(auditing, done))
	})
}

func (s *server) erasureListFile(ctx context.Context, _ *none) (*huma.StreamResponse, error) {
	return s.file(ctx, s.note(ctx, "erasure.list", "erasure", "", nil), "application/octet-stream", "recall-erasure-list.jsonl", func(w io.Writer) error { return s.DB.WriteErasureList(ctx, w) })
}

// file answers with what write writes, of any length, once it is noted. What cannot be finished breaks off, so that nobody takes it for
// whole.
func (s *server) file(ctx context.Context, note store.AuditEntry, contentType, name string, write func(io.Writer) error) (*huma.StreamResponse, error) {
	select {
	case s.reports <- struct{}{}:
	default:
		return nil, &Problem{Status: http.StatusServiceUnavailable, Type: "busy", Detail: fmt.Sprintf("%d such files are being written. Try again when one of them is done.", reportMost), retryAfter: 60}
	}
	if err := s.DB.AddAudit(ctx, note); err != nil {
		<-s.reports
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer func() { <-s.reports }()
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		out := bufio.NewWriterSize(&patientWriter{w, http.NewResponseController(w)}, 32<<10)
		err := write(out)
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			if ctx.Context().Err() == nil {
				s.Log.Error("a file of the api broke off", "name", contentType, "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// patientWriter gives each write its own time, in place of one for the whole answer.
type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(reportWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}
