package scheduler

import (
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// benchCluster has n nodes in three datacenters and fifty racks, each with busy
// allocations of other jobs.
func benchCluster(n, busy int) *Cluster {
	c := NewCluster()
	for i := range n {
		c.UpsertNode(Node{
			ID: fmt.Sprintf("node-%05d", i), Name: fmt.Sprintf("node-%05d", i), Datacenter: fmt.Sprintf("dc%d", i%3+1), Pool: "default",
			Status: NodeReady, Eligible: true, Class: []string{"small", "large"}[i%2],
			Attributes: map[string]string{"kernel.name": "linux", "cpu.arch": []string{"amd64", "arm64"}[i%10/9], "unique.hostname": strconv.Itoa(i)},
			Meta:       map[string]string{"rack": fmt.Sprintf("r%d", i%50)},
			Capacity:   Resources{CPU: 16000, Memory: 65536, Disk: 500000},
			Drivers:    map[string]bool{"exec": true, "docker": true}, IP: "10.0.0.1",
		})
		for k := range busy {
			c.UpsertAlloc(&Alloc{
				AllocGroup:  &AllocGroup{Namespace: "default", Job: fmt.Sprintf("busy-%d", k), Group: "g", Priority: 30, Used: Resources{CPU: int64(200 + i%7*50), Memory: int64(300 + i%11*40)}},
				AllocExtras: &AllocExtras{},
				ID:          fmt.Sprintf("busy-%d-%d", i, k), Index: i, NodeID: fmt.Sprintf("node-%05d", i), Desired: Run, Client: Running, Ports: []Port{{Label: "http", Value: 20000 + k, HostIP: "10.0.0.1"}},
			})
		}
	}
	return c
}

func benchJob(count int, change func(*Job)) *Job {
	j := &Job{Namespace: "default", ID: "bench", Type: Service, Priority: 50, Datacenters: []string{"*"}, Pool: "default",
		Groups: []*Group{{Name: "g", Count: count, Resources: Resources{CPU: 100, Memory: 128}, Spec: "a"}}}
	if change != nil {
		change(j)
	}
	return j
}

var benchShapes = []struct {
	name   string
	change func(*Job)
}{
	{"plain", nil},
	{"constraint", func(j *Job) {
		j.Constraints = []Constraint{{"${attr.kernel.name}", "=", "linux"}, {"${attr.cpu.arch}", "=", "amd64"}, {"${meta.rack}", "regexp", "^r[0-9]+$"}}
	}},
	{"affinity", func(j *Job) {
		j.Affinities = []Affinity{{"${node.class}", "=", "large", 50}}
	}},
	{"spread", func(j *Job) {
		j.Spreads = []Spread{{Attribute: "${node.datacenter}", Weight: 50}, {Attribute: "${meta.rack}", Weight: 50}}
	}},
	{"spread+targets+affinity", func(j *Job) {
		j.Spreads = []Spread{
			{Attribute: "${node.datacenter}", Weight: 70, Targets: []SpreadTarget{{"dc1", 50}, {"dc2", 30}, {"dc3", 20}}},
			{Attribute: "${meta.rack}", Weight: 30},
		}
		j.Affinities = []Affinity{{"${node.class}", "=", "large", 50}}
	}},
	{"spread-by-host", func(j *Job) {
		j.Spreads = []Spread{{Attribute: "${node.unique.id}", Weight: 100}}
	}},
	{"spread-by-datacenter+host", func(j *Job) {
		j.Spreads = []Spread{{Attribute: "${node.datacenter}", Weight: 50}, {Attribute: "${node.unique.id}", Weight: 50}}
	}},
	{"distinct_hosts", func(j *Job) {
		j.Constraints = []Constraint{{Operand: distinctHosts}}
	}},
	{"distinct_property", func(j *Job) {
		j.Constraints = []Constraint{{"${meta.rack}", distinctProperty, "2000"}}
	}},
	{"ports", func(j *Job) {
		j.Groups[0].Ports = []PortAsk{{Label: "http"}, {Label: "admin", Static: 9000}}
	}},
	{"system", func(j *Job) { j.Type = System }},
}

// BenchmarkPlace places one job on an idle cluster: every shape on 100 to 50,000 nodes with
// as many allocations, and the plain one with 1 to 100,000 of them.
func BenchmarkPlace(b *testing.B) {
	for _, n := range []int{100, 1000, 5000, 10000, 50000} {
		c := benchCluster(n, 0)
		for _, shape := range benchShapes {
			b.Run(fmt.Sprintf("%s/nodes=%d/allocs=%d", shape.name, n, n), func(b *testing.B) {
				benchSchedule(b, c, benchJob(n, shape.change))
			})
		}
		for _, count := range []int{1, 100, 10000, 100000} {
			if count != n && count <= 100*n {
				b.Run(fmt.Sprintf("plain/nodes=%d/allocs=%d", n, count), func(b *testing.B) {
					benchSchedule(b, c, benchJob(count, nil))
				})
			}
		}
	}
}

// BenchmarkSmallJob places ten on a busy cluster.
func BenchmarkSmallJob(b *testing.B) {
	c := benchCluster(10000, 10)
	for _, shape := range benchShapes {
		if shape.name != "system" {
			b.Run(shape.name, func(b *testing.B) { benchSchedule(b, c, benchJob(10, shape.change)) })
		}
	}
}

// BenchmarkPreempt places on a full cluster, where each allocation must evict several.
func BenchmarkPreempt(b *testing.B) {
	for _, n := range []int{1000, 5000, 10000} {
		c := benchCluster(n, 10)
		b.Run(fmt.Sprintf("nodes=%d/allocs=%d", n, n/10), func(b *testing.B) {
			job := benchJob(n/10, func(j *Job) { j.Groups[0].Resources.CPU = 15000 })
			req := Request{Cluster: c, Job: job, Namespace: "default", JobID: "bench", Now: time.Unix(1, 0), Settings: Settings{PreemptService: true}}
			measure(b, func() int { return len(Schedule(req).Placements) }, n/10)
		})
	}
}

// BenchmarkDrain moves what runs on a tenth of the nodes.
func BenchmarkDrain(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		c := benchCluster(n, 0)
		job := benchJob(n, nil)
		req := Request{Cluster: c, Job: job, Namespace: "default", JobID: "bench", Now: time.Unix(1, 0)}
		applyBench(c, job, Schedule(req))
		leaving := 0
		for i := range n / 10 {
			id := fmt.Sprintf("node-%05d", i*10)
			node, _ := c.Node(id)
			draining := *node
			draining.Draining, draining.Eligible = true, false
			c.UpsertNode(draining)
			for _, a := range c.AllocsOnNode(id) {
				moving := copyOf(a)
				moving.Migrate = true
				c.UpsertAlloc(&moving)
				leaving++
			}
		}
		b.Run(fmt.Sprintf("nodes=%d/allocs=%d", n, leaving), func(b *testing.B) {
			measure(b, func() int { return len(Schedule(req).Placements) }, leaving)
		})
	}
}

