package alert

import (
	"crypto/x509"
	"time"
)

// Trust lets mail servers have certificates of these.
func (o *Outgoing) Trust(roots *x509.CertPool) { o.roots = roots }

// Within changes how long a message may take.
func (o *Outgoing) Within(d time.Duration) { o.time = d }
