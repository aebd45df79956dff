package state

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// fill registers a job of count on nodes, and applies its plans of size each. It
// returns how long the plans took.
func (l *log) fill(nodes, count, size int) time.Duration {
	l.t.Helper()
	for n := range nodes {
		l.must(&RegisterNode{Node: node(n)})
	}
	l.must(&RegisterJob{Job: job("web", count)})
	l.finish("web")
	var took time.Duration
	for first := 0; first < count; first += size {
		e := l.must(&EvaluateJob{Namespace: "default", ID: "web"}).(*JobResult).EvalID
		p := Plan{
			EvalID: e, Namespace: "default", JobID: "web",
			Metrics: []*api.AllocationMetric{{NodesEvaluated: nodes}}, Evals: []*api.Evaluation{l.ended(e)},
		}
		position := map[int]int{}
		for i := first; i < min(first+size, count); i++ {
			n := i % nodes
			if _, ok := position[n]; !ok {
				position[n] = len(p.Nodes)
				p.Nodes = append(p.Nodes, node(n).ID)
			}
			p.Placements = append(p.Placements, Placement{Group: "web", Index: i, Node: position[n]})
		}
		data, err := Encode(epoch, &ApplyPlans{Plans: []Plan{p}})
		if err != nil {
			l.t.Fatal(err)
		}
		l.index++
		start := time.Now()
		if err, refused := l.s.Apply(l.index, data).(error); refused {
			l.t.Fatal(err)
		}
		took += time.Since(start)
	}
	return took
}

// BenchmarkApplyPlans reports placements a second through the FSM alone, and the
// live memory of an allocation, indexes included.
func BenchmarkApplyPlans(b *testing.B) {
	for _, size := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("plan=%d", size), func(b *testing.B) {
			const nodes = 10_000
			count := min(200_000, 20_000*size)
			for b.Loop() {
				l := newLog(b)
				l.fill(nodes, 1, 1)
				before := heap()
				took := l.fill(nodes, count, size)
				b.ReportMetric(float64(count)/took.Seconds(), "allocs/s")
				b.ReportMetric(float64(heap()-before)/float64(count), "B/alloc")
				runtime.KeepAlive(l)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRunning reports the live memory of an allocation that runs, as its node
// reports it: one task with three events.
func BenchmarkRunning(b *testing.B) {
	const nodes, count = 1000, 50_000
	for b.Loop() {
		l := newLog(b)
		l.fill(nodes, 1, 1)
		before := heap()
		l.fill(nodes, count, 10_000)
		for n := range nodes {
			c := &UpdateAllocs{NodeID: node(n).ID}
			for a := range l.snap().AllocsByNode(nil, node(n).ID) {
				c.Updates = append(c.Updates, AllocUpdate{ID: a.ID, ClientStatus: "running", TaskStates: map[string]*api.TaskState{
					"server": {State: "running", StartedAt: epoch, Events: []*api.TaskEvent{
						{Type: api.TaskReceived, Time: 1, DisplayMessage: "Task received by client", Details: map[string]string{}},
						{Type: api.TaskSetup, Time: 2, DisplayMessage: "Building Task Directory", Message: "Building Task Directory", Details: map[string]string{"message": "Building Task Directory"}},
						{Type: api.TaskStarted, Time: 3, DisplayMessage: "Task started by client", Details: map[string]string{}},
					}},
				}})
			}
			l.must(c)
		}
		for range 200 { // push the reports out of the event buffer
			l.must(&SetSchedulerConfig{Config: &api.SchedulerConfiguration{}})
		}
		b.ReportMetric(float64(heap()-before)/count, "B/alloc")
		runtime.KeepAlive(l)
	}
}

// BenchmarkUpdateAllocs reports one allocation's report an entry.
func BenchmarkUpdateAllocs(b *testing.B) {
	l := newLog(b)
	l.fill(1000, 50_000, 10_000)
	type target struct{ id, node string }
	var all []target
	for a := range l.snap().Allocs(nil, "*", "") {
		all = append(all, target{a.ID, a.NodeID})
	}
	i := 0
	for b.Loop() {
		t := all[i%len(all)]
		l.must(&UpdateAllocs{NodeID: t.node, Updates: []AllocUpdate{report(t.id, "running", int64(i))}})
		i++
	}
}

// BenchmarkSnapshot reports saving and restoring, an allocation.
func BenchmarkSnapshot(b *testing.B) {
	const count = 50_000
	l := newLog(b)
	l.fill(1000, count, 10_000)
	var saved []byte
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			saved = save(b, l.s)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/alloc")
		b.ReportMetric(float64(len(saved))/count, "B/alloc")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			if err := l.s.Restore(bytesReader(saved)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/alloc")
	})
}
