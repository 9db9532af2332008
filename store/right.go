package store

import "slices"

// Right is one kind of thing that a user, or a token of the API, may be allowed to do. A route and a call of the API each
// ask for one; roles are bundles of them.
type Right string

const (
	RightMetadata   Right = "metadata"   // what came, when, from where, with which verdict and answer; settings without secrets
	RightPayloads   Right = "payloads"   // bodies and headers, with what is personal masked
	RightReveal     Right = "reveal"     // what is masked, for a reason and a limited time
	RightRedispatch Right = "redispatch" // sending again, verifying again, replays, test callbacks
	RightExport     Right = "export"     // taking many events away at once
	RightAudit      Right = "audit"      // who did what, and why
	RightSettings   Right = "settings"   // sources, destinations, secrets, retention, masking, alerts
	RightUsers      Right = "users"      // who may come in, and as what
	RightErase      Right = "erase"      // destroying what is held about a person
)

// Rights are all of them, in the order in which they are shown.
var Rights = []Right{RightMetadata, RightPayloads, RightReveal, RightRedispatch, RightExport, RightAudit, RightSettings, RightUsers, RightErase}

// rightsOf is what each role may do.
var rightsOf = map[Role][]Right{
	RoleViewer:   {RightMetadata, RightPayloads},
	RoleAuditor:  {RightMetadata, RightPayloads, RightAudit},
	RoleOperator: {RightMetadata, RightPayloads, RightReveal, RightRedispatch, RightExport, RightAudit},
	RoleAdmin:    Rights,
}

// May tells whether users of a role may do something. A role that is not known may do nothing.
func (r Role) May(do Right) bool {
	return slices.Contains(rightsOf[r], do)
}

// RolesWith returns the roles that may do something, the least first.
func RolesWith(do Right) []Role {
	var with []Role
	for _, r := range Roles {
		if r.May(do) {
			with = append(with, r)
		}
	}
	return with
}

// Words say what a right allows, after "may".
func (r Right) Words() string { return wordsOfRights[r] }

var wordsOfRights = map[Right]string{
	RightMetadata:   "see what came, when, from where, and the settings without secrets",
	RightPayloads:   "see bodies and headers, with what is personal masked",
	RightReveal:     "see what is masked, for a reason and a limited time",
	RightRedispatch: "send again, verify again, replay, send test callbacks",
	RightExport:     "take many events away at once",
	RightAudit:      "read the audit list",
	RightSettings:   "change sources, destinations, secrets, retention, masking and alerts",
	RightUsers:      "let users in, and change what they may do",
	RightErase:      "destroy what is held about a person",
}
