package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"recall/alert"
	"recall/store"
)

func channelURL(name string) string { return "/alerts/channels/" + url.PathEscape(name) }

// channelFormView is the form that adds a channel or changes it.
type channelFormView struct {
	page
	New         bool
	Was         string // name of the one that is changed
	Kind        string
	Action      string
	Revision    string
	Conflict    bool
	Unreadable  bool
	Mistakes    []link
	Name        field
	Host        field
	Port        field
	Security    string
	User        field
	Password    field
	From        field
	To          field
	URL         field
	Format      string
	HeaderName  field
	HeaderValue field
	Kinds       []kindChoice
	Paused      bool
	RemoveURL   string
}

type kindChoice struct {
	Value, Words string
	Chosen       bool
}

func (s *server) findChannel(r *http.Request) (*store.AlertChannel, error) {
	name := r.PathValue("name")
	c, err := s.DB.FindAlertChannel(r.Context(), name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("There is no alert channel “" + plainText(cut(name, 80)) + "”, or not any more.")
	}
	return c, err
}

func (s *server) channelNew(w http.ResponseWriter, r *http.Request) error {
	c := &store.AlertChannel{Kind: r.URL.Query().Get("kind"), Mail: store.MailSettings{Security: store.SecuritySTARTTLS}, Webhook: store.WebhookSettings{Format: store.FormatJSON}}
	if c.Kind != store.ChannelMail && c.Kind != store.ChannelWebhook {
		return mistake("In the address, kind must be mail or webhook.")
	}
	v := s.newChannelForm(r, c, nil, nil)
	v.Name.Focus = true
	return s.render(w, r, http.StatusOK, channelFormPage(v))
}

func (s *server) channelEdit(w http.ResponseWriter, r *http.Request) error {
	c, err := s.findChannel(r)
	if err != nil {
		return err
	}
	v := s.newChannelForm(r, c, c, nil)
	v.page.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, channelFormPage(v))
}

// newChannelForm shows a channel as it is or was entered; was is the one that is changed, nil for a new one. Secrets are carried
// along sealed, if they were typed just now.
func (s *server) newChannelForm(r *http.Request, c, was *store.AlertChannel, wrong problems) channelFormView {
	v := channelFormView{
		page: s.newPage(r, "Add a channel"), New: was == nil, Kind: c.Kind, Action: "/alerts/channels", Security: c.Mail.Security, Format: c.Webhook.Format, Paused: c.Paused,
		Name:        field{Name: "name", Label: "Name", Value: c.Name, Wants: true, Max: 63, Code: true, Hint: "Lower-case letters, digits and hyphens."},
		Host:        field{Name: "host", Label: "Mail server", Value: c.Mail.Host, Wants: true, Max: 253, Code: true, Hint: "Private addresses are refused, unless RECALL_EGRESS_ALLOW names them."},
		Port:        field{Name: "port", Label: "Port", Code: true, Max: 5, Hint: "Empty: 587 for STARTTLS, 465 for TLS, 25 without."},
		User:        field{Name: "user", Label: "User", Value: c.Mail.User, Max: 300, Hint: "Empty: no log-in."},
		Password:    field{Name: "password", Label: "Password"},
		From:        field{Name: "from", Label: "Sender", Value: c.Mail.From, Wants: true, Max: 254, Code: true},
		To:          field{Name: "to", Label: "Recipients", Value: strings.Join(c.Mail.To, "\n"), Wants: true, Code: true, Hint: "One a line."},
		URL:         field{Name: "url", Label: "URL", Max: store.MaxURL, Code: true, Wants: was == nil, Hint: "All of it is secret: who knows the URL of a Slack channel may write there. Private addresses are refused, unless RECALL_EGRESS_ALLOW names them."},
		HeaderName:  field{Name: "header_name", Label: "Header sent along", Value: c.Webhook.HeaderName, Max: 100, Code: true, Hint: "Such as Authorization. Empty: none."},
		HeaderValue: field{Name: "header_value", Label: "Its value"},
	}
	if c.Mail.Port != 0 {
		v.Port.Value = strconv.Itoa(c.Mail.Port)
	}
	if was != nil {
		v.Title, v.Was, v.Action = "Channel "+was.Name, was.Name, channelURL(was.Name)
		v.page.Title, v.Revision, v.Unreadable, v.RemoveURL = v.Title, strconv.Itoa(c.Revision), was.Unreadable, channelURL(was.Name)+"/remove"
		const stays = "Empty: the one that is set, and not shown."
		if was.Webhook.URL != "" {
			v.URL.Hint = "At " + was.Webhook.Shown + ". " + stays
		}
		if was.Mail.Password != "" {
			v.Password.Hint = stays
		}
		if was.Webhook.HeaderValue != "" {
			v.HeaderValue.Hint = stays
		}
	}
	if r.Method == http.MethodPost {
		for _, f := range []*field{&v.Password, &v.URL, &v.HeaderValue} {
			f.Kept = s.keep(r, f.Name, s.typed(r, f.Name))
		}
	}
	for _, k := range alert.Kinds {
		v.Kinds = append(v.Kinds, kindChoice{string(k.Kind), k.Words, slices.Contains(c.Kinds, string(k.Kind))})
	}
	security, format := field{Name: "security", Label: "Connection"}, field{Name: "format", Label: "Body"}
	v.Mistakes = wrong.mark(&v.Name, &v.Host, &v.Port, &security, &v.User, &v.Password, &v.From, &v.To, &v.URL, &format, &v.HeaderName, &v.HeaderValue)
	return v
}

