package agent

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/selfheal/selfheal/agent/state"
)

// small is a job whose allocations are small enough for 200 of them to fit on a node.
func small(id string, count int) *api.Job {
	job := service(id, count)
	job.TaskGroups[0].Tasks[0].Config = nil
	job.TaskGroups[0].Tasks[0].Resources = &api.Resources{CPU: ptr(20), MemoryMB: ptr(30)}
	job.TaskGroups[0].EphemeralDisk = &api.EphemeralDisk{SizeMB: ptr(110)}
	job.TaskGroups[0].Update = &api.UpdateStrategy{MaxParallel: ptr(0)}
	return job
}

// BenchmarkMillions fills 10,000 nodes that are rows with jobs of 50,000, from their
// submission over HTTP through raft to the state of one server: 100,000 allocations, and
// with -benchtime Nx N times as many rounds of the whole on fresh servers. It reports
// seconds in all, and bytes of live memory an allocation.
func BenchmarkMillions(b *testing.B) {
	for _, n := range []int{100_000, 2_000_000} {
		b.Run(fmt.Sprintf("nodes=10000/allocs=%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				a := benchServer(b)
				benchNodes(b, a, 10_000)
				counts := &tally{wake: make(chan struct{}, 1)}
				a.server.state.Changes(counts.count)
				before := live()
				b.StartTimer()
				start := time.Now()
				client := benchClient(b, a)
				for i := range n / 50_000 {
					if _, _, err := client.Jobs().Register(small(fmt.Sprintf("million-%d", i), 50_000), nil); err != nil {
						b.Fatal(err)
					}
				}
				counts.await(b, &counts.placed, int64(n))
				took := time.Since(start)
				b.StopTimer()
				time.Sleep(time.Second) // what follows the last commit
				b.ReportMetric(took.Seconds(), "s")
				b.ReportMetric(float64(n)/took.Seconds(), "placed/s")
				b.ReportMetric(float64(live()-before)/float64(n), "B/alloc")
				runtime.KeepAlive(a)
				b.StartTimer()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// live is how many bytes of heap are live now.
func live() int64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkListJobs has 100 clients list 1,000 jobs again and again, and reports the
// latencies of their requests.
func BenchmarkListJobs(b *testing.B) {
	const jobs, clients = 1000, 100
	a := benchServer(b)
	benchNodes(b, a, 100)
	counts := &tally{wake: make(chan struct{}, 1)}
	a.server.state.Changes(counts.count)
	load{100, jobs, 1}.submit(b, benchClient(b, a), 0)
	counts.await(b, &counts.placed, jobs)
	var mu sync.Mutex
	var took []time.Duration
	for b.Loop() {
		var g errgroup.Group
		for range clients {
			g.Go(func() error {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for range 20 {
					start := time.Now()
					resp, err := client.Get("http://" + a.HTTPAddr() + "/v1/jobs")
					if err != nil {
						return err
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						return err
					}
					resp.Body.Close()
					mu.Lock()
					took = append(took, time.Since(start))
					mu.Unlock()
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdleQueries holds 10,000 blocking queries open, each on a connection of its
// own, and reports the memory that each costs this process: heap, stacks and what the
// other end, which is a bare connection, takes as well.
func BenchmarkIdleQueries(b *testing.B) {
	queries := 10_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Max < uint64(2*queries+200) {
		queries = int(limit.Max-200) / 2 // both ends are here
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	a := benchServer(b)
	benchNodes(b, a, 1)
	load{1, 1, 1}.submit(b, benchClient(b, a), 0)
	index := a.server.state.Snapshot().Index(state.TableJobs)
	request := fmt.Sprintf("GET /v1/jobs?index=%d&wait=5m HTTP/1.1\r\nHost: x\r\n\r\n", index+1000)
	for b.Loop() {
		before := held()
		conns := make([]net.Conn, 0, queries)
		for range queries {
			c, err := net.Dial("tcp", a.HTTPAddr())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(c, strings.NewReader(request)); err != nil {
				b.Fatal(err)
			}
			conns = append(conns, c)
		}
		time.Sleep(3 * time.Second) // the last ones arrive and come to rest
		b.ReportMetric(float64(held()-before)/float64(queries)/1024, "KiB/query")
		b.ReportMetric(float64(queries), "queries")
		for _, c := range conns {
			c.Close()
		}
	}
	b.ReportMetric(0, "ns/op")
}

// held is the live heap and the stacks, in bytes.
func held() int64 {
	n := live()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return n + int64(m.StackInuse)
}
