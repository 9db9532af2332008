package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"recall/dispatch"
	"recall/receive"
	"recall/trace"
)

// tracing is the tracer of serve, or none.
type tracing struct{ *trace.Tracer }

// openTraces begins to send traces where the variables of OpenTelemetry ask for it.
func (a *app) openTraces(ctx context.Context) (tracing, error) {
	settings, err := trace.ReadSettings(os.Getenv)
	if err != nil {
		return tracing{}, usageError(err.Error())
	}
	if !settings.On {
		return tracing{}, nil
	}
	tracer, err := trace.New(ctx, settings, release(), a.log)
	if err != nil {
		return tracing{}, usageError(err.Error())
	}
	return tracing{tracer}, nil
}

// receiving and sending are nil where there is no tracer, and not an interface that holds none.
func (t tracing) receiving() receive.Tracer {
	if t.Tracer == nil {
		return nil
	}
	return t.Tracer
}

func (t tracing) sending() dispatch.Tracer {
	if t.Tracer == nil {
		return nil
	}
	return t.Tracer
}

// lastTraces is how long the end of the program waits for the collector to take the last spans.
const lastTraces = 2 * time.Second

func (t tracing) close(ctx context.Context) error {
	if t.Tracer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lastTraces)
	defer cancel()
	return t.Close(ctx)
}

// tracing looks at where traces go to, if anywhere. Whether they get there is known within serve only.
func (d *doctor) tracing() {
	settings, err := trace.ReadSettings(os.Getenv)
	if err != nil {
		d.say("traces", fail("serve does not start with it", "%v", err))
		return
	}
	if !settings.On {
		return
	}
	text := fmt.Sprintf("%g %% of the events, to %s", 100*settings.Ratio, settings.Endpoint)
	if d.traces != nil {
		if since, why := d.traces.Failing(); !since.IsZero() {
			d.say("traces", warn("see that the collector runs, and that OTEL_EXPORTER_OTLP_ENDPOINT names it; callbacks are not touched by it", "%s, which has taken none since %s: %v", text, utc(since), why))
			return
		}
	}
	d.say("traces", ok("%s", text))
}
