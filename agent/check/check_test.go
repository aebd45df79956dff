package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/selfheal/selfheal/agent/simnet"
)

const nodeIP, serviceIP, addr = "10.0.0.2", "10.0.0.1", "10.0.0.1:80"

// world is one machine with a service on it, in a bubble.
type world struct {
	t      *testing.T
	net    *simnet.Net
	runner *Runner
	wakes  atomic.Int32
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, net: simnet.New(simnet.Config{Seed: 1, MinDelay: time.Millisecond, MaxDelay: time.Millisecond})}
	w.net.Host(serviceIP)
	w.runner = New(Config{Dial: w.net.Host(nodeIP).Dial})
	return w
}

func (w *world) close() {
	w.runner.Close()
	w.net.Close()
	synctest.Wait()
}

// serve answers on the service's port until the returned function is called.
func (w *world) serve(h http.HandlerFunc) (stop func()) {
	w.t.Helper()
	ln, err := w.net.Host(serviceIP).Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	return func() { srv.Close(); <-done }
}

func (w *world) set(specs ...Spec) { w.runner.Set("alloc", specs, func() { w.wakes.Add(1) }) }

func (w *world) result(id string) Result { return w.runner.Results("alloc")[id] }

func (w *world) want(id string, status Status) {
	w.t.Helper()
	synctest.Wait()
	if got := w.result(id); got.Status != status {
		w.t.Fatalf("%s is %q (%s), want %q", id, got.Status, got.Output, status)
	}
}

func httpSpec() Spec {
	return Spec{ID: "c", Type: HTTP, Addr: addr, Path: "/health?deep=1", Interval: 10 * time.Second, Timeout: 2 * time.Second}
}

func answer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

// A service that takes three seconds to listen is healthy soon after, not an
// interval later; when it is gone the next run says so.
func TestHTTPThroughALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.set(httpSpec())
		w.want("c", Pending)
		time.Sleep(3 * time.Second)
		w.want("c", Failure)
		if got := w.result("c"); got.BadSince.IsZero() || !strings.Contains(got.Output, "refused") {
			t.Errorf("result of a refused dial: %+v", got)
		}
		stop := w.serve(answer(200, "fine"))
		time.Sleep(2 * time.Second)
		w.want("c", Success)
		got := w.result("c")
		if got.Code != 200 || got.Output != "HTTP 200 OK" || !got.BadSince.IsZero() {
			t.Errorf("result of an answer: %+v", got)
		}
		if last := got.Runs[len(got.Runs)-1]; !last.OK || last.Took < 4*time.Millisecond || last.Took > 20*time.Millisecond {
			t.Errorf("a run over a link of 1 ms a way: %+v", last)
		}
		stop()
		time.Sleep(10 * time.Second)
		w.want("c", Failure)
		if n := w.wakes.Load(); n != 3 {
			t.Errorf("changed was called %d times, want 3: failure, success, failure", n)
		}
	})
}

func TestRunsEveryIntervalOncePassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		defer w.serve(answer(200, ""))()
		w.set(httpSpec())
		time.Sleep(10 * time.Minute)
		runs := w.result("c").Runs
		if len(runs) != KeepRuns {
			t.Fatalf("%d runs are kept, want %d", len(runs), KeepRuns)
		}
		for i := 1; i < len(runs); i++ {
			if gap := runs[i].At.Sub(runs[i-1].At); gap != 10*time.Second {
				t.Fatalf("%v between two runs, want 10s", gap)
			}
		}
	})
}

// While it never passed, a check is asked again soon at first, and then no more
// often than its interval.
func TestPauseGrowsUntilTheInterval(t *testing.T) {
	s, spec := newState(httpSpec(), time.Time{}), httpSpec()
	var got []time.Duration
	for n := 1; n <= 7; n++ {
		got = append(got, s.gap(spec, n))
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	spec.Initial = Success
	if gap := newState(spec, time.Time{}).gap(spec, 1); gap != spec.Interval {
		t.Errorf("what is passing from the start is asked again after %v, want its interval", gap)
	}
}

func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		var got http.Request
		var body string
		defer w.serve(func(rw http.ResponseWriter, r *http.Request) {
			b := make([]byte, 100)
			n, _ := r.Body.Read(b)
			got, body = *r, string(b[:n])
		})()
		spec := httpSpec()
		spec.Method, spec.Body = "POST", "ping"
		spec.Header = map[string][]string{"host": {"web.example"}, "x-two": {"a", "b"}}
		w.set(spec)
		time.Sleep(time.Second)
		w.want("c", Success)
		if got.Method != "POST" || got.RequestURI != "/health?deep=1" || got.Host != "web.example" || body != "ping" {
			t.Errorf("%s %s of %s with %q", got.Method, got.RequestURI, got.Host, body)
		}
		if diff := cmp.Diff([]string{"a", "b"}, got.Header["X-Two"]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnswers(t *testing.T) {
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/health" {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			w.WriteHeader(500)
		}
	}
	tests := []struct {
		name   string
		h      http.HandlerFunc
		status Status
		code   int
		output string
	}{
		{"204", answer(204, ""), Success, 204, "HTTP 204 No Content"},
		{"404", answer(404, "no such page\n"), Failure, 404, "HTTP 404 Not Found: no such page"},
		{"429", answer(429, "busy"), Warning, 429, "HTTP 429 Too Many Requests: busy"},
		{"503", answer(503, "database is gone"), Failure, 503, "HTTP 503 Service Unavailable: database is gone"},
		{"not UTF-8", answer(503, "\xff\xfe!"), Failure, 503, "HTTP 503 Service Unavailable: !"},
		{"redirect to itself", redirect("/other"), Failure, 500, "HTTP 500 Internal Server Error"},
		{"redirect elsewhere", redirect("http://10.0.0.9/secret"), Success, 302, "HTTP 302 Found"},
		{"redirect for ever", redirect("/health"), Success, 302, "HTTP 302 Found"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Failure, 0, "10.0.0.1:80 gave no answer within 2s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				defer w.serve(tt.h)()
				w.set(httpSpec())
				time.Sleep(2500 * time.Millisecond)
				w.want("c", tt.status)
				if got := w.result("c"); got.Code != tt.code || got.Output != tt.output {
					t.Errorf("%d %q, want %d %q", got.Code, got.Output, tt.code, tt.output)
				}
			})
		})
	}
}

