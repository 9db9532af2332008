package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// SlugPath is the path of one source.
type SlugPath struct {
	Slug string `path:"slug" maxLength:"63" example:"shop"`
}

// basicInput and headerInput are secret: they are taken, and never given back.
type basicInput struct {
	User     string `json:"user" minLength:"1" maxLength:"255"`
	Password string `json:"password" maxLength:"1024" writeOnly:"true"`
}

type headerInput struct {
	Name  string `json:"name" minLength:"1" maxLength:"255"`
	Value string `json:"value" maxLength:"4096" writeOnly:"true"`
}

// SourceSettings are those of a source that can be given when it is added and changed later.
type SourceSettings struct {
	Name              *string       `json:"name,omitempty" maxLength:"200" doc:"Name for people."`
	Secret            *string       `json:"secret,omitempty" minLength:"1" maxLength:"1024" writeOnly:"true" doc:"The callback's secret, as plenigo shows it. In a change it takes the place of all that were there, at once: rotate lets the old one stay valid for a while."`
	Basic             *basicInput   `json:"basic,omitempty" doc:"Basic authentication (method 1 at plenigo)."`
	Headers           []headerInput `json:"headers,omitempty" maxItems:"20" doc:"Header pairs (method 2 at plenigo); each is added, or takes the place of the one of its name."`
	ToleranceSeconds  *int64        `json:"tolerance_seconds,omitempty" minimum:"1" doc:"How far a signature's time may be from now, past and future."`
	LateWindowSeconds *int64        `json:"late_window_seconds,omitempty" minimum:"0" doc:"How old a genuine callback may be to be accepted as late; 0 rejects late ones."`
	ExpectedTypes     *[]string     `json:"expected_types,omitempty" maxItems:"200" doc:"Such as customer.creation, order.* or *.deletion; an empty list expects every type."`
	Scheme            *string       `json:"scheme,omitempty" maxLength:"4096" doc:"How the sender signs: plenigo, standard-webhooks, or a scheme as JSON."`
	Enabled           *bool         `json:"enabled,omitempty" doc:"false: answer 403, and keep callbacks as rejected."`
	Observe           *bool         `json:"observe,omitempty" doc:"Answer rejected callbacks 2xx too. They are kept as rejected, and never sent on."`
}

// change is what the settings say, where they say something.
func (in *SourceSettings) change() (store.SourceChange, error) {
	c := store.SourceChange{Name: in.Name, Secret: in.Secret, Tolerance: seconds(in.ToleranceSeconds), LateWindow: seconds(in.LateWindowSeconds), Enabled: in.Enabled, Observe: in.Observe}
	if in.Basic != nil {
		if strings.Contains(in.Basic.User, ":") {
			return c, wrong("body.basic.user", "the user of basic authentication holds a colon, which it cannot")
		}
		c.Basic = &verify.BasicAuth{User: in.Basic.User, Password: in.Basic.Password}
	}
	for _, h := range in.Headers {
		c.Headers = append(c.Headers, verify.Header{Name: h.Name, Value: h.Value})
	}
	if in.ExpectedTypes != nil {
		c.ExpectedTypes, c.EveryType = *in.ExpectedTypes, len(*in.ExpectedTypes) == 0
	}
	if in.Scheme != nil {
		scheme, err := verify.ParseScheme(*in.Scheme)
		if err != nil {
			return c, wrong("body.scheme", err.Error())
		}
		if scheme == verify.Plenigo {
			scheme = verify.Scheme{} // the default
		}
		c.Scheme = &scheme
	}
	return c, nil
}

func seconds(n *int64) *time.Duration {
	if n == nil {
		return nil
	}
	return new(time.Duration(min(*n, int64(store.MaxWindow/time.Second)+1)) * time.Second)
}

// sourceDetail is a source, and what its secrets did.
type sourceDetail struct {
	store.SourceJSON
	SecretUses []secretUse `json:"secret_uses"`
}

type secretUse struct {
	Secret   string     `json:"secret" doc:"Its name; one that was removed stays here."`
	Events   int64      `json:"events" doc:"Callbacks that it verified."`
	LastUsed *time.Time `json:"last_used"`
}

type sourceList struct {
	Sources []store.SourceJSON `json:"sources"`
}

