package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"recall/filter"
	"recall/plenigo"
	"recall/receive"
	"recall/store"
	"recall/verify"
)

const (
	demoSource  = "demo"
	demoGood    = "demo-good"
	demoFailing = "demo-failing"
)

// demo is a source whose callbacks we send ourselves, and two destinations whose receivers run in this process.
type demo struct {
	app       *app
	db        *store.DB
	secret    string
	receivers []demoReceiver
}

type demoReceiver struct {
	destination store.Destination // as it is made first; the URL is new at every start
	status      int
	answer      string
	server      *http.Server
	addr        netip.AddrPort
}

// openDemo makes what is missing of the demo, and starts its receivers.
func openDemo(ctx context.Context, a *app, db *store.DB) (*demo, error) {
	everything, invoices := "", "type:invoice.*"
	d := &demo{app: a, db: db, receivers: []demoReceiver{
		{destination: store.Destination{Name: demoGood, Match: &everything}, status: http.StatusOK, answer: "taken\n"},
		{destination: store.Destination{Name: demoFailing, Match: &invoices}, status: http.StatusServiceUnavailable, answer: "this demo destination always fails\n"},
	}}
	if err := d.openSource(ctx); err != nil {
		return nil, err
	}
	for i := range d.receivers {
		err := d.receivers[i].open(a)
		if err == nil {
			err = d.openDestination(ctx, &d.receivers[i])
		}
		if err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

// Close ends the receivers.
func (d *demo) Close() {
	for _, r := range d.receivers {
		if r.server != nil {
			r.server.Close()
		}
	}
}

func (d *demo) openSource(ctx context.Context) error {
	source, err := d.db.FindSource(ctx, demoSource)
	if errors.Is(err, store.ErrNotFound) {
		source = &store.Source{
			Slug: demoSource, Name: "Demo shop", Enabled: true, Demo: true,
			Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
			Secrets: []verify.Secret{{Name: "demo", Key: rand.Text()}},
		}
		err = d.db.CreateSource(ctx, source)
	}
	switch {
	case err != nil:
		return fmt.Errorf("making the demo's source: %w", err)
	case !source.Demo:
		return fmt.Errorf("the demo needs the name %q for its source, and there is a source of yours that has it: start without --demo, or with a data folder of its own", demoSource)
	case len(source.Secrets) == 0:
		return fmt.Errorf("the demo's source has no secret any more: remove it with `%s demo remove`, and it is made anew", program())
	}
	d.secret = source.Secrets[len(source.Secrets)-1].Key
	return nil
}

func (d *demo) openDestination(ctx context.Context, r *demoReceiver) error {
	url := "http://" + r.addr.String() + "/"
	destination, err := d.db.FindDestination(ctx, r.destination.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		destination = &r.destination
		destination.URL = url
		destination.Signing = store.SigningPlenigo
		destination.Timeout = 10 * time.Second
		destination.RetrySchedule = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second}
		destination.State = store.DestinationActive
		destination.Demo = true
		err = d.db.CreateDestination(ctx, destination)
	case err == nil && !destination.Demo:
		return fmt.Errorf("the demo needs the name %q for a destination, and there is one of yours that has it: start without --demo, or with a data folder of its own", destination.Name)
	case err == nil:
		destination.URL = url
		err = d.db.UpdateDestination(ctx, destination)
	}
	if err != nil {
		return fmt.Errorf("making the demo's destination %s: %w", r.destination.Name, err)
	}
	return nil
}

// open starts a receiver that gives every request the same answer.
func (r *demoReceiver) open(a *app) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("opening a receiver for the demo: %w", err)
	}
	r.addr = l.Addr().(*net.TCPAddr).AddrPort()
	r.server = receive.NewServer("", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body) // what the dispatcher sends is bounded
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(r.status)
		io.WriteString(w, r.answer)
	}), a.log)
	go r.server.Serve(l) // until Close
	return nil
}

// addrs are the only internal addresses that events may be sent to.
func (d *demo) addrs() []netip.AddrPort {
	var all []netip.AddrPort
	for _, r := range d.receivers {
		all = append(all, r.addr)
	}
	return all
}

// sendSamples sends every sample, and some that are wrong in each way there is, through the receiver. On a later
// start there are events already, and nothing is sent.
func (d *demo) sendSamples(ctx context.Context, receiver ownReceiver) error {
	only, err := filter.Parse("source:"+demoSource, d.app.now())
	if err != nil {
		return err
	}
	page, err := d.db.ListEvents(ctx, store.EventQuery{Filter: only, Limit: 1})
	if err != nil || len(page.Events) > 0 {
		return err
	}
	s := newSender(sender{URL: receiver.url + "/callbacks/" + demoSource, Secret: d.secret, Now: d.app.now, Transport: receiver.through})
	for _, sample := range plenigo.Samples() {
		if err := d.send(ctx, s, sample, fault{}); err != nil {
			return err
		}
	}
	for _, wrong := range d.wrongOnes() {
		if err := d.send(ctx, s, wrong.sample, wrong.fault); err != nil {
			return err
		}
	}
	return nil
}

// send: any answer will do that tells of an event.
func (d *demo) send(ctx context.Context, s *sender, sample plenigo.Sample, f fault) error {
	got, err := s.send(ctx, sample, f)
	if err == nil && got.Verdict == "" {
		err = fmt.Errorf("the receiver answered %d", got.Status)
	}
	if err != nil {
		return fmt.Errorf("sending the demo's callback %s: %w", sample.Name, err)
	}
	return nil
}

type wrongOne struct {
	sample plenigo.Sample
	fault  fault
}

// wrongOnes are callbacks of other entities than the samples', so that they are no repeats of them, except the last: that
// is plenigo's own repeat of one whose answer it did not get.
func (d *demo) wrongOnes() []wrongOne {
	now := d.app.now()
	named := map[string]plenigo.Sample{}
	for _, s := range plenigo.Samples() {
		named[s.Name] = s
	}
	other := func(name string) plenigo.Sample {
		s := named[name]
		s.Body = otherEntity(s.Body)
		return s
	}
	altered := other("invoice.change")
	repeated := other("customer.change")
	return []wrongOne{
		{other("order.creation"), fault{Secret: rand.Text()}},
		{other("customer.creation"), fault{Unsigned: true}},
		{altered, fault{Body: bytes.Replace(altered.Body, []byte("{"), []byte("{ "), 1)}},
		{other("subscription.creation"), fault{SignedAt: now.Add(time.Hour)}},
		{other("subscription.change"), fault{SignedAt: now.Add(-40 * time.Hour)}},
		{other("invoice.creation"), fault{SignedAt: now.Add(-6 * time.Hour)}},
		{repeated, fault{SignedAt: now}},
		{repeated, fault{SignedAt: now}},
	}
}

// otherEntity gives a body's entity another number, wherever it stands.
func otherEntity(body []byte) []byte {
	id := plenigo.Read(body).EntityID
	return bytes.ReplaceAll(body, []byte(id), []byte("9"+id))
}
