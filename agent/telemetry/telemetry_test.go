package telemetry

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	hashi "github.com/hashicorp/go-metrics"
	"github.com/hashicorp/nomad/api"
)

func newTelemetry(t *testing.T, c Config) *Telemetry {
	t.Helper()
	tel, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

// summary is /v1/metrics as the API's client reads it.
func summary(t *testing.T, tel *Telemetry) api.MetricsSummary {
	t.Helper()
	v, err := tel.DisplayMetrics()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var s api.MetricsSummary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func gauge(s api.MetricsSummary, name string, labels map[string]string) (float32, bool) {
	for _, g := range s.Gauges {
		if g.Name == name && cmp.Equal(g.DisplayLabels, labels) {
			return g.Value, true
		}
	}
	return 0, false
}

// scrape is one request of Prometheus: status and body.
func scrape(t *testing.T, h http.Handler) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/metrics?format=prometheus", nil))
	body, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(body)
}

func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := newTelemetry(t, Config{HostName: "box"})
		start := time.Now()
		time.Sleep(250 * time.Millisecond)
		tel.IncrCounter([]string{"client", "starts"}, 1, "job", "web")
		tel.IncrCounter([]string{"client", "starts"}, 2, "job", "web")
		tel.SetGauge([]string{"client", "allocs", "running"}, 7, "node_id", "n1")
		tel.AddSample([]string{"nomad", "plan", "size"}, 3)
		tel.AddSample([]string{"nomad", "plan", "size"}, 5)
		tel.MeasureSince([]string{"http", "request"}, start)

		s := summary(t, tel)
		if v, ok := gauge(s, "nomad.client.allocs.running", map[string]string{"node_id": "n1", "host": "box"}); !ok || v != 7 {
			t.Errorf("gauge: %v %v in %+v", v, ok, s.Gauges)
		}
		if len(s.Counters) != 1 || s.Counters[0].Name != "nomad.client.starts" || s.Counters[0].Sum != 3 || s.Counters[0].Count != 2 {
			t.Errorf("counters: %+v", s.Counters)
		}
		means := map[string]float64{}
		for _, x := range s.Samples {
			means[x.Name] = x.Mean
		}
		delete(means, "nomad.runtime.gc_pause_ns")
		want := map[string]float64{"nomad.nomad.plan.size": 4, "nomad.http.request": 250}
		if diff := cmp.Diff(want, means); diff != "" {
			t.Error(diff)
		}
	})
}

// TestFirstSummary wants an answer at once: the conformance harness takes /v1/metrics as
// the sign that an agent is ready.
func TestFirstSummary(t *testing.T) {
	s := summary(t, newTelemetry(t, Config{}))
	if v, ok := gauge(s, "nomad.runtime.num_goroutines", map[string]string{}); !ok || v < 1 {
		t.Errorf("%v goroutines, %v, in %+v", v, ok, s.Gauges)
	}
}

// TestRun wants the gauges again in every bucket, and an end when it is told.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := newTelemetry(t, Config{})
		tel.Loop("test")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tel.Run(ctx) }()
		for range 3 {
			time.Sleep(15 * time.Second)
			synctest.Wait()
			s := summary(t, tel)
			for _, name := range []string{"nomad.runtime.alloc_bytes", "nomad.loop.busy"} {
				found := false
				for _, g := range s.Gauges {
					found = found || g.Name == name
				}
				if !found {
					t.Errorf("no %s at %s", name, s.Timestamp)
				}
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPrometheus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := newTelemetry(t, Config{Prometheus: true, HostName: "box"})
		tel.IncrCounter([]string{"client", "starts"}, 3, "job", "a \"quoted\" one")
		tel.SetGauge([]string{"client", "allocs.running"}, 7)
		tel.AddSample([]string{"http", "request-time"}, 4)
		// The library's default sink would have forgotten all of it by now.
		time.Sleep(23 * time.Hour)
		status, body := scrape(t, tel.PrometheusHandler())
		if status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		for _, want := range []string{
			`nomad_client_starts{host="box",job="a \"quoted\" one"} 3`,
			`nomad_client_allocs_running{host="box"} 7`,
			`nomad_http_request_time_count{host="box"} 1`,
			"nomad_runtime_num_goroutines",
			"go_goroutines",
			"process_resident_memory_bytes",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("no %s in\n%s", want, body)
			}
		}
		time.Sleep(2 * time.Hour)
		if _, body := scrape(t, tel.PrometheusHandler()); strings.Contains(body, "nomad_client_starts") {
			t.Error("a series is kept for ever")
		}
	})
}

// TestPrometheusClash wants one bad name not to hide the good ones.
func TestPrometheusClash(t *testing.T) {
	tel := newTelemetry(t, Config{Prometheus: true})
	tel.SetGauge([]string{"x"}, 1)
	tel.IncrCounter([]string{"x"}, 1)
	tel.SetGauge([]string{"y"}, 1, "bad label!", "v")
	tel.SetGauge([]string{"z"}, 1)
	if _, body := scrape(t, tel.PrometheusHandler()); !strings.Contains(body, "nomad_z 1") {
		t.Errorf("no nomad_z in\n%s", body)
	}
}

func TestPrometheusOff(t *testing.T) {
	status, body := scrape(t, newTelemetry(t, Config{}).PrometheusHandler())
	if status != http.StatusUnsupportedMediaType || !strings.Contains(body, "prometheus_metrics = true") {
		t.Errorf("%d %s", status, body)
	}
}

// TestTwoAgents wants two agents in one process not to see each other's series.
func TestTwoAgents(t *testing.T) {
	a, b := newTelemetry(t, Config{Prometheus: true}), newTelemetry(t, Config{Prometheus: true})
	a.SetGauge([]string{"only", "a"}, 1)
	if _, body := scrape(t, b.PrometheusHandler()); strings.Contains(body, "only_a") {
		t.Error("b shows what a measured")
	}
}

