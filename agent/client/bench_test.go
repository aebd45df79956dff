package client

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
)

// BenchmarkPlaced measures from the servers' order to their knowing that all run:
// many allocations at once, of a driver that takes no time.
func BenchmarkPlaced(b *testing.B) {
	const count = 500
	for b.Loop() {
		b.StopTimer()
		servers, mock := newFakeServers(), driver.NewMock()
		dir := b.TempDir()
		c, err := New(Config{
			NodeID: testNodeID, SecretID: testNodeID, AllocDir: filepath.Join(dir, "alloc"), StateDir: filepath.Join(dir, "client"),
			Drivers: []driver.Driver{mock}, Servers: servers, GC: GC{MaxAllocs: 2 * count, DiskPercent: 101},
		})
		if err != nil {
			b.Fatal(err)
		}
		go c.Run(b.Context())
		job := testJob("service", forever("web"))
		b.StartTimer()
		for i := range count {
			servers.place(allocID(i), job)
		}
		for running := 0; running < count; {
			servers.mu.Lock()
			heard := servers.heard
			running = 0
			for _, s := range servers.statuses {
				if s.ClientStatus == api.AllocClientStatusRunning {
					running++
				}
			}
			servers.mu.Unlock()
			if running < count {
				select {
				case <-heard:
				case <-time.After(time.Minute):
					b.Fatal("not all run")
				}
			}
		}
		b.StopTimer()
		if err := c.Shutdown(b.Context(), Restart); err != nil {
			b.Fatal(err)
		}
		mock.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "allocs/s")
}
