//go:build !linux

package main

import "syscall"

// hideMemory keeps the key out of core dumps.
func hideMemory() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
