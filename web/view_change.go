package web

import (
	"errors"
	"net/http"
	"strconv"

	"recall/store"
)

// viewListView is the model of the page of saved views.
type viewListView struct {
	page
	Own, Shared []viewView
	Start       bool // a view is set to begin with
}

// viewView is one saved view.
type viewView struct {
	ID      int64
	Name    string
	Owner   string // "" one's own
	URL     string
	Filter  string
	Look    string // columns and zone, in words; "" the usual ones
	Shared  bool
	Start   bool
	Change  bool // the reader may
	Current bool // it is what the list shows
}

func (v viewView) action(what string) string {
	path := "/views/" + strconv.FormatInt(v.ID, 10)
	if what != "" {
		path += "/" + what
	}
	return path
}

// viewURL is the list as a view says. The filter stands in it in full: a link works for whoever gets it.
func viewURL(v *store.SavedView) string {
	return eventQuery{Text: v.Filter, Columns: v.Columns, Zone: v.Zone, View: v.ID}.url()
}

func newViewView(v *store.SavedView, user *store.User) viewView {
	view := viewView{
		ID: v.ID, Name: v.Name, URL: viewURL(v), Filter: v.Filter, Shared: v.Shared, Start: v.Start,
		Change: v.OwnerID == user.ID || v.Shared && user.Role.May(store.RightSettings),
	}
	if v.OwnerID != user.ID {
		view.Owner = v.Owner
	}
	if v.Columns != "" {
		view.Look = "own columns"
	}
	if v.Zone != "" {
		if view.Look != "" {
			view.Look += ", "
		}
		view.Look += v.Zone
	}
	return view
}

// viewList is the page on which views are renamed, shared, removed and begun with.
func (s *server) viewList(w http.ResponseWriter, r *http.Request) error {
	user := userOf(r)
	views, err := s.DB.ListViews(r.Context(), user.ID)
	if err != nil {
		return err
	}
	v := viewListView{page: s.newPage(r, "Saved views")}
	v.Section = "events"
	v.Messages = s.takeFlashes(w, r)
	for i := range views {
		one := newViewView(&views[i], user)
		v.Start = v.Start || one.Start
		if one.Owner == "" {
			v.Own = append(v.Own, one)
		} else {
			v.Shared = append(v.Shared, one)
		}
	}
	return s.render(w, r, http.StatusOK, viewListPage(v))
}

// viewCreate saves what the list shows under a name.
func (s *server) viewCreate(w http.ResponseWriter, r *http.Request) error {
	view, err := readView(r)
	if err != nil {
		return err
	}
	view.OwnerID = userOf(r).ID
	if err := s.DB.CreateView(r.Context(), &view); err != nil {
		return viewMistake(err)
	}
	s.auditView(r, "view.add", &view)
	return s.done(w, r, viewURL(&view), "The view “"+view.Name+"” is saved.")
}

// viewUpdate changes a view: what it shows, from the list, or its name and whether it is shared, from the page of views.
func (s *server) viewUpdate(w http.ResponseWriter, r *http.Request) error {
	view, err := s.findView(r)
	if err != nil {
		return err
	}
	said, err := readView(r)
	if err != nil {
		return err
	}
	back := "/views"
	if r.PostForm.Has("q") {
		view.Filter, view.Columns, view.Zone = said.Filter, said.Columns, said.Zone
		back = viewURL(view)
	} else {
		view.Name, view.Shared = said.Name, said.Shared
	}
	if err := s.DB.UpdateView(r.Context(), userOf(r), view); err != nil {
		return viewMistake(err)
	}
	s.auditView(r, "view.set", view)
	return s.done(w, r, back, "The view “"+view.Name+"” is changed.")
}

func (s *server) viewRemove(w http.ResponseWriter, r *http.Request) error {
	view, err := s.findView(r)
	if err != nil {
		return err
	}
	if err := s.DB.RemoveView(r.Context(), userOf(r), view.ID); err != nil {
		return viewMistake(err)
	}
	s.auditView(r, "view.remove", view)
	return s.done(w, r, "/views", "The view “"+view.Name+"” is removed.")
}

// viewStart makes a view what its reader begins with after logging in, or all events again.
func (s *server) viewStart(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	view, err := s.findView(r)
	if err != nil {
		return err
	}
	id, message := view.ID, "You now begin with “"+view.Name+"”."
	if r.PostForm.Get("start") != "1" {
		id, message = 0, "You now begin with all events."
	}
	if err := s.DB.SetStartView(r.Context(), userOf(r).ID, id); err != nil {
		return viewMistake(err)
	}
	return s.done(w, r, "/views", message)
}

// readView takes a view from a form.
func readView(r *http.Request) (store.SavedView, error) {
	if err := r.ParseForm(); err != nil {
		return store.SavedView{}, formError(err)
	}
	var q eventQuery
	q.readLook(r.PostForm)
	return store.SavedView{
		Name: r.PostForm.Get("name"), Shared: r.PostForm.Get("shared") == "1", Filter: r.PostForm.Get("q"), Columns: q.Columns, Zone: q.Zone,
	}, nil
}

func (s *server) findView(r *http.Request) (*store.SavedView, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, missing("There is no such view.")
	}
	view, err := s.DB.FindView(r.Context(), userOf(r).ID, id)
	if err != nil {
		return nil, viewMistake(err)
	}
	return view, nil
}

// viewMistake says what cannot be done with a view; an error of the database stays one.
func viewMistake(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return missing("There is no such view, or it is not yours to change.")
	case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrTooMany), errors.Is(err, store.ErrView):
		return mistake(sentence(err.Error()) + " Go back and try again.")
	}
	return err
}

// auditView notes what happens to views that others see.
func (s *server) auditView(r *http.Request, action string, v *store.SavedView) {
	if !v.Shared {
		return
	}
	entry := s.note(r, action, "view "+strconv.FormatInt(v.ID, 10), "", map[string]any{"name": v.Name, "filter": v.Filter, "columns": v.Columns, "zone": v.Zone})
	if err := s.DB.AddAudit(r.Context(), entry); err != nil {
		s.Log.Error("audit entry not written", "action", action, "error", err)
	}
}

// home leads to the view that its reader begins with, or to all events: these are what people come for.
func (s *server) home(w http.ResponseWriter, r *http.Request) error {
	to := "/events"
	view, err := s.DB.FindStartView(r.Context(), userOf(r).ID)
	switch {
	case err == nil:
		to = viewURL(view)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// setViews fills in what stands above the list: the views to go to, and whether the one it was opened from has changed.
func (v *eventListView) setViews(views []store.SavedView, user *store.User, q eventQuery) {
	for i := range views {
		one := newViewView(&views[i], user)
		if one.Current = one.ID == q.View; one.Current {
			current := one
			v.Opened = &current
			v.Changed = views[i].Filter != v.Base || views[i].Columns != q.Columns || views[i].Zone != q.Zone
		}
		v.Views = append(v.Views, one)
	}
}
