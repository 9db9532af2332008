package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"recall/store"
)

// A destination was down: what it missed is planned, sent, broken off by kill -9 in the middle, and goes on at the next start.
func TestReplayCommands(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	status := http.StatusOK
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if status == http.StatusOK {
			got[r.Header.Get("Recall-Event")]++
			if r.Header.Get("Recall-Trigger") != "replay" || r.Header.Get("Recall-Replay") == "" {
				t.Errorf("headers %v", r.Header)
			}
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(crm.Close)
	answer := func(code int) { mu.Lock(); defer mu.Unlock(); status = code }
	arrived := func() int { mu.Lock(); defer mu.Unlock(); return len(got) }

	dir := dataDir(t)
	env := []string{"RECALL_DATA_DIR=" + dir, "RECALL_EGRESS_ALLOW=127.0.0.0/8"}
	s := serve(t, dir, env)
	shop := addShop(s, s.store())
	runBinary(t, env, "destination", "add", "--name", "crm", "--url", crm.URL).want(t, 0)
	const events = 150
	for n := range events {
		send(s, shop, n)
	}
	shop.send(t.Context(), numbered(1), fault{Secret: "forged"})

	runBinary(t, env, "replay", "plan", "--to", "crm").want(t, 2, "say which events")
	runBinary(t, env, "replay", "plan", "verdict:", "--to", "crm").want(t, 2, "verdict")
	runBinary(t, env, "replay", "plan", "", "--to", "nobody").want(t, 1, `there is no destination "nobody"`)
	runBinary(t, env, "replay", "plan", "", "--to", "crm", "--rate", "0").want(t, 2, "the rate must be from 0.1 to 5000")
	runBinary(t, env, "replay", "plan", "source:nobody", "--to", "crm").want(t, 0, "To be sent   0")
	runBinary(t, env, "replay", "plan", "source:shop", "--to", "crm", "--rate", "40", "--canary", "3").
		want(t, 0, "Found        151", "To be sent   150", "150 ORDER.CREATION", "1 rejected, and not proven genuine since", "at 40 a second, reached by and by; 3 first", "replay start 2")
	runBinary(t, env, "replay", "start", "9").want(t, 1, "there is no replay 9")
	runBinary(t, env, "replay", "start", "2", "--detach").want(t, 1, "it has 150, and the limit is 10: give one with --reason")

	answer(http.StatusInternalServerError)
	runBinary(t, env, "replay", "start", "2", "--reason", "crm was down").want(t, 1, "Replay 2 has begun.", "Replay 2 is stopped: ", "first attempts failed", "Of 150: 0 delivered")
	answer(http.StatusOK)
	runBinary(t, env, "replay", "start", "2").want(t, 1, "it is stopped")
	runBinary(t, env, "replay", "resume", "2", "--detach", "--reason", "mended").want(t, 0, "Replay 2 goes on.")
	s.wait("some of it arrived", func() bool { return arrived() > 20 })
	runBinary(t, env, "replay", "pause", "2").want(t, 0, "Replay 2 is paused")
	runBinary(t, env, "replay", "resume", "2", "--detach").want(t, 0)
	before := arrived()
	s.wait("more of it arrived", func() bool { return arrived() > before+10 })
	s.kill()

	again := serve(t, dir, env)
	followed, terminal := runInTerminal(t, env, "replay", "status", "2", "--follow")
	followed.want(t, 0, "Replay 2 is done. Of 150: ")
	shown := strings.Split(terminal, "\r")
	for _, line := range shown { // each over the one before, within the width of a terminal
		if line = strings.TrimSpace(line); line != "" && (!bar.MatchString(line) || len(line) > 78) {
			t.Errorf("the terminal shows %q", line)
		}
	}
	if last := shown[max(0, len(shown)-2)]; len(shown) < 3 || strings.TrimSpace(last) != "" || strings.Contains(terminal, "\n") {
		t.Errorf("of the bar something is left: %q", terminal)
	}
	r, err := again.store().FindReplay(t.Context(), 2)
	if err != nil || r.State != store.ReplayDone || r.Sent != events || r.Succeeded+r.Retrying != events {
		t.Errorf("%+v, %v", r, err)
	}
	mu.Lock()
	twice := 0
	for _, n := range got {
		twice += n - 1
	}
	mu.Unlock()
	if int64(arrived()) < r.Succeeded || twice > 20 { // those under way when it was killed
		t.Errorf("%d events arrived, %d of them again", arrived(), twice)
	}
	var told struct {
		State string
		Plan  struct {
			Types map[string]int64
		}
		Reason string
	}
	status2 := runBinary(t, env, "replay", "status", "2", "--json")
	if err := json.Unmarshal([]byte(status2.out), &told); err != nil || told.State != "done" || told.Plan.Types["ORDER.CREATION"] != events || told.Reason != "crm was down" {
		t.Errorf("%v, %+v", err, status2)
	}
	runBinary(t, env, "replay", "status").want(t, 0, "NUMBER", "done", "planned")
	runBinary(t, env, "replay", "cancel", "2").want(t, 1, "it is done")
	runBinary(t, env, "replay", "cancel", "1").want(t, 0, "Replay 1 is cancelled")
	again.stop()
}

// bar is a line of progress.
var bar = regexp.MustCompile(`^\[#*\.*\] [0-9]+ of 150( |$)`)

// runInTerminal is runBinary with a pseudo-terminal as standard error, and what that showed.
func runInTerminal(t *testing.T, env []string, args ...string) (result, string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	var number int
	control, err := master.SyscallConn()
	if err == nil {
		var ioctl error
		err = errors.Join(control.Control(func(fd uintptr) {
			if ioctl = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ioctl == nil {
				number, ioctl = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
		}), ioctl)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out, shown bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), &out, slave
	err = cmd.Start()
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(&shown, master) // ends with an error when nobody holds the other side any more
	cmd.Wait()
	return result{cmd.ProcessState.ExitCode(), out.String(), ""}, shown.String()
}

func TestReplayBar(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	begun := now.Add(-time.Hour)
	for want, r := range map[string]store.Replay{
		"planning: 70 found, 50 on the list":                          {State: store.ReplayPlanning, Looked: 70, Events: 50},
		"[....................] 0 of 1000  the first few":             {State: store.ReplayCanary, Events: 1000},
		"[##########..........] 500 of 1000  50/s  10s left":          {State: store.ReplayRunning, Events: 1000, Sent: 500, Rate: 50, RampFrom: &begun},
		"[#####...............] 250 of 1000  it is paused  2 failing": {State: store.ReplayRunning, Events: 1000, Sent: 200, Skipped: map[string]int64{"stale": 50}, Rate: 50, Retrying: 1, Failed: 1, Why: "it is paused"},
	} {
		if got := replayBar(&r, now); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	if long := replayBar(&store.Replay{State: store.ReplayRunning, Events: 1e9, Sent: 5e8, Rate: 5000, RampFrom: &begun, Failed: 1e8, Why: strings.Repeat("x", 90)}, now); len([]rune(long)) > 78 {
		t.Errorf("too wide: %s", fmt.Sprint(long))
	}
}