func TestLongAnswerIsCut(t *testing.T) {
	if got := shorten(strings.Repeat("x", MaxOutput-1) + "äöü"); len(got) > MaxOutput || !strings.HasPrefix(got, "xxx") {
		t.Errorf("%d bytes are kept", len(got))
	}
}

func TestTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		ln, err := w.net.Host(serviceIP).Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		spec := Spec{ID: "c", Type: TCP, Addr: addr, Interval: 10 * time.Second, Timeout: time.Second}
		w.set(spec)
		time.Sleep(time.Second)
		w.want("c", Success)
		ln.Close()
		time.Sleep(10 * time.Second)
		w.want("c", Failure)
	})
}

// The thresholds, run by run: s passes, w warns, f fails.
func TestThresholds(t *testing.T) {
	tests := []struct {
		name string
		spec Spec
		runs string
		want string // status after each run: p, s, w or f
	}{
		{"none", Spec{}, "fsfs", "fsfs"},
		{"three successes", Spec{SuccessBeforePassing: 3}, "ssfsss", "ppfffs"},
		{"two failures", Spec{FailuresBeforeCritical: 2}, "sfsff", "ssssf"},
		{"failures while pending", Spec{FailuresBeforeCritical: 3}, "fff", "ppf"},
		{"a warning first", Spec{FailuresBeforeWarning: 1, FailuresBeforeCritical: 3}, "sfffs", "swwfs"},
		{"no way from failure to warning", Spec{FailuresBeforeWarning: 1, FailuresBeforeCritical: 2}, "fff", "wff"},
		{"passing from the start", Spec{Initial: Success, FailuresBeforeCritical: 2}, "ff", "sf"},
		{"429 at once", Spec{FailuresBeforeCritical: 5}, "sws", "sws"},
	}
	words := map[byte]Status{'s': Success, 'w': Warning, 'f': Failure}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			s := newState(tt.spec, now)
			got := ""
			for i := range len(tt.runs) {
				now = now.Add(time.Second)
				s = s.after(verdict{status: words[tt.runs[i]]}, tt.spec, now, now)
				got += string(s.Status[0])
				if bad := s.Status == Warning || s.Status == Failure; bad == s.BadSince.IsZero() {
					t.Errorf("run %d: status %s, bad since %v", i+1, s.Status, s.BadSince)
				}
			}
			if got != tt.want {
				t.Errorf("%s gives %s, want %s", tt.runs, got, tt.want)
			}
		})
	}
}

// The same check set again goes on; a changed one begins anew; one left out ends.
func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		defer w.serve(answer(200, ""))()
		one, two := httpSpec(), httpSpec()
		two.ID = "d"
		w.set(one, two)
		time.Sleep(time.Second)
		w.want("c", Success)
		since := w.result("c").Since
		two.Path = "/other"
		w.set(one, two)
		w.want("d", Pending)
		if got := w.result("c"); got.Since != since || got.Status != Success {
			t.Errorf("a check that did not change was disturbed: %+v", got)
		}
		w.set(two)
		if got := w.runner.Results("alloc"); len(got) != 1 {
			t.Errorf("%d checks, want 1", len(got))
		}
		w.set()
		if len(w.runner.owners) != 0 {
			t.Error("an owner without checks is kept")
		}
	})
}

// Ending a check in the middle of a run says nothing about the service.
func TestCloseEndsARunInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialing := make(chan struct{})
		r := New(Config{Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			close(dialing)
			<-ctx.Done()
			return nil, errors.New("cut off")
		}})
		r.Set("alloc", []Spec{httpSpec()}, func() { t.Error("a status changed") })
		<-dialing
		r.Close()
		synctest.Wait()
		r.Set("late", []Spec{httpSpec()}, nil)
		if len(r.Results("late")) != 0 {
			t.Error("a closed Runner takes new checks")
		}
	})
}

// Over real sockets: certificates are checked unless the job file says not to.
func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(answer(200, ""))
	defer srv.Close()
	spec := httpSpec()
	spec.Scheme, spec.Addr = "https", strings.TrimPrefix(srv.URL, "https://")
	var d net.Dialer
	dial := func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	if v := timed(t.Context(), spec, newProbe(spec, dial)); v.status != Failure || !strings.Contains(v.output, "certificate") {
		t.Errorf("an unknown certificate: %+v", v)
	}
	spec.TLSSkipVerify = true
	if v := timed(t.Context(), spec, newProbe(spec, dial)); v.status != Success {
		t.Errorf("with tls_skip_verify: %+v", v)
	}
}
