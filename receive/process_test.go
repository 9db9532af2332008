package receive

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

// The test program is also the process that is killed, or has a disk with little room.
const (
	helperVariable = "RECALL_TEST_SPOOL" // what the process is to do
	folderVariable = "RECALL_TEST_SPOOL_DIR"
)

func TestMain(m *testing.M) {
	do := map[string]func(*Spool){"": nil, "until killed": spoolUntilKilled, "on a small disk": spoolOnASmallDisk}[os.Getenv(helperVariable)]
	if do == nil {
		os.Exit(m.Run())
	}
	s, err := OpenSpool(SpoolOptions{Dir: os.Getenv(folderVariable), Key: storetest.Key(), Recorder: &memory{}})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	do(s)
}

// spoolUntilKilled says of each event that it is kept, once it is.
func spoolUntilKilled(s *Spool) {
	for n := 0; ; n++ {
		e := at(time.Now(), fmt.Sprintf("%d of process %d", n, os.Getpid()))
		if err := s.Put([]*store.Event{e})[0]; err != nil {
			fmt.Println("failed:", err)
			return
		}
		fmt.Println(string(e.Body))
	}
}

// spoolOnASmallDisk has a real disk refuse what is too large for it.
func spoolOnASmallDisk(s *Spool) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 8192, Max: 8192}); err != nil {
		fmt.Println("failed:", err)
		return
	}
	for _, body := range []string{"small", strings.Repeat("large", 10_000), "small again"} {
		err := s.Put([]*store.Event{at(time.Now(), body)})[0]
		fmt.Printf("%.11s: %v, ready: %v\n", body, err, s.Ready())
	}
}

// helper starts the process.
func helper(t *testing.T, do, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+do, folderVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// kill -9 at any moment: what was said to be kept is there, and nobody is in the way of the next process.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	kept := map[string]bool{}
	for round := range 5 {
		cmd, said := helper(t, "until killed", dir)
		for range 1 + 13*round {
			if !said.Scan() {
				break
			}
			kept[said.Text()] = true
		}
		cmd.Process.Kill()
		for said.Scan() { // said before it was killed
			kept[said.Text()] = true
		}
		cmd.Wait()
	}
	if len(kept) < 100 {
		t.Fatalf("only %d events: %v", len(kept), kept)
	}
	m := &memory{}
	s := openSpool(t, SpoolOptions{Dir: dir, Recorder: m})
	s.Drain(t.Context())
	found := map[string]int{}
	for _, e := range m.kept() {
		found[string(e.Body)]++
	}
	for body := range kept {
		if found[body] != 1 {
			t.Errorf("%s is there %d times", body, found[body])
		}
	}
	if more := len(found) - len(kept); more > 5 || s.Stats().Damaged > 5 { // at most the one that each process was at
		t.Errorf("%d more than were kept, %+v", more, s.Stats())
	}
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	cmd, said := helper(t, "on a small disk", dir)
	var all []string
	for said.Scan() {
		all = append(all, said.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if len(all) != 3 || all[0] != "small: <nil>, ready: <nil>" || !strings.Contains(all[1], "largelargel: spooling events: ") ||
		!strings.HasSuffix(all[1], syscall.EFBIG.Error()) || all[2] != "small again: <nil>, ready: <nil>" {
		t.Errorf("it said %q", all)
	}
	if left := names(t, dir); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	if s := openSpool(t, SpoolOptions{Dir: dir}); s.Stats().Events != 2 || s.Stats().Damaged != 0 {
		t.Errorf("%+v", s.Stats())
	}
}
