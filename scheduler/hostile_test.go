package scheduler

import (
	"fmt"
	"math"
	"strconv"
	"strings"
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

// hostileJobs are as large as validation lets them be, or larger.
var hostileJobs = []struct {
	name   string
	change func(j *Job)
}{
	{"count of 50,000", func(j *Job) { j.Groups[0].Count = 50_000 }},
	{"1,000 constraints", func(j *Job) {
		for i := range 1000 {
			j.Constraints = append(j.Constraints, Constraint{"${meta.rack}", "!=", strconv.Itoa(i)})
		}
	}},
	{"1,000 unique constraints", func(j *Job) {
		for i := range 1000 {
			j.Constraints = append(j.Constraints, Constraint{"${node.unique.id}", "!=", strconv.Itoa(i)})
		}
	}},
	{"1,000 affinities", func(j *Job) {
		for i := range 1000 {
			j.Affinities = append(j.Affinities, Affinity{"${node.unique.id}", "=", strconv.Itoa(i), 1 + i%100})
		}
	}},
	{"32 spreads", func(j *Job) {
		for i := range 32 {
			j.Spreads = append(j.Spreads, Spread{Attribute: []string{"${meta.rack}", "${node.unique.id}", "${node.datacenter}", "${attr.cpu.arch}"}[i%4], Weight: 1 + i%100})
		}
	}},
	{"1,000 groups", func(j *Job) {
		g := *j.Groups[0]
		j.Groups = nil
		for i := range 1000 {
			each := g
			each.Name, each.Count = "g"+strconv.Itoa(i), 2
			j.Groups = append(j.Groups, &each)
		}
	}},
	{"a regular expression that explodes elsewhere", func(j *Job) {
		j.Constraints = []Constraint{{"${meta.rack}", "regexp", "(((a*)*)*)*" + strings.Repeat("(x+x+)+y|", 400) + "r"}}
	}},
	{"a huge regular expression", func(j *Job) {
		j.Affinities = []Affinity{{"${meta.rack}", "regexp", strings.Repeat("(r|x)?", 1<<20), 50}}
	}},
	{"a regular expression out of every node's meta", func(j *Job) {
		j.Affinities = []Affinity{{"${meta.rack}", "regexp", "${attr.unique.hostname}", 50}}
	}},
	{"1,000 static ports", func(j *Job) {
		for i := range 1000 {
			j.Groups[0].Ports = append(j.Groups[0].Ports, PortAsk{Label: "p" + strconv.Itoa(i), Static: 10_000 + i})
		}
	}},
	{"more dynamic ports than there are", func(j *Job) {
		for i := range 13_000 {
			j.Groups[0].Ports = append(j.Groups[0].Ports, PortAsk{Label: "p" + strconv.Itoa(i)})
		}
	}},
	{"100 tasks that require NUMA nodes", func(j *Job) {
		g := j.Groups[0]
		for i := range 100 {
			g.Pins = append(g.Pins, CoreAsk{Task: strconv.Itoa(i), Count: 1 + i%3, Affinity: "require"})
			g.Resources.Cores += 1 + i%3
		}
	}},
}

// BenchmarkHostile says what jobs cost that want to stall the loop, on 2,000 nodes with NUMA.
func BenchmarkHostile(b *testing.B) {
	c := benchCluster(2000, 0)
	for i := range 2000 {
		n, _ := c.Node(fmt.Sprintf("node-%05d", i))
		numa := *n
		numa.Capacity.Cores, numa.NUMA = 128, numaNodes("0-31/32-63/64-95/96-127")
		c.UpsertNode(numa)
	}
	for _, h := range hostileJobs {
		b.Run(h.name, func(b *testing.B) {
			job := benchJob(1000, h.change)
			for b.Loop() {
				Schedule(Request{Cluster: c, Job: job, Namespace: "default", JobID: "bench", Now: time.Unix(1, 0)})
			}
		})
	}
}
