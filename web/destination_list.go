package web

import (
	"context"
	"fmt"
	"net/http"

	"recall/store"
)

type destinationListView struct {
	page
	Destinations []destinationView
	Lost         string // exhausted deliveries, to removed destinations too; "" none
	Command      string
}

const addDestinationCommand = "recall destination add --name crm --url https://crm.example/callbacks"

func (s *server) destinationList(w http.ResponseWriter, r *http.Request) error {
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return fmt.Errorf("listing destinations: %w", err)
	}
	open, lost, err := s.openDeliveries(r.Context())
	if err != nil {
		return err
	}
	v := destinationListView{page: s.newPage(r, "Destinations"), Command: addDestinationCommand}
	v.Messages = s.takeFlashes(w, r)
	for _, d := range destinations {
		v.Destinations = append(v.Destinations, newDestinationView(d, open[d.ID], v.Now))
	}
	if lost > 0 {
		v.Lost = counted(lost, store.MostExhausted) + " " + pluralWord(lost, "delivery was", "deliveries were")
	}
	return s.render(w, r, http.StatusOK, destinationListPage(v))
}

func pluralWord(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// openDeliveries tells what is open by destination, and how many deliveries are exhausted in all.
func (s *server) openDeliveries(ctx context.Context) (open map[int64]openDeliveries, lost int, err error) {
	backlogs, err := s.DB.ListBacklogs(ctx)
	if err != nil {
		return nil, 0, err
	}
	groups, err := s.DB.ListExhausted(ctx)
	if err != nil {
		return nil, 0, err
	}
	waiting := map[string]int{}
	for _, b := range backlogs {
		waiting[b.Destination] = b.Waiting()
	}
	destinations, err := s.DB.ListDestinations(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("listing destinations: %w", err)
	}
	open = map[int64]openDeliveries{}
	for _, d := range destinations {
		open[d.ID] = openDeliveries{waiting: waiting[d.Name]}
	}
	for _, g := range groups {
		o := open[g.DestinationID]
		o.exhausted += g.Deliveries
		open[g.DestinationID] = o
		lost += g.Deliveries
	}
	return open, lost, nil
}
