package scheduler

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestHostileJobs gives Schedule what validation should have refused: it must answer, not
// panic, and place nothing twice on one name.
func TestHostileJobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.SampledFrom([]int64{-1, 0, 1, 100, 5000, math.MaxInt32, math.MaxInt64 / 4})
		target := rapid.SampledFrom([]string{"", "${", "${}", "${attr.x}", "${attr.${attr.x}}", "${meta.}", "${node.unique.id}", "(", "${unique.}", "1,2", "*"})
		operand := rapid.SampledFrom([]string{"=", "regexp", "version", "semver", "<", "set_contains", distinctHosts, distinctProperty, "", "?"})
		number := rapid.SampledFrom([]int{-5, 0, 1, 3, 40, 65536, 1 << 30})
		small := rapid.SampledFrom([]int{-5, 0, 1, 7, 300})
		c := NewCluster()
		for _, id := range []string{"a", "b", ""} {
			c.UpsertNode(Node{
				ID: id, Status: NodeReady, Eligible: true, Attributes: map[string]string{"x": "${attr.x}"},
				Capacity:       Resources{CPU: amount.Draw(t, "cpu"), Memory: amount.Draw(t, "memory"), Disk: amount.Draw(t, "disk"), Cores: small.Draw(t, "cores")},
				MinDynamicPort: number.Draw(t, "low"), MaxDynamicPort: min(70000, number.Draw(t, "high")), MaxAllocs: small.Draw(t, "max"),
				Devices: []Device{{Type: "gpu", IDs: []string{"0"}}},
			})
		}
		g := &Group{
			Name: "g", Count: small.Draw(t, "count"),
			Resources: Resources{CPU: amount.Draw(t, "ask cpu"), Memory: amount.Draw(t, "ask memory"), Cores: small.Draw(t, "ask cores")},
			Ports:     []PortAsk{{Label: "p", Static: number.Draw(t, "port")}, {Label: "q"}},
			Devices:   []DeviceAsk{{Name: target.Draw(t, "device"), Count: small.Draw(t, "devices")}},
			Spreads:   []Spread{{Attribute: target.Draw(t, "spread"), Weight: small.Draw(t, "weight"), Targets: []SpreadTarget{{"x", number.Draw(t, "percent")}}}},
			Update:    &Update{MaxParallel: small.Draw(t, "parallel"), Canary: small.Draw(t, "canary")},
		}
		if rapid.Bool().Draw(t, "no devices") {
			g.Devices, g.Spreads[0].Targets = nil, nil
		}
		job := &Job{
			Namespace: "default", ID: "j", Type: rapid.SampledFrom([]JobType{Service, Batch, System, SysBatch, "?"}).Draw(t, "type"), Groups: []*Group{g},
			Constraints: []Constraint{{target.Draw(t, "left"), operand.Draw(t, "operand"), target.Draw(t, "right")}},
			Affinities:  []Affinity{{target.Draw(t, "left"), operand.Draw(t, "operand"), target.Draw(t, "right"), small.Draw(t, "liking")}},
		}
		before := snapshot(c)
		p := Schedule(Request{Cluster: c, Job: job, Namespace: "default", JobID: "j", Now: time.Unix(0, 0)})
		if after := snapshot(c); after != before {
			t.Fatalf("the cluster changed:\n%s\n%s", before, after)
		}
		names := map[int]bool{}
		for _, pl := range p.Placements {
			if names[pl.Index] && job.Type != System && job.Type != SysBatch {
				t.Fatalf("index %d twice", pl.Index)
			}
			names[pl.Index] = true
		}
	})
}