// TestBridge wants what libraries write to arrive once: one prefix, one host label.
func TestBridge(t *testing.T) {
	for range 2 { // installing again replaces
		tel := newTelemetry(t, Config{HostName: "box", Prometheus: true})
		if err := tel.InstallBridge(); err != nil {
			t.Fatal(err)
		}
		hashi.IncrCounter([]string{"raft", "apply"}, 2)
		hashi.SetGaugeWithLabels([]string{"raft", "peers"}, 3, []hashi.Label{{Name: "peer_id", Value: "p"}})
		hashi.SetPrecisionGauge([]string{"raft", "thread", "main"}, 0.5)
		hashi.MeasureSince([]string{"memberlist", "gossip"}, time.Now())
		hashi.EmitKey([]string{"raft", "point"}, 1)
		hashi.SetGauge([]string{"raft", "plain"}, 1)
		hashi.AddSample([]string{"raft", "sample"}, 1)

		s := summary(t, tel)
		if v, ok := gauge(s, "nomad.raft.peers", map[string]string{"peer_id": "p", "host": "box"}); !ok || v != 3 {
			t.Errorf("gauges: %+v", s.Gauges)
		}
		if v, ok := gauge(s, "nomad.raft.thread.main", map[string]string{"host": "box"}); !ok || v != 0.5 {
			t.Errorf("gauges: %+v", s.Gauges)
		}
		if len(s.Counters) != 1 || s.Counters[0].Name != "nomad.raft.apply" || s.Counters[0].Sum != 2 {
			t.Errorf("counters: %+v", s.Counters)
		}
		if len(s.Points) != 1 || s.Points[0].Name != "nomad.raft.point" {
			t.Errorf("points: %+v", s.Points)
		}
		if _, body := scrape(t, tel.PrometheusHandler()); !strings.Contains(body, `nomad_memberlist_gossip_count{host="box"} 1`) {
			t.Errorf("no gossip in\n%s", body)
		}
	}
}

func TestFilter(t *testing.T) {
	tel := newTelemetry(t, Config{DropByDefault: true, Allowed: []string{"nomad.raft"}, Blocked: []string{"nomad.raft.replication"}})
	tel.IncrCounter([]string{"raft", "apply"}, 1)
	tel.IncrCounter([]string{"raft", "replication", "x"}, 1)
	tel.IncrCounter([]string{"client", "x"}, 1)
	tel.Armon().IncrCounter([]string{"raft", "wal"}, 1)
	var names []string
	if v, err := tel.DisplayMetrics(); err != nil || v == nil {
		t.Fatal(err)
	}
	for _, c := range summary(t, tel).Counters {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"nomad.raft.apply", "nomad.raft.wal"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestRetention(t *testing.T) {
	if _, err := New(Config{InMemoryInterval: time.Minute, InMemoryRetention: time.Second}); err == nil {
		t.Error("a retention shorter than the interval is accepted")
	}
}

func TestPairs(t *testing.T) {
	if got := pairs([]string{"a", "1", "b"}); len(got) != 1 || cap(got) != 1 || got[0].Name != "a" {
		t.Errorf("%v, room for %d", got, cap(got))
	}
}

func TestBusy(t *testing.T) {
	tests := []struct {
		name string
		run  func(b *Busy)
		want float32
	}{
		{"idle", func(*Busy) { time.Sleep(time.Second) }, 0},
		{"a quarter", func(b *Busy) {
			end := b.Begin()
			time.Sleep(250 * time.Millisecond)
			end()
			time.Sleep(750 * time.Millisecond)
		}, 0.25},
		{"under way", func(b *Busy) {
			time.Sleep(time.Second / 2)
			b.Begin()
			time.Sleep(time.Second / 2)
		}, 0.5},
		{"overlapping counts once", func(b *Busy) {
			first, second := b.Begin(), b.Begin()
			time.Sleep(time.Second)
			first()
			first()
			second()
		}, 1},
		{"no time passed", func(b *Busy) { b.Begin()() }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tel := newTelemetry(t, Config{})
				b := tel.Loop("x")
				tt.run(b)
				if got := b.share(time.Now()); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				if tel.Loop("x") != b {
					t.Error("another Busy for the same name")
				}
			})
		})
	}
}

// TestBusyLater wants each reading to count only its own window.
func TestBusyLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTelemetry(t, Config{}).Loop("x")
		end := b.Begin()
		time.Sleep(time.Second)
		if got := b.share(time.Now()); got != 1 {
			t.Errorf("first window: %v", got)
		}
		time.Sleep(time.Second / 2)
		end()
		time.Sleep(time.Second / 2)
		if got := b.share(time.Now()); got != 0.5 {
			t.Errorf("second window: %v", got)
		}
	})
}

// TestConcurrent is for the race detector: labels of one slice, from many goroutines.
func TestConcurrent(t *testing.T) {
	tel := newTelemetry(t, Config{HostName: "box", Prometheus: true})
	labels := make([]string, 2, 8)
	labels[0], labels[1] = "a", "b"
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				defer tel.Loop("l").Begin()()
				tel.SetGauge([]string{"g"}, 1, labels...)
				tel.IncrCounter([]string{"c"}, 1, labels...)
				tel.emitLoops(time.Now())
			}
		})
	}
	wg.Wait()
	if v, ok := gauge(summary(t, tel), "nomad.g", map[string]string{"a": "b", "host": "box"}); !ok || v != 1 {
		t.Errorf("gauge %v %v", v, ok)
	}
}
