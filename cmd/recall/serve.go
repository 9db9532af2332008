package main

import "context"

type serveCmd struct {
	serveSettings `embed:"" group:"Settings"`
	Demo          bool `help:"Make a demo source and two demo destinations, and send every sample callback once."`
}

func (c *serveCmd) Run(ctx context.Context, a *app) error { return usagef("not yet") }
