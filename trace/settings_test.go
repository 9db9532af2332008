package trace

import (
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	const collector = "http://collector:4318"
	for name, tt := range map[string]struct {
		env   string // NAME=value, with blanks between
		want  Settings
		wrong string // the variable that the error names
	}{
		"nothing is set":             {},
		"a collector is named":       {env: "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector, want: Settings{true, collector, 1}},
		"one for traces goes first":  {env: "OTEL_EXPORTER_OTLP_ENDPOINT=http://other OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + collector + "/v1/traces", want: Settings{true, collector, 1}},
		"the exporter is chosen":     {env: "OTEL_TRACES_EXPORTER=otlp", want: Settings{true, defaultEndpoint, 1}},
		"the exporter is none":       {env: "OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=" + collector},
		"OpenTelemetry is disabled":  {env: "OTEL_SDK_DISABLED=true OTEL_EXPORTER_OTLP_ENDPOINT=" + collector},
		"another exporter":           {env: "OTEL_TRACES_EXPORTER=zipkin", wrong: "OTEL_TRACES_EXPORTER"},
		"gRPC":                       {env: "OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc", wrong: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"gRPC for traces":            {env: "OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc", wrong: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"},
		"an address without scheme":  {env: "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", wrong: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"a password is not told":     {env: "OTEL_EXPORTER_OTLP_ENDPOINT=http://me:secret@collector:4318", want: Settings{true, collector, 1}},
		"nor one in a wrong address": {env: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://me:secret@collector", wrong: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		"one event in a hundred":     {env: "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0.01", want: Settings{true, defaultEndpoint, 0.01}},
		"by the parent, which is ours": {env: "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.5",
			want: Settings{true, defaultEndpoint, 0.5}},
		"no event":           {env: "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=always_off", want: Settings{true, defaultEndpoint, 0}},
		"too large a part":   {env: "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=2", wrong: "OTEL_TRACES_SAMPLER_ARG"},
		"no part":            {env: "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN", wrong: "OTEL_TRACES_SAMPLER_ARG"},
		"an unknown sampler": {env: "OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=jaeger_remote", wrong: "OTEL_TRACES_SAMPLER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			for _, variable := range strings.Fields(tt.env) {
				name, value, _ := strings.Cut(variable, "=")
				env[name] = value
			}
			got, err := ReadSettings(func(name string) string { return env[name] })
			switch {
			case tt.wrong == "" && err != nil:
				t.Fatal(err)
			case tt.wrong != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.wrong+" ")):
				t.Fatalf("the error %v does not name %s", err, tt.wrong)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Fatalf("the error quotes the password: %v", err)
			case got != tt.want:
				t.Fatalf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