func (s *server) sourceOperations() {
	const one = "/sources/{slug}"
	add(s, operation{id: "source-list", method: http.MethodGet, path: "/sources", need: store.RightMetadata, summary: "List the sources"}, s.sourceList)
	add(s, operation{id: "source-add", method: http.MethodPost, path: "/sources", need: store.RightSettings, status: http.StatusCreated, summary: "Add a source", fails: []int{409}}, s.sourceAdd)
	add(s, operation{id: "source-show", method: http.MethodGet, path: one, need: store.RightMetadata, summary: "Show a source; secrets stay hidden", fails: []int{404}}, s.sourceShow)
	add(s, operation{id: "source-set", method: http.MethodPatch, path: one, need: store.RightSettings, summary: "Change a source's settings; what is not named stays as it is", fails: []int{404, 409}}, s.sourceSet)
	add(s, operation{id: "source-rotate", method: http.MethodPost, path: one + "/rotate", need: store.RightSettings, summary: "Give a source a new secret; the old one stays valid for a while", fails: []int{404, 409}}, s.sourceRotate)
	add(s, operation{id: "source-pause", method: http.MethodPost, path: one + "/pause", need: store.RightSettings, summary: "Answer 403 to a source's callbacks, and keep them as rejected", fails: []int{404, 409}}, s.sourceEnable(false))
	add(s, operation{id: "source-resume", method: http.MethodPost, path: one + "/resume", need: store.RightSettings, summary: "Accept a source's callbacks again", fails: []int{404, 409}}, s.sourceEnable(true))
	add(s, operation{id: "source-test", method: http.MethodPost, path: one + "/test", need: store.RightRedispatch, summary: "Send a test callback to a source, the way of every callback", fails: []int{404, 409, 502}}, s.sourceTest)
	add(s, operation{id: "source-remove", method: http.MethodDelete, path: one, need: store.RightSettings, status: http.StatusNoContent, summary: "Remove a source; its events stay", fails: []int{404}}, s.sourceRemove)
}

func (s *server) sourceJSON(source *store.Source) store.SourceJSON {
	return source.JSON(s.PublicURL + "/callbacks/" + source.Slug)
}

func (s *server) sourceList(ctx context.Context, _ *none) (*body[sourceList], error) {
	found, err := s.DB.ListSources(ctx)
	list := sourceList{Sources: []store.SourceJSON{}}
	for _, source := range found {
		list.Sources = append(list.Sources, s.sourceJSON(source))
	}
	return &body[sourceList]{list}, err
}

func (s *server) sourceAdd(ctx context.Context, in *struct {
	Body struct {
		SourceSettings
		Slug string `json:"slug" minLength:"1" maxLength:"63" example:"shop" doc:"Name in the callback's URL: lower-case letters, digits and hyphens."`
	}
}) (*body[store.SourceJSON], error) {
	change, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	source := &store.Source{Slug: in.Body.Slug, Name: in.Body.Slug, Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow}
	if err := change.Apply(source, nil, s.Now()); err != nil {
		return nil, err
	}
	if err := source.Validate(); err != nil {
		return nil, wrong("body", err.Error())
	}
	if err := s.DB.CreateSource(ctx, source, s.note(ctx, "source.add", source.Slug, "", store.SourceChanges(nil, source))); err != nil {
		return nil, err
	}
	return answer(s.sourceJSON(source))
}

