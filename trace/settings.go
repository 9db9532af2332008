package trace

import (
	"fmt"
	"net/url"
	"strconv"
)

// Settings is what the standard variables of OpenTelemetry ask for, as far as it is decided here; the rest (headers,
// certificates, time-outs, sizes of queues) is read by its own library.
type Settings struct {
	On       bool
	Endpoint string  // of the collector, without a password
	Ratio    float64 // of the events that are traced, 0 to 1
}

// defaultEndpoint is where the library sends to if nobody says.
const defaultEndpoint = "http://localhost:4318"

// ReadSettings reads the variables. Traces are on where a collector is named, or OTEL_TRACES_EXPORTER is otlp. The error
// names the variable that is wrong, and quotes none: an address may hold a password.
func ReadSettings(getenv func(string) string) (Settings, error) {
	first := func(names ...string) (name, value string) {
		for _, name = range names {
			if value = getenv(name); value != "" {
				return name, value
			}
		}
		return name, ""
	}
	endpointName, endpoint := first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	exporter := getenv("OTEL_TRACES_EXPORTER")
	switch {
	case getenv("OTEL_SDK_DISABLED") == "true", exporter == "none", exporter == "" && endpoint == "":
		return Settings{}, nil
	case exporter != "" && exporter != "otlp":
		return Settings{}, fmt.Errorf("OTEL_TRACES_EXPORTER can be otlp or none, not %q", exporter)
	}
	if name, protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return Settings{}, fmt.Errorf("%s can only be http/protobuf, not %q: name the collector's port for HTTP, which is 4318 as a rule", name, protocol)
	}
	s := Settings{On: true, Endpoint: defaultEndpoint}
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return Settings{}, fmt.Errorf("%s is no address of a collector: write it as http://localhost:4318", endpointName)
		}
		s.Endpoint = u.Scheme + "://" + u.Host
	}
	var err error
	if s.Ratio, err = ratio(getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG")); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// ratio is how many events a sampler takes. That of a parent is that of the event: all spans of one are traced, or none.
func ratio(sampler, arg string) (float64, error) {
	switch sampler {
	case "", "always_on", "parentbased_always_on":
		return 1, nil
	case "always_off", "parentbased_always_off":
		return 0, nil
	case "traceidratio", "parentbased_traceidratio":
		if arg == "" {
			return 1, nil
		}
		part, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(part >= 0 && part <= 1) {
			return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG must be from 0 to 1, such as 0.01 for one event in a hundred, not %q", arg)
		}
		return part, nil
	}
	return 0, fmt.Errorf("OTEL_TRACES_SAMPLER can be always_on, always_off or traceidratio, not %q", sampler)
}
