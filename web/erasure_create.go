package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"recall/store"
)

// erasureCreateView is the form that opens a case, or makes a report.
type erasureCreateView struct {
	page
	Event    string // of one event; "" of a person
	EventURL string
	Customer field
	Sources  []sourceTick // to choose from; none where there is one
	Reason   field
	Mistakes []link
	Pending  link // the case there is about this already
}

type sourceTick struct {
	ID, Name string
	Ticked   bool
}

func customerField() field {
	return field{Name: "customer", Label: "Customer id", Hint: "As plenigo numbers customers, such as 48213.", Max: 64, Wants: true, Code: true}
}

// newErasureCreateView fills in what the address or the form says.
func (s *server) newErasureCreateView(r *http.Request, title string) (v erasureCreateView, err error) {
	if err := r.ParseForm(); err != nil {
		return v, formError(err)
	}
	v = erasureCreateView{page: s.newPage(r, title), Customer: customerField()}
	v.Section = "erasures"
	v.Reason = reasonField("Reason", "It stands in the case, the certificate and the audit list. Leave out who it is about.")
	v.Reason.Wants = true
	v.Customer.Value, v.Reason.Value = plainText(cut(strings.TrimSpace(r.Form.Get("customer")), 200)), plainText(cut(r.Form.Get("reason"), 4*store.MaxReason))
	if text := r.Form.Get("event"); text != "" {
		id, err := uuid.Parse(text)
		if err != nil {
			return v, missing("“" + cut(plainText(text), 60) + "” is not the id of an event.")
		}
		e, err := s.findEventByID(r, id)
		if err != nil {
			return v, err
		}
		v.Event, v.EventURL = e.ID.String(), eventURL(e.ID)
		return v, nil
	}
	sources, err := s.DB.ListSources(r.Context())
	if err != nil {
		return v, fmt.Errorf("listing sources: %w", err)
	}
	if len(sources) > 1 {
		for _, source := range sources {
			id := strconv.FormatInt(source.ID, 10)
			v.Sources = append(v.Sources, sourceTick{id, source.Name, slices.Contains(r.Form["source"], id)})
		}
	}
	return v, nil
}

// wish is what the form asks for. Where it cannot be, the view says why.
func (v *erasureCreateView) wish(r *http.Request) (wish store.ErasureWish, ok bool, err error) {
	wrong := problems{}
	if v.Event != "" {
		wish.Event = uuid.MustParse(v.Event)
	} else {
		wish.Person = v.Customer.Value
		wrong.add("customer", store.ValidPerson(wish.Person))
	}
	if wish.Reason, err = readReason(r); err != nil {
		return wish, false, err
	}
	if wish.Reason == "" {
		wrong.add("reason", store.ErrErasureReason)
	}
	for _, t := range v.Sources {
		if t.Ticked {
			id, err := strconv.ParseInt(t.ID, 10, 64)
			if err != nil {
				return wish, false, err
			}
			wish.Sources = append(wish.Sources, id)
		}
	}
	if len(wish.Sources) == len(v.Sources) {
		wish.Sources = nil // all, and those to come
	}
	v.Mistakes = wrong.mark(&v.Customer, &v.Reason)
	return wish, len(v.Mistakes) == 0, nil
}

func (s *server) erasureNew(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newErasureCreateView(r, "Open a case")
	if err != nil {
		return err
	}
	v.Customer.Focus = v.Customer.Value == ""
	v.Reason.Focus = !v.Customer.Focus
	return s.render(w, r, http.StatusOK, erasureCreatePage(v))
}

// erasureCreate opens a case. Nothing is destroyed by that: it looks for what is held.
func (s *server) erasureCreate(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newErasureCreateView(r, "Open a case")
	if err != nil {
		return err
	}
	wish, ok, err := v.wish(r)
	if err != nil {
		return err
	}
	if !ok {
		return s.render(w, r, http.StatusUnprocessableEntity, erasureCreatePage(v))
	}
	c, err := s.DB.OpenErasure(r.Context(), wish, s.note(r, "", "", wish.Reason, nil))
	if errors.Is(err, store.ErrErasurePending) {
		v.Pending = link{fmt.Sprintf("Case %d", c.ID), erasureURL(c.ID)}
		return s.render(w, r, http.StatusConflict, erasureCreatePage(v))
	}
	if err != nil {
		return err
	}
	return s.done(w, r, erasureURL(c.ID), "The case is opened. Nothing is destroyed before somebody confirms it.")
}
