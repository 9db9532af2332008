package main

import (
	"strings"
	"testing"

	"recall/plenigo"
	"recall/store/storetest"
)

// The whole of Recall with a role that owns nothing, and its owner beside it: nothing is refused by the database.
func TestServeWithTwoRoles(t *testing.T) {
	t.Parallel()
	owner, plain := storetest.Roles(t)
	dir := dataDir(t)
	env := []string{"RECALL_DATABASE_URL=" + plain, "RECALL_DATABASE_OWNER_URL=" + owner, "RECALL_KEY=" + strings.Repeat("ab", 32), "RECALL_LOG_LEVEL=info"}
	s := serve(t, dir, env, "--demo")
	db := openTestStore(t, plain, storetest.Key())
	s.wait("the good destination has it all", func() bool {
		return counts(t, db, demoDeliveries)[demoGood+" succeeded"] == len(plenigo.Samples())+2
	})
	s.wait("it is indexed and counted", func() bool {
		return counts(t, db, `SELECT 'indexed', count(*) FROM search_segments UNION ALL SELECT 'counted', count(*) FROM volume`)["counted"] > 0
	})
	s.wait("it is looked for alerts", func() bool {
		n := counts(t, db, `SELECT 'looked', count(looked_at) FROM alert_state UNION ALL SELECT 'up', count(*) FROM alert_uptime`)
		return n["looked"] > 0 && n["up"] > 0
	})
	env = append(env, "RECALL_DATA_DIR="+dir)
	run := func(args ...string) result { return runBinary(t, env, args...) }
	run("replay", "plan", "verdict:verified", "--to", demoGood, "--reason", "a test").want(t, 0)
	run("replay", "start", "1").want(t, 0)
	run("event", "reverify", "--filter", "verdict:rejected", "--reason", "a test").want(t, 0)
	run("user", "add", "anna", "--role", "viewer", "--password-file", fileWith(t, "correct horse battery")).want(t, 0)
	run("user", "remove", "anna").want(t, 0)
	run("retention", "set", "attempts", "1d").want(t, 0)
	run("retention", "run").want(t, 0)
	run("migrate", "up").want(t, 0)
	s.wait("the audit list is sealed", func() bool { return counts(t, db, `SELECT 'waiting', count(*) FROM audit_pending`)["waiting"] == 0 })
	run("audit", "verify").want(t, 0, "The audit list fits")
	if f := findings(t, run("doctor", "--json"))["roles"]; f.State != "ok" || !strings.Contains(f.Detail, "can only add") {
		t.Errorf("doctor: %+v", f)
	}
	s.stop()
	if log := s.errs.String(); strings.Contains(log, "42501") || strings.Contains(log, "permission denied") || strings.Contains(log, "must be owner") {
		t.Error("the database refused something")
	}

	env = env[:1] // and by the plain role alone
	env = append(env, "RECALL_KEY="+strings.Repeat("ab", 32))
	s = serve(t, dir, env)
	runBinary(t, append(env, "RECALL_DATA_DIR="+dir), "retention", "run").want(t, 1, "RECALL_DATABASE_OWNER_URL")
	s.stop()
	if log := s.errs.String(); strings.Contains(log, "permission denied") {
		t.Error("the database refused something")
	}
	runBinary(t, []string{"RECALL_DATA_DIR=" + dir, "RECALL_DATABASE_OWNER_URL=" + owner}, "migrate", "status").want(t, 2, "needs RECALL_DATABASE_URL")
}