func (s *server) sourceShow(ctx context.Context, in *SlugPath) (*body[sourceDetail], error) {
	source, err := s.DB.FindSource(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	uses, err := s.DB.SecretUses(ctx, source.ID)
	if err != nil {
		return nil, err
	}
	v := sourceDetail{SourceJSON: s.sourceJSON(source), SecretUses: []secretUse{}}
	for _, u := range uses {
		v.SecretUses = append(v.SecretUses, secretUse{u.Secret, u.Events, orNull(u.LastUsed)})
	}
	return answer(v)
}

func (s *server) changeSource(ctx context.Context, slug, action, reason string, change func(*store.Source, []store.SecretUse, time.Time) error) (*body[store.SourceJSON], error) {
	source, err := s.DB.ChangeSource(ctx, slug, func(source *store.Source, uses []store.SecretUse) error { return change(source, uses, s.Now()) },
		s.note(ctx, action, slug, reason, nil))
	if err != nil {
		return nil, err
	}
	return answer(s.sourceJSON(source))
}

func (s *server) sourceSet(ctx context.Context, in *struct {
	SlugPath
	Body struct {
		SourceSettings
		ReasonBody
		EndSecrets     []string `json:"end_secrets,omitempty" maxItems:"20" doc:"Names of secrets that are to be valid no longer; they are kept, for checking what arrived before."`
		RemoveBasic    bool     `json:"remove_basic,omitempty" doc:"Ask for no basic authentication any more."`
		RemoveHeaders  []string `json:"remove_headers,omitempty" maxItems:"20" doc:"Names of headers to ask for no more."`
		DropUnreadable bool     `json:"drop_unreadable,omitempty" doc:"Give up what cannot be decrypted, and disable the source."`
	}
}) (*body[store.SourceJSON], error) {
	change, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	if in.Body.RemoveBasic && change.Basic != nil {
		return nil, wrong("body.remove_basic", "remove_basic ends what basic asks for; give one or the other")
	}
	change.EndSecrets, change.NoBasic, change.RemoveHeaders, change.DropUnreadable = in.Body.EndSecrets, in.Body.RemoveBasic, in.Body.RemoveHeaders, in.Body.DropUnreadable
	return s.changeSource(ctx, in.Slug, "source.set", in.Body.Reason, change.Apply)
}

func (s *server) sourceRotate(ctx context.Context, in *struct {
	SlugPath
	Body struct {
		ReasonBody
		Secret         string `json:"secret" minLength:"1" maxLength:"1024" writeOnly:"true" doc:"The new secret, as plenigo shows it."`
		Name           string `json:"name,omitempty" maxLength:"100" doc:"Name of the new secret, shown with what it verifies; the day where it is left out."`
		OverlapSeconds *int64 `json:"overlap_seconds,omitempty" minimum:"0" doc:"How long the old secrets stay valid: 172800 (48 h) where it is left out, which covers plenigo's last retry."`
	}
}) (*body[store.SourceJSON], error) {
	next := store.NewSecret{Key: in.Body.Secret, Name: in.Body.Name, Overlap: store.DefaultOverlap}
	if overlap := seconds(in.Body.OverlapSeconds); overlap != nil {
		next.Overlap = *overlap
	}
	return s.changeSource(ctx, in.Slug, "source.set", in.Body.Reason, next.Apply)
}

type slugReason struct {
	SlugPath
	Body *ReasonBody
}

func (s *server) sourceEnable(enabled bool) func(context.Context, *slugReason) (*body[store.SourceJSON], error) {
	return func(ctx context.Context, in *slugReason) (*body[store.SourceJSON], error) {
		change := store.SourceChange{Enabled: &enabled}
		return s.changeSource(ctx, in.Slug, "source.set", in.Body.why(), change.Apply)
	}
}

type tested struct {
	EventID uuid.UUID `json:"event_id" format:"uuid" doc:"The event that the test callback became."`
}

func (s *server) sourceTest(ctx context.Context, in *SlugPath) (*body[tested], error) {
	source, err := s.DB.FindSource(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	if len(source.ValidSecrets(s.Now())) == 0 {
		return nil, &Problem{Status: http.StatusConflict, Type: "no-secret", Detail: "The source has no secret that is valid now, so a callback cannot be signed. Give it one first."}
	}
	id, err := s.Test.SendTest(ctx, source)
	if err != nil {
		return nil, &Problem{Status: http.StatusBadGateway, Type: "test", Detail: "The test callback became no event: " + err.Error() + "."}
	}
	if err := s.DB.AddAudit(ctx, s.note(ctx, "source.test", source.Slug, "", map[string]any{"event": id})); err != nil {
		return nil, err
	}
	return answer(tested{id})
}

type slugWhy struct {
	SlugPath
	Reason string `query:"reason" maxLength:"500" doc:"Why, for the audit list."`
}

func (s *server) sourceRemove(ctx context.Context, in *slugWhy) (*none, error) {
	err := s.DB.RemoveSource(ctx, in.Slug, s.note(ctx, "source.remove", in.Slug, in.Reason, nil))
	return nil, err
}

// note is what the audit list will say.
func (s *server) note(ctx context.Context, action, subject, reason string, detail map[string]any) store.AuditEntry {
	return store.AuditEntry{Actor: actor(ctx), Action: action, Subject: subject, Reason: reason, Detail: detail}
}

// findDestination finds a destination, or says that there is none of that name.
func (s *server) findDestination(ctx context.Context, name string) (*store.Destination, error) {
	d, err := s.DB.FindDestination(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: "There is no destination of this name; " + Prefix + "/destinations lists them."}
	}
	return d, err
}

// slugs are the names of sources, removed ones too.
func (s *server) slugs(ctx context.Context) (func(int64) *string, error) {
	sources, err := s.DB.ListSources(ctx)
	if err != nil {
		return nil, err
	}
	known := map[int64]string{}
	for _, source := range sources {
		known[source.ID] = source.Slug
	}
	return func(id int64) *string {
		if id == 0 {
			return nil
		}
		if known[id] == "" {
			if source, err := s.DB.FindSourceByID(ctx, id); err == nil {
				known[id] = source.Slug
			} else {
				known[id] = fmt.Sprintf("source %d", id)
			}
		}
		return new(known[id])
	}, nil
}

func daysOrNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
