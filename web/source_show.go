package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

// TestSender sends a test callback of a source to the receiver, over HTTP and signed as its sender signs, and tells which
// event it became. The error is a sentence for the operator, without a full stop.
type TestSender interface {
	SendTest(ctx context.Context, source *store.Source) (uuid.UUID, error)
}

// sourceShowView is the page of one source.
type sourceShowView struct {
	page
	Source    sourceView
	Secrets   []secretView
	Offers    []spareView
	MayTest   bool
	SentTo    []string // the destinations that a test callback would be sent on to
	RevealURL string   // of the password of basic authentication
	Headers   []link   // header names, and where their values are revealed
}

// spareView offers to end a secret that is not needed any more.
type spareView struct {
	Name, Newer string
	Since       timeView // when it was last needed
	Unused      string   // for how long; where it never was
}

func (s *server) sourceShow(w http.ResponseWriter, r *http.Request) error {
	source, err := s.findSource(r)
	if err != nil {
		return err
	}
	uses, err := s.DB.SecretUses(r.Context(), source.ID)
	if err != nil {
		return err
	}
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return fmt.Errorf("listing destinations: %w", err)
	}
	v := newSourceShowView(s.newPage(r, source.Name), source, uses, s.PublicURL)
	v.Messages = s.takeFlashes(w, r)
	v.SentTo = testGoesTo(source, destinations, v)
	return s.render(w, r, http.StatusOK, sourceShowPage(v))
}

func newSourceShowView(p page, source *store.Source, uses []store.SecretUse, publicURL string) sourceShowView {
	v := sourceShowView{page: p, Source: newSourceView(source, publicURL, p.Now), Secrets: secretViews(source, uses, p.Now)}
	v.MayTest = v.Source.Usable && !source.Unreadable && p.maySend()
	v.RevealURL = revealURL(source.Slug, revealBasic, "")
	for _, h := range source.Headers {
		v.Headers = append(v.Headers, link{h.Name, revealURL(source.Slug, revealHeader, h.Name)})
	}
	for _, spare := range source.SpareSecrets(uses, p.Now) {
		offer := spareView{Name: spare.Secret, Newer: spare.Newer, Since: newTime(spare.Since, p.Now)}
		if spare.Since.IsZero() {
			offer.Unused = largestUnit(spare.Unused)
		}
		v.Offers = append(v.Offers, offer)
	}
	return v
}

// testGoesTo names the destinations whose rule a test callback matches: it is an event like any other.
func testGoesTo(source *store.Source, destinations []*store.Destination, v sourceShowView) []string {
	var names []string
	test := filter.Subject{
		Source: source.Slug, Verdict: string(verify.Verified), Signature: string(verify.Valid), Answered: http.StatusOK,
		EntityType: store.TestEntityType, CallbackType: "TEST", ReceivedAt: v.Now,
	}
	for _, d := range destinations {
		if d.Match == nil || d.State != store.DestinationActive {
			continue
		}
		if f, err := filter.Parse(*d.Match, v.Now); err == nil && f.Match(test) {
			names = append(names, d.Name)
		}
	}
	return names
}
