package store

import "time"

// Role is what a user may do.
type Role string

const (
	RoleViewer   Role = "viewer"
	RoleAuditor  Role = "auditor"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// Roles are all of them, each with what the one before it may do, and more.
var Roles = []Role{RoleViewer, RoleAuditor, RoleOperator, RoleAdmin}

// User is someone who may log in.
type User struct {
	ID           int64
	Name         string
	Role         Role
	SecondFactor bool   // a code of an authenticator app is asked for besides the password
	Issuer       string // of the identity provider that the user logs in at; "": by a password, here
	Refused      bool   // the provider gave no role at the last log-in: nothing of the user works
	CreatedAt    time.Time
}

// AuditEntry says who did what to what, and why. It never holds secrets or payloads.
type AuditEntry struct {
	ID      int64          `json:"id"` // grows with time; given by the store
	At      time.Time      `json:"at"`
	Actor   string         `json:"actor"`
	Action  string         `json:"action"` // noun.verb
	Subject string         `json:"subject"`
	Reason  string         `json:"reason"`
	Detail  map[string]any `json:"detail"`
}
