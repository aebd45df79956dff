package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/armon/go-metrics"
	promsink "github.com/armon/go-metrics/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what an agent's telemetry block says. Zero durations mean the defaults.
type Config struct {
	// ServiceName is the first part of every name; default "nomad", see the package
	// comment for the reason.
	ServiceName string
	// HostName is the value of the label host; "" leaves the label off.
	HostName string
	// CollectionInterval is how often Run reads gauges; default 1s. Reading costs a stop
	// of the world of some tens of microseconds.
	CollectionInterval time.Duration
	// InMemoryInterval is the bucket of DisplayMetrics; default 10s.
	InMemoryInterval time.Duration
	// InMemoryRetention is how long buckets are kept; default 1m. Memory grows as
	// retention / interval x series.
	InMemoryRetention time.Duration
	// Prometheus keeps series for PrometheusHandler. Off, nothing is kept.
	Prometheus bool
	// PrometheusExpiry forgets a series that was not written for so long; default 24h.
	// The library's own default of 60 s would make rare counters start again at 0;
	// never to forget would keep every allocation's gauges for ever.
	PrometheusExpiry time.Duration
	// DropByDefault drops what Allowed does not name.
	DropByDefault bool
	// Allowed and Blocked are name prefixes such as "nomad.raft"; the longest that
	// matches decides.
	Allowed, Blocked []string
}

// withDefaults fills zeros in.
func (c Config) withDefaults() Config {
	orDefault(&c.ServiceName, "nomad")
	orDefault(&c.CollectionInterval, time.Second)
	orDefault(&c.InMemoryInterval, 10*time.Second)
	orDefault(&c.InMemoryRetention, time.Minute)
	orDefault(&c.PrometheusExpiry, 24*time.Hour)
	return c
}

func orDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// Telemetry is one agent's metrics. Its methods may be called from any goroutine; a key is
// a name in parts, {"client", "allocs", "running"}, and labels come in pairs of name and
// value, so that other packages can describe it with an interface of plain types.
type Telemetry struct {
	config   Config
	metrics  *metrics.Metrics
	memory   *metrics.InmemSink
	registry *prometheus.Registry // nil without Prometheus

	mu    sync.Mutex
	loops map[string]*Busy
}

// New starts nothing: Run does, and InstallBridge. The first reading is taken at once, so
// that DisplayMetrics always has something to show.
func New(config Config) (*Telemetry, error) {
	config = config.withDefaults()
	if config.InMemoryRetention < config.InMemoryInterval {
		return nil, fmt.Errorf("in-memory retention %s is shorter than the interval %s", config.InMemoryRetention, config.InMemoryInterval)
	}
	t := &Telemetry{
		config: config,
		memory: metrics.NewInmemSink(config.InMemoryInterval, config.InMemoryRetention),
		loops:  map[string]*Busy{},
	}
	sinks := metrics.FanoutSink{t.memory}
	if config.Prometheus {
		t.registry = newRegistry()
		sink, err := promsink.NewPrometheusSinkFrom(promsink.PrometheusOpts{
			Expiration: config.PrometheusExpiry,
			Registerer: t.registry,
		})
		if err != nil {
			return nil, fmt.Errorf("register prometheus sink: %w", err)
		}
		sinks = append(sinks, sink)
	}
	var err error
	t.metrics, err = metrics.New(&metrics.Config{
		ServiceName:         config.ServiceName,
		HostName:            config.HostName,
		EnableHostnameLabel: true,
		TimerGranularity:    time.Millisecond,
		FilterDefault:       !config.DropByDefault,
		AllowedPrefixes:     config.Allowed,
		BlockedPrefixes:     config.Blocked,
	}, sinks)
	if err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	t.metrics.EmitRuntimeStats()
	return t, nil
}

// IncrCounter adds v, which is not negative.
func (t *Telemetry) IncrCounter(key []string, v float32, labels ...string) {
	t.metrics.IncrCounterWithLabels(key, v, pairs(labels))
}

// SetGauge says that the value is v now. A gauge that is not set again within
// InMemoryInterval disappears from DisplayMetrics, so set it at every interval.
func (t *Telemetry) SetGauge(key []string, v float32, labels ...string) {
	t.metrics.SetGaugeWithLabels(key, v, pairs(labels))
}

// AddSample adds one observation of something with a distribution.
func (t *Telemetry) AddSample(key []string, v float32, labels ...string) {
	t.metrics.AddSampleWithLabels(key, v, pairs(labels))
}

// MeasureSince adds the milliseconds since start as a sample.
func (t *Telemetry) MeasureSince(key []string, start time.Time, labels ...string) {
	t.metrics.MeasureSinceWithLabels(key, start, pairs(labels))
}

// pairs makes labels of names and values. The result has no spare room: go-metrics appends
// to what it is given, and two callers must not share the place.
func pairs(labels []string) []metrics.Label {
	out := make([]metrics.Label, 0, len(labels)/2)
	for p := range slices.Chunk(labels, 2) {
		if len(p) == 2 {
			out = append(out, metrics.Label{Name: p[0], Value: p[1]})
		}
	}
	return slices.Clip(out)
}

// Armon is for libraries that take armon's type, such as raft-wal's collector.
func (t *Telemetry) Armon() *metrics.Metrics { return t.metrics }

// DisplayMetrics is the last finished bucket, or the first one while it is all there is:
// the body of /v1/metrics, in the shape of api.MetricsSummary.
func (t *Telemetry) DisplayMetrics() (any, error) {
	return t.memory.DisplayMetrics(nil, nil)
}

// Run reads the runtime's and the loops' gauges at every interval until ctx ends, which
// is no error.
func (t *Telemetry) Run(ctx context.Context) error {
	tick := time.NewTicker(t.config.CollectionInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.metrics.EmitRuntimeStats()
			t.emitLoops(time.Now())
		}
	}
}

// PrometheusHandler serves the exposition format, of all series and of the Go runtime and
// the process. Without Config.Prometheus it answers 415 and says what to set.
func (t *Telemetry) PrometheusHandler() http.Handler {
	if t.registry == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Prometheus is not enabled: set telemetry { prometheus_metrics = true }", http.StatusUnsupportedMediaType)
		})
	}
	return exposition(t.registry)
}