// BenchmarkStorm places ten system jobs on 5,000 nodes, one after another.
func BenchmarkStorm(b *testing.B) {
	const nodes, jobs = 5000, 10
	c := benchCluster(nodes, 0)
	b.Run(fmt.Sprintf("nodes=%d/jobs=%d", nodes, jobs), func(b *testing.B) {
		measure(b, func() int {
			placed := 0
			var added []string
			for k := range jobs {
				job := benchJob(1, func(j *Job) { j.ID, j.Type = fmt.Sprint("storm-", k), System })
				p := Schedule(Request{Cluster: c, Job: job, Namespace: "default", JobID: job.ID, Now: time.Unix(1, 0)})
				placed += len(p.Placements)
				for _, pl := range p.Placements {
					a := &Alloc{
						AllocGroup:  &AllocGroup{Namespace: "default", Job: job.ID, JobType: System, Group: "g", Used: job.Groups[0].Resources},
						AllocExtras: &AllocExtras{},
						ID:          pl.NodeID + job.ID, NodeID: pl.NodeID, Desired: Run, Client: Running,
					}
					c.UpsertAlloc(a)
					added = append(added, a.ID)
				}
			}
			b.StopTimer()
			for _, id := range added {
				c.DeleteAlloc(id)
			}
			b.StartTimer()
			return placed
		}, nodes*jobs)
	})
}

