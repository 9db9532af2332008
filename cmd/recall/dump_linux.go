package main

import (
	"errors"
	"syscall"
)

// hideMemory keeps the key out of core dumps, and other processes of the same user out of our memory.
func hideMemory() error {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit)
	limit.Cur = 0
	err = errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_CORE, &limit))
	const setDumpable = 4 // PR_SET_DUMPABLE, prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0); errno != 0 {
		err = errors.Join(err, errno)
	}
	return err
}
