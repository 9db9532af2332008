package web

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"recall/store"
)

// exportWriter writes events one by one.
type exportWriter interface {
	event(e *store.EventSummary, p exportPayload) error
	end() error
}

// exportFormat is a kind of file.
type exportFormat struct {
	contentType, ext string
	payloads         bool // it can hold them
	begin            func(io.Writer) exportWriter
}

// exportFormats are by the name in the form.
var exportFormats = map[string]exportFormat{
	"jsonl":         {"application/x-ndjson; charset=utf-8", "jsonl", true, newJSONLines},
	"csv":           {"text/csv; charset=utf-8", "csv", false, func(w io.Writer) exportWriter { return newCSV(w, ',') }},
	"csv-semicolon": {"text/csv; charset=utf-8", "csv", false, func(w io.Writer) exportWriter { return newCSV(w, ';') }},
}

// exportPayload is a body as it goes out. The zero one: none does.
type exportPayload struct {
	body  []byte
	lacks bool // something in it is covered, or all of it is
}

// jsonLines are the lines of recall event list --json, and with payloads one member more: payload as it was sent where the
// body is JSON, or else payload_base64. Where something is hidden, payload_masked says so; a body hidden whole has no payload.
type jsonLines struct{ w *json.Encoder }

type jsonLine struct {
	store.EventJSON
	Payload json.RawMessage `json:"payload,omitempty"`
	Base64  []byte          `json:"payload_base64,omitempty"`
	Masked  bool            `json:"payload_masked,omitempty"`
}

func newJSONLines(w io.Writer) exportWriter {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return &jsonLines{encoder}
}

func (j *jsonLines) event(e *store.EventSummary, p exportPayload) error {
	line := jsonLine{EventJSON: e.JSON(), Masked: p.lacks}
	if json.Valid(p.body) && utf8.Valid(p.body) {
		line.Payload = p.body
	} else {
		line.Base64 = p.body
	}
	return j.w.Encode(line)
}

func (*jsonLines) end() error { return nil }

// csvFile is a table that spreadsheets open. With semicolons it is for those with German habits, which also want to be told
// by a mark at its beginning that it is UTF-8.
type csvFile struct {
	w     *csv.Writer
	out   io.Writer
	mark  bool
	begun bool
}

func newCSV(w io.Writer, comma rune) exportWriter {
	c := csv.NewWriter(w)
	c.Comma, c.UseCRLF = comma, true
	return &csvFile{w: c, out: w, mark: comma == ';'}
}

var csvHead = []string{
	"id", "received_at", "source", "verdict", "signature", "reason", "reverified", "entity_type", "callback_type", "entity_id", "customer_ids",
	"api_version", "answered", "repeat_of", "arrival", "size", "body_sha256", "deliveries",
}

func (c *csvFile) head() error {
	if c.begun {
		return nil
	}
	c.begun = true
	if c.mark {
		if _, err := io.WriteString(c.out, "\ufeff"); err != nil {
			return err
		}
	}
	return c.w.Write(csvHead)
}

func (c *csvFile) event(e *store.EventSummary, _ exportPayload) error {
	if err := c.head(); err != nil {
		return err
	}
	j := e.JSON()
	repeatOf, reverified := "", ""
	if j.RepeatOf != nil {
		repeatOf = j.RepeatOf.String()
	}
	if j.Reverified != nil {
		reverified = string(*j.Reverified)
	}
	var deliveries []string
	for _, d := range e.Deliveries {
		deliveries = append(deliveries, string(d.State)+":"+strconv.Itoa(d.Count))
	}
	row := []string{
		j.ID.String(), j.ReceivedAt, j.Source, string(j.Verdict), string(j.Signature), string(j.Reason), reverified, j.EntityType, j.CallbackType, j.EntityID,
		strings.Join(j.CustomerIDs, " "), j.APIVersion, strconv.Itoa(j.Answered), repeatOf, strconv.Itoa(j.Arrival), strconv.FormatInt(j.Size, 10),
		j.BodySHA256, strings.Join(deliveries, " "),
	}
	for i := range row {
		row[i] = noFormula(row[i])
	}
	return c.w.Write(row)
}

func (c *csvFile) end() error {
	if err := c.head(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

// noFormula keeps a spreadsheet from taking what somebody sent for a formula: a cell that begins as one does, blanks aside,
// gets an apostrophe before it, which spreadsheets take for "this is text".
func noFormula(cell string) string {
	if strings.HasPrefix(cell, "\t") || strings.HasPrefix(cell, "\r") || strings.HasPrefix(cell, "\n") {
		return "'" + cell
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(cell))
	if strings.ContainsRune("=+-@＝＋－＠", first) && cell != "" {
		return "'" + cell
	}
	return cell
}
