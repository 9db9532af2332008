package web

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"recall/store"
)

// defaultSigningOverlap is how long a destination's old signing secret signs beside the new one.
const defaultSigningOverlap = 24 * time.Hour

// destinationSecretView is the form that changes a destination's signing secret.
type destinationSecretView struct {
	page
	Destination link
	First       bool // it has none yet
	MayDrop     bool // it may be signed by the source's instead
	Mistakes    []link
	Key         field
	Overlap     field
}

func (s *server) newDestinationSecret(r *http.Request, d *store.Destination, wrong problems) destinationSecretView {
	v := destinationSecretView{
		Destination: link{d.Name, destinationURL(d.Name)}, First: len(d.Secrets) == 0,
		MayDrop: len(d.Secrets) > 0 && d.Signing == store.SigningPlenigo,
		Key:     field{Name: "secret", Label: "New secret", Kept: s.keep(r, "secret", s.typed(r, "secret")), Hint: "Empty: one is made, and shown on the next page."},
		Overlap: field{Name: "overlap", Label: "The old one signs too for", Value: spanText(defaultSigningOverlap), Code: true, Hint: "Each request carries both signatures meanwhile, so that the receiver can change in between. 0 ends the old one at once."},
	}
	if r.PostForm.Has("overlap") {
		v.Overlap.Value = r.PostForm.Get("overlap")
	}
	title := "Change the signing secret of " + d.Name
	if v.First {
		title = "Give " + d.Name + " a signing secret of its own"
	}
	v.page = s.newPage(r, title)
	v.Mistakes = wrong.mark(&v.Key, &v.Overlap)
	return v
}

// findSigning is a destination whose requests are signed.
func (s *server) findSigning(r *http.Request) (*store.Destination, error) {
	d, err := s.findReadable(r)
	if err == nil && d.Signing == store.SigningNone {
		return nil, mistake("Requests to " + d.Name + " are not signed. Choose a signature in its settings first.")
	}
	return d, err
}

func (s *server) destinationSecretNew(w http.ResponseWriter, r *http.Request) error {
	d, err := s.findSigning(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, destinationSecretPage(s.newDestinationSecret(r, d, nil)))
}

// destinationSecretChange gives a destination a new signing secret, or drops the ones it has.
func (s *server) destinationSecretChange(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	d, err := s.findSigning(r)
	if err != nil {
		return err
	}
	changed := *d
	key, made, wrong := s.typed(r, "secret"), false, problems{}
	switch {
	case r.PostForm.Get("drop") != "":
		changed.Secrets = nil
		if d.Signing != store.SigningPlenigo {
			return mistake("Standard Webhooks needs a signing secret of the destination’s own.")
		}
	case key == "":
		key, made = store.NewSigningSecret(), true
		fallthrough
	default:
		overlap := time.Duration(0)
		if len(d.Secrets) > 0 {
			if overlap, err = parseSpan(r.PostForm.Get("overlap")); err == nil && (overlap < 0 || overlap > store.MaxWindow) {
				err = errors.New("the overlap must be between 0 and 10 years")
			}
			wrong.add("overlap", err)
		}
		if slices.ContainsFunc(d.Secrets, func(old store.SigningSecret) bool { return old.Key == key }) {
			wrong.add("secret", errors.New("this is a signing secret that the destination has already"))
		}
		changed.Rotate(key, overlap, s.Now())
	}
	for _, p := range changed.Problems(s.Now()) {
		if p.Field != "secret" {
			return mistake("First correct another setting of " + d.Name + ": " + p.Err.Error() + ".")
		}
		wrong.add("secret", p.Err)
	}
	if len(wrong) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, destinationSecretPage(s.newDestinationSecret(r, d, wrong)))
	}
	err = s.DB.UpdateDestination(r.Context(), &changed, s.note(r, "destination.set", d.Name, "", store.DestinationChanges(d, &changed)))
	switch {
	case errors.Is(err, store.ErrChanged):
		return mistake("The destination was changed by somebody else at the same moment, so nothing was done. Look at it, and try again.")
	case err != nil:
		return err
	case made:
		return s.showMade(w, r, d.Name)
	case len(changed.Secrets) == 0:
		return s.destinationDone(w, r, d.Name, "Its own signing secret is dropped: requests are signed by the secret of the event’s source.")
	}
	return s.destinationDone(w, r, d.Name, "The new signing secret signs within two seconds.")
}
