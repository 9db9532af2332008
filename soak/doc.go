// Package soak holds the crash harness: a real `recall serve` is fed signed callbacks without a pause while everything
// around it is killed, stopped, cut and filled up. After each fault every callback that was answered 2xx is in the
// database once, byte for byte, and nothing is there that was not sent.
//
// `make test` does each kind of fault once; `make soak` as many as RECALL_SOAK_FAULTS says, in random order.
package soak