// cpuTime is what this process has used of processors, which other processes do not add to.
func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// measure reports what one placement costs: by the clock, in time of processors (the
// collector's included), and in memory. decide must place as many as wanted.
func measure(b *testing.B, decide func() int, want int) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime(b)
	for range b.N {
		if got := decide(); got != want {
			b.Fatalf("%d placed, want %d", got, want)
		}
	}
	runtime.ReadMemStats(&after)
	placed := float64(want * b.N)
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/placed, "cpu-ns/alloc")
	b.ReportMetric(placed/b.Elapsed().Seconds(), "placements/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/placed, "ns/alloc")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/placed, "B/alloc")
}

// BenchmarkSettled looks at a job of 10,000 that needs nothing.
func BenchmarkSettled(b *testing.B) {
	c := benchCluster(10000, 0)
	job := benchJob(10000, nil)
	req := Request{Cluster: c, Job: job, Namespace: "default", JobID: "bench", Now: time.Unix(1, 0)}
	applyBench(c, job, Schedule(req))
	b.ReportAllocs()
	for b.Loop() {
		if p := Schedule(req); len(p.Placements)+len(p.Stops) != 0 {
			b.Fatal("not settled")
		}
	}
}

// BenchmarkChange plans what 10,000 allocations on 10,000 nodes need when the job changes,
// when a tenth of the nodes dies, and when one does.
func BenchmarkChange(b *testing.B) {
	c := benchCluster(10000, 0)
	job := benchJob(10000, nil)
	req := Request{Cluster: c, Job: job, Namespace: "default", JobID: "bench", Now: time.Unix(1, 0)}
	applyBench(c, job, Schedule(req))
	next := benchJob(10000, func(j *Job) { j.Version = 1; j.Groups[0].Spec = "b" })
	updated := req
	updated.Job, updated.Versions = next, func(uint64) *Job { return job }
	run := func(name string, req Request, want int) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if p := Schedule(req); len(p.Placements) != want {
					b.Fatalf("%d placed, want %d", len(p.Placements), want)
				}
			}
			b.ReportMetric(float64(want*b.N)/b.Elapsed().Seconds(), "placements/s")
		})
	}
	run("destructive", updated, 10000)
	for _, lost := range []int{1, 1000} {
		n, on := 0, map[string]bool{}
		for _, a := range c.AllocsOfJob("default", "bench") {
			if on[a.NodeID] || len(on) < lost {
				on[a.NodeID] = true
				n++
			}
		}
		for id := range on {
			node, _ := c.Node(id)
			down := *node
			down.Status = NodeDown
			c.UpsertNode(down)
		}
		run(fmt.Sprintf("lost-nodes=%d", lost), req, n)
	}
}

// BenchmarkApply adds and removes an allocation.
func BenchmarkApply(b *testing.B) {
	c := benchCluster(1000, 10)
	a := &Alloc{AllocGroup: &AllocGroup{Namespace: "default", Job: "x", Group: "g", Used: Resources{CPU: 1}}, AllocExtras: &AllocExtras{}, ID: "x", NodeID: "node-00001", Desired: Run, Client: Running}
	b.ReportAllocs()
	for b.Loop() {
		c.UpsertAlloc(a)
		c.DeleteAlloc("x")
	}
}

func benchSchedule(b *testing.B, c *Cluster, job *Job) {
	req := Request{Cluster: c, Job: job, Namespace: "default", JobID: "bench", Now: time.Unix(1, 0)}
	want := len(Schedule(req).Placements)
	if want == 0 || job.Type != System && want < job.Groups[0].Count {
		b.Fatalf("only %d placed", want)
	}
	measure(b, func() int { return len(Schedule(req).Placements) }, want)
}

func applyBench(c *Cluster, job *Job, p Plan) {
	for i, pl := range p.Placements {
		c.UpsertAlloc(&Alloc{
			AllocGroup:  &AllocGroup{Namespace: job.Namespace, Job: job.ID, Group: pl.Group, Used: job.group(pl.Group).Resources, JobVersion: pl.JobVersion},
			AllocExtras: &AllocExtras{},
			ID:          strconv.Itoa(i), Index: pl.Index, NodeID: pl.NodeID, Desired: Run, Client: Running,
		})
	}
}
