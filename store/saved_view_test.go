package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"recall/store"
	"recall/store/storetest"
)

func TestSavedViews(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := storetest.New(t)
	user := func(name string, role store.Role) *store.User {
		u, err := db.CreateUser(ctx, name, "correct horse battery", role)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	anna, ben, chief := user("anna", store.RoleOperator), user("ben", store.RoleViewer), user("chief", store.RoleAdmin)
	names := func(u *store.User) string {
		views, err := db.ListViews(ctx, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, v := range views {
			name := v.Owner + "/" + v.Name
			if v.Start {
				name += "*"
			}
			list = append(list, name)
		}
		return strings.Join(list, " ")
	}
	own := &store.SavedView{OwnerID: anna.ID, Name: "  Rejected   today ", Filter: "verdict:rejected after:1d", Columns: "size", Zone: "Europe/Berlin"}
	shared := &store.SavedView{OwnerID: anna.ID, Name: "Orders", Filter: "type:order.*", Shared: true}
	for _, v := range []*store.SavedView{own, shared} {
		if err := db.CreateView(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(anna) + " | " + names(ben); got != "anna/Orders anna/Rejected today | anna/Orders" {
		t.Fatalf("seen: %s", got)
	}
	if v, err := db.FindView(ctx, anna.ID, own.ID); err != nil || v.Filter != own.Filter || v.Columns != "size" || v.Zone != "Europe/Berlin" || v.Name != "Rejected today" {
		t.Errorf("got %+v, %v", v, err)
	}

	for name, test := range map[string]struct {
		got, want error
	}{
		"the same name":        {db.CreateView(ctx, &store.SavedView{OwnerID: anna.ID, Name: "ORDERS"}), store.ErrExists},
		"another's own":        {second(db.FindView(ctx, ben.ID, own.ID)), store.ErrNotFound},
		"an admin, not shared": {db.RemoveView(ctx, chief, own.ID), store.ErrNotFound},
		"shared, not one's":    {db.RemoveView(ctx, ben, shared.ID), store.ErrNotFound},
		"changed by another":   {db.UpdateView(ctx, ben, shared), store.ErrNotFound},
		"start with another's": {db.SetStartView(ctx, ben.ID, own.ID), store.ErrNotFound},
		"no start":             {second(db.FindStartView(ctx, ben.ID)), store.ErrNotFound},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	for name, v := range map[string]store.SavedView{
		"no name": {Name: " \t "}, "long name": {Name: strings.Repeat("x", store.MaxViewName+1)}, "no text": {Name: "a\xff"}, "broken filter": {Name: "a", Filter: "verdict:good"},
		"long columns": {Name: "a", Columns: strings.Repeat("x", 1000)},
	} {
		v.OwnerID = anna.ID
		if err := db.CreateView(ctx, &v); err == nil {
			t.Errorf("%s: it was saved", name)
		}
	}

	if err := db.SetStartView(ctx, ben.ID, shared.ID); err != nil {
		t.Fatal(err)
	}
	if got := names(ben); got != "anna/Orders*" {
		t.Errorf("ben begins with %s", got)
	}
	shared.Name, shared.Filter = "All orders", "type:order"
	if err := db.UpdateView(ctx, chief, shared); err != nil {
		t.Fatal(err)
	}
	if v, err := db.FindStartView(ctx, ben.ID); err != nil || v.Name != "All orders" || v.Filter != "type:order" || v.OwnerID != anna.ID {
		t.Errorf("got %+v, %v", v, err)
	}
	shared.Shared = false
	if err := db.UpdateView(ctx, anna, shared); err != nil {
		t.Fatal(err)
	}
	if _, err := db.FindStartView(ctx, ben.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a view that is no longer shared: %v", err)
	}
	if err := db.RemoveView(ctx, anna, shared.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.SetStartView(ctx, ben.ID, 0); err != nil {
		t.Fatal(err)
	}
	for i := range store.MaxViews {
		err := db.CreateView(ctx, &store.SavedView{OwnerID: anna.ID, Name: fmt.Sprint(i)})
		if last := i == store.MaxViews-1; last != errors.Is(err, store.ErrTooMany) {
			t.Fatalf("view %d: %v", i, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
