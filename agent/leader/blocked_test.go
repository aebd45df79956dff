package leader

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// localLog applies what is written to it at once.
type localLog struct {
	store *state.Store
	index uint64
}

func (l *localLog) Apply(_ context.Context, data []byte) (any, uint64, error) {
	l.index++
	return l.store.Apply(l.index, data), l.index, nil
}

func (l *localLog) Barrier(context.Context) error { return nil }

func (l *localLog) write(tb testing.TB, cmd state.Command) any {
	tb.Helper()
	data, err := state.Encode(time.Now(), cmd)
	if err != nil {
		tb.Fatal(err)
	}
	result, _, _ := l.Apply(tb.Context(), data)
	if err, bad := result.(error); bad {
		tb.Fatal(err)
	}
	return result
}

// drainQueue decides until nothing is pending, and counts the decisions.
func drainQueue(tb testing.TB, e *evaluator) (decided int) {
	tb.Helper()
	for {
		e.absorb(e.feed.take())
		snap := e.l.cfg.State.Snapshot()
		batch, _ := due(snap, time.Now())
		if len(batch) == 0 {
			return decided
		}
		decided += min(len(batch), batchEvals)
		if err := e.decide(tb.Context(), snap, batch); err != nil {
			tb.Fatal(err)
		}
	}
}

// backlog is a full cluster of n nodes with waiting jobs of one instance each; class names
// the class that the kth of them is bound to.
func backlog(tb testing.TB, nodes, jobs int, class func(k int) string) (*evaluator, *localLog) {
	tb.Helper()
	store, err := state.New(state.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	log := &localLog{store: store}
	cfg := Default()
	cfg.Logger, cfg.State, cfg.Log = hclog.NewNullLogger(), store, log
	l := New(cfg)
	l.evaluate.feed.open()
	for n := range nodes {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
		log.write(tb, &state.RegisterNode{Node: &state.Node{SecretID: id, BootID: "b", Node: api.Node{
			ID: id, Name: id, Datacenter: "dc1", NodePool: "default", NodeClass: []string{"small", "large"}[n%2],
			Drivers:       map[string]*api.DriverInfo{"mock_driver": {Detected: true, Healthy: true}},
			NodeResources: &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: 1000}, Memory: api.NodeMemoryResources{MemoryMB: 1000}, Disk: api.NodeDiskResources{DiskMB: 10000}},
		}}})
	}
	l.evaluate.rebuild()
	register := func(id string, count, cpu int, bound string) {
		job := api.NewBatchJob(id, id, "global", 50)
		if bound != "" {
			job.Constrain(api.NewConstraint("${node.class}", "=", bound))
		}
		job.AddTaskGroup(api.NewTaskGroup("g", count).AddTask(api.NewTask("t", "mock_driver").Require(&api.Resources{CPU: &cpu, MemoryMB: new(10)})))
		job.Canonicalize()
		log.write(tb, &state.RegisterJob{Job: job})
	}
	register("full", nodes, 1000, "")
	drainQueue(tb, l.evaluate)
	for k := range jobs {
		register(fmt.Sprintf("waiting-%d", k), 1, 500, class(k))
	}
	drainQueue(tb, l.evaluate)
	return l.evaluate, log
}

// BenchmarkBlockedBacklog frees one node of 1,000 while 5,000 jobs wait for room.
func BenchmarkBlockedBacklog(b *testing.B) {
	for _, tt := range []struct {
		name  string
		class func(k int) string
	}{
		{"any", func(int) string { return "" }},
		{"other-class", func(k int) string { return map[bool]string{true: "small", false: "large"}[k%100 == 0] }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			e, log := backlog(b, 1000, 5000, tt.class)
			running := e.cluster.AllocsOfJob("default", "full")
			b.ResetTimer()
			decided, next := 0, 0
			for range b.N {
				for e.mustNode(running[next].NodeID) != "small" {
					next++
				}
				a := running[next]
				next++
				log.write(b, &state.UpdateAllocs{NodeID: a.NodeID, Updates: []state.AllocUpdate{{ID: a.ID, ClientStatus: api.AllocClientStatusComplete}}})
				decided += drainQueue(b, e)
			}
			b.ReportMetric(float64(decided)/float64(b.N), "decisions/op")
		})
	}
}

func (e *evaluator) mustNode(id string) string {
	n, _ := e.cluster.Node(id)
	return n.Class
}
