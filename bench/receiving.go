package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// measureReceiving tells what a history, and retention at work, take from the highest rate, against an empty database of the
// same run. What retention removes is gone from the history, so it comes last.
func (s *searching) measureReceiving(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp(s.o.dir, "empty-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	o := s.o
	o.dir = dir
	i, err := newInstance(ctx, o, "recall")
	if err != nil {
		return "", err
	}
	empty, err := receive(ctx, i)
	i.stop()
	if err != nil {
		return "", err
	}
	full, err := receive(ctx, s.instance)
	if err != nil {
		return "", err
	}
	before, err := s.deleted(ctx)
	if err != nil {
		return "", err
	}
	if _, err := s.command(ctx, "retention", "set", "rejected", "30d"); err != nil {
		return "", err
	}
	retention := make(chan error, 1)
	working, stop := context.WithCancel(ctx)
	go func() {
		_, err := s.command(working, "retention", "run")
		retention <- err
	}()
	kept, err := receive(ctx, s.instance)
	if err != nil {
		stop()
		return "", err
	}
	time.Sleep(2 * time.Second) // until PostgreSQL's statistics tell
	after, err := s.deleted(ctx)
	stop() // it goes on the next time
	<-retention
	if err != nil {
		return "", err
	}
	if _, err := s.command(ctx, "retention", "set", "rejected", "ever"); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\n| Receiving, 64 connections | rate | against the empty one |\n| --- | ---: | ---: |\n")
	for _, row := range []struct {
		what string
		rate float64
	}{
		{"an empty database", empty}, {fmt.Sprintf("%d events stored", s.events), full},
		{fmt.Sprintf("the same, while retention removes %d of them", after-before), kept},
	} {
		fmt.Fprintf(&b, "| %s | %.0f/s | %.2f |\n", row.what, row.rate, row.rate/empty)
	}
	return b.String(), nil
}

// receive is the highest rate of an instance, after a second of warming up.
func receive(ctx context.Context, i *instance) (float64, error) {
	if _, err := (load{addr: i.addr, path: path, connections: 16, time: time.Second}).run(ctx); err != nil {
		return 0, err
	}
	r, err := load{addr: i.addr, path: path, connections: 64, time: i.o.time}.run(ctx)
	return r.rate, err
}

// deleted is how many events were removed from the database so far, other than with their partition.
func (s *searching) deleted(ctx context.Context) (n int64, err error) {
	err = s.conn.QueryRow(ctx, `SELECT coalesce(sum(n_tup_del), 0)::bigint FROM pg_stat_user_tables WHERE relname ~ '^events_\d'`).Scan(&n)
	return n, err
}