// readChannel makes of a form what it says. Secrets that are not typed stay as they are.
func (s *server) readChannel(r *http.Request, c *store.AlertChannel) problems {
	wrong := problems{}
	text := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	c.Name, c.Paused, c.Kinds = text("name"), r.PostForm.Get("paused") != "", nil
	for _, kind := range r.PostForm["kinds"] {
		if alert.Known(kind) {
			c.Kinds = append(c.Kinds, kind)
		}
	}
	if c.Kind == store.ChannelMail {
		m := &c.Mail
		m.Host, m.Security, m.User, m.From, m.Port = text("host"), text("security"), text("user"), text("from"), 0
		if port := text("port"); port != "" {
			var err error
			if m.Port, err = strconv.Atoi(port); err != nil || m.Port < 1 {
				m.Port = 0
				wrong.add("port", errors.New("the port must be a number from 1 to 65535"))
			}
		}
		m.To = strings.FieldsFunc(r.PostForm.Get("to"), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
		if typed := s.typed(r, "password"); typed != "" {
			m.Password = typed
		}
		if m.User == "" {
			m.Password = ""
		}
	} else {
		h := &c.Webhook
		h.Format, h.HeaderName = text("format"), text("header_name")
		if typed := strings.TrimSpace(s.typed(r, "url")); typed != "" {
			h.URL = typed
		}
		if typed := s.typed(r, "header_value"); typed != "" {
			h.HeaderValue = typed
		}
		if h.HeaderName == "" {
			h.HeaderValue = ""
		}
	}
	addChannelErrors(wrong, c.Validate())
	return wrong
}

// addChannelErrors writes what Validate found to its fields.
func addChannelErrors(wrong problems, err error) {
	if err == nil {
		return
	}
	list := []error{err}
	if joined, is := err.(interface{ Unwrap() []error }); is {
		list = joined.Unwrap()
	}
	for _, one := range list {
		if of := (*store.ChannelError)(nil); errors.As(one, &of) {
			wrong.add(of.Field, one)
		} else {
			wrong.add("name", one)
		}
	}
}

func (s *server) channelCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	c := &store.AlertChannel{Kind: r.PostForm.Get("kind")}
	if c.Kind != store.ChannelMail && c.Kind != store.ChannelWebhook {
		return mistake("A channel sends mail or posts to a webhook.")
	}
	return s.saveChannel(w, r, c, nil, "was added. Test it: a channel that nobody tried is none.")
}

func (s *server) channelUpdate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	was, err := s.findChannel(r)
	if err != nil {
		return err
	}
	c := *was
	c.Unreadable = false // what is secret is typed anew, or missed
	if c.Revision, err = strconv.Atoi(r.PostForm.Get("revision")); err != nil || c.Revision < 1 {
		return mistake("The form is not whole: open it anew.")
	}
	return s.saveChannel(w, r, &c, was, "was changed.")
}

func (s *server) saveChannel(w http.ResponseWriter, r *http.Request, c, was *store.AlertChannel, done string) error {
	wrong := s.readChannel(r, c)
	conflict := false
	if len(wrong) == 0 {
		switch err := s.DB.SaveAlertChannel(r.Context(), c, s.note(r, "", "", "", nil)); {
		case err == nil:
			return s.alertsDone(w, r, "The channel "+c.Name+" "+done)
		case errors.Is(err, store.ErrExists):
			wrong.add("name", errors.New("there is a channel of that name already"))
		case errors.Is(err, store.ErrChanged):
			conflict = true
			c.Revision = was.Revision
		default:
			return err
		}
	}
	v := s.newChannelForm(r, c, was, wrong)
	v.Conflict = conflict
	return s.render(w, r, http.StatusUnprocessableEntity, channelFormPage(v))
}

// channelTest sends a test now, whatever else waits, and says what came of it.
func (s *server) channelTest(w http.ResponseWriter, r *http.Request) error {
	c, err := s.findChannel(r)
	if err != nil {
		return err
	}
	failed, message := "", "The test by "+c.Name+" was taken. See whether it arrived."
	if err := s.Alerts.Test(r.Context(), c); err != nil {
		failed = err.Error()
		message = "The test by " + c.Name + " did not arrive: " + plainText(failed) + "."
	}
	if err := s.DB.NoteAlertTest(r.Context(), c, failed, s.note(r, "alert.test", c.Name, "", nil)); err != nil {
		return err
	}
	return s.alertsDone(w, r, message)
}

type channelRemoveView struct {
	page
	Name   string
	URL    string
	Reason field
}

func (s *server) channelRemoveAsk(w http.ResponseWriter, r *http.Request) error {
	c, err := s.findChannel(r)
	if err != nil {
		return err
	}
	v := channelRemoveView{page: s.newPage(r, "Remove "+c.Name), Name: c.Name, URL: channelURL(c.Name), Reason: reasonField("Reason", "For the audit list. May be left empty.")}
	return s.render(w, r, http.StatusOK, channelRemovePage(v))
}

func (s *server) channelRemove(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	c, err := s.findChannel(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	if err := s.DB.RemoveAlertChannel(r.Context(), c.Name, s.note(r, "", "", reason, nil)); err != nil {
		return fmt.Errorf("removing a channel: %w", err)
	}
	return s.alertsDone(w, r, "The channel "+c.Name+" is removed.")
}
