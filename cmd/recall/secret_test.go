package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Fatal(errno)
	}
}

// terminal opens a terminal and returns our end of it, and a command's.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	open := func(path string) *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	ours = open("/dev/ptmx")
	var lock, number int32
	ioctl(t, ours, syscall.TIOCSPTLCK, unsafe.Pointer(&lock))
	ioctl(t, ours, syscall.TIOCGPTN, unsafe.Pointer(&number))
	return ours, open(fmt.Sprintf("/dev/pts/%d", number))
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	var state syscall.Termios
	ioctl(t, f, syscall.TCGETS, unsafe.Pointer(&state))
	return state.Lflag&syscall.ECHO != 0
}

// typist types an answer at each prompt, or does what it is told, once the terminal shows nothing of what is typed.
type typist struct {
	t            *testing.T
	ours, theirs *os.File
	answers      []string
	onPrompt     func()
	seen         bytes.Buffer
	typing       sync.WaitGroup
}

func (p *typist) Write(text []byte) (int, error) {
	p.seen.Write(text)
	if !strings.HasSuffix(string(text), ": ") {
		return len(text), nil
	}
	act := p.onPrompt
	if act == nil {
		answer := p.answers[0]
		p.answers = p.answers[1:]
		act = func() { io.WriteString(p.ours, answer+"\n") }
	}
	p.typing.Go(func() {
		for echoes(p.t, p.theirs) { // it is asked for in a moment
		}
		act()
	})
	return len(text), nil
}

func TestPasswordFromTerminal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []string
		want    string
		says    string
	}{
		"twice the same": {[]string{"correct horse", "correct horse"}, "correct horse", ""},
		"differ":         {[]string{"correct horse", "correct house"}, "", "the two passwords differ"},
		"short":          {[]string{"short"}, "", "at least 10 characters"},
		"empty":          {[]string{""}, "", "at least 10 characters"},
	} {
		ours, theirs := terminal(t)
		p := &typist{t: t, ours: ours, theirs: theirs, answers: test.answers}
		got, err := (&app{in: theirs, errw: p}).password(t.Context(), "anna", nil)
		p.typing.Wait()
		if test.says == "" && (err != nil || got != test.want) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if len(p.answers) > 0 || !echoes(t, theirs) {
			t.Errorf("%s: %d answers were not asked for, echo %v", name, len(p.answers), echoes(t, theirs))
		}
		if test.answers[0] != "" && strings.Contains(p.seen.String(), test.answers[0]) {
			t.Errorf("%s: the password is shown", name)
		}
	}
}

// A signal while the password is asked for must not leave a terminal behind that shows nothing.
func TestPasswordBrokenOff(t *testing.T) {
	t.Parallel()
	ours, theirs := terminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := &typist{t: t, ours: ours, theirs: theirs, onPrompt: cancel}
	if _, err := (&app{in: theirs, errw: p}).password(ctx, "anna", nil); err != context.Canceled {
		t.Errorf("%v", err)
	}
	p.typing.Wait()
	if !echoes(t, theirs) {
		t.Error("the terminal shows nothing of what is typed")
	}
	io.WriteString(ours, "\n") // ends the reading that goes on
}
