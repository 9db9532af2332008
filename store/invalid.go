package store

// InvalidError says, fit for the person who asked, what of a wish cannot be.
type InvalidError struct{ err error }

func (e *InvalidError) Error() string { return e.err.Error() }
func (e *InvalidError) Unwrap() error { return e.err }

// invalid marks an error as one of the person who asked; nil stays nil.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return &InvalidError{err}
}
