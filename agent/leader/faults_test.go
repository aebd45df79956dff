package leader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// badLog is a log of one server that fails: an entry is lost, applied without its
// caller hearing of it, or applied twice.
type badLog struct {
	store *state.Store
	rng   *rand.Rand
	share float64 // of entries that go wrong
	wrong int
	mu    sync.Mutex // held to write: the loops do it side by side
	index uint64
}

func (l *badLog) Apply(_ context.Context, data []byte) (any, uint64, error) {
	time.Sleep(time.Millisecond) // the commit
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rng.Float64() >= l.share {
		return l.apply(data), l.index, nil
	}
	l.wrong++
	switch l.rng.IntN(3) {
	case 0:
		return nil, 0, errors.New("the entry was lost")
	case 1:
		l.apply(data)
		return nil, 0, errors.New("nobody knows whether the entry was applied")
	}
	l.apply(data)
	return l.apply(data), l.index, nil
}

func (l *badLog) apply(data []byte) any {
	l.index++
	return l.store.Apply(l.index, data)
}

// nobody stands for gossip, probes and the consensus group.
type nobody struct{ members []Member }

func (n nobody) Members() []Member { return n.members }
func (n nobody) Member(id string) (Member, bool) {
	for _, m := range n.members {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}
func (nobody) Probe(context.Context, string, string) Evidence       { return Answered }
func (nobody) Witnesses(context.Context, string, string) []Evidence { return nil }
func (nobody) Servers() ([]RaftServer, error)                       { return nil, nil }
func (nobody) AddVoter(context.Context, string, string) error       { return nil }
func (nobody) AddNonvoter(context.Context, string, string) error    { return nil }
func (nobody) Remove(context.Context, string) error                 { return nil }

// stage is a leader over a state with nodes that run what they are told, without HTTP.
type stage struct {
	t     *testing.T
	log   *badLog
	store *state.Store
	nodes []string
	sick  map[string]bool // values of VERSION whose instances never get healthy
	low   int             // the fewest healthy instances ever seen
	high  int             // the most that were to run at once
}

func newStage(t *testing.T, seed uint64, share float64) *stage {
	store, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, store: store, sick: map[string]bool{}, low: 1 << 20, log: &badLog{store: store, rng: rand.New(rand.NewPCG(seed, 7)), index: 10}}
	for i := range 4 {
		id := fmt.Sprintf("0000000%d-0000-4000-8000-000000000000", i)
		s.nodes = append(s.nodes, id)
		s.must(&state.RegisterNode{Node: &state.Node{Node: api.Node{
			ID: id, Name: id[:8], Datacenter: "dc1", NodePool: "default", Status: api.NodeStatusReady,
			Drivers:       map[string]*api.DriverInfo{"mock_driver": {Detected: true, Healthy: true}},
			NodeResources: &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: 4000}, Memory: api.NodeMemoryResources{MemoryMB: 8192}, Disk: api.NodeDiskResources{DiskMB: 100_000}},
		}, SecretID: id, BootID: "boot"}})
	}
	s.log.share = share
	return s
}

func (s *stage) must(cmd state.Command) any {
	s.t.Helper()
	data, err := state.Encode(time.Now(), cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.log.mu.Lock()
	result := s.log.apply(data)
	s.log.mu.Unlock()
	if err, refused := result.(error); refused {
		s.t.Fatalf("%T: %v", cmd, err)
	}
	return result
}

// lead runs the leader's loops until ctx ends, and again whenever they fail.
func (s *stage) lead(ctx context.Context) {
	cfg := Default()
	cfg.Logger, cfg.State, cfg.Log = hclog.NewNullLogger(), s.store, s.log
	world := nobody{}
	for _, id := range s.nodes {
		world.members = append(world.members, Member{ID: id, Client: true, Alive: true, BootID: "boot"})
	}
	cfg.Members, cfg.Prober, cfg.Raft = world, world, world
	l := New(cfg)
	for ctx.Err() == nil {
		l.Run(ctx) // its errors are what the test is about
		time.Sleep(50 * time.Millisecond)
	}
}

// work does what nodes do: start, stop, and tell health a second after the start.
func (s *stage) work() {
	snap := s.store.Snapshot()
	healthy, wanted := 0, 0
	for a := range snap.Allocs(nil, "*", "") {
		yes := a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil && *a.DeploymentStatus.Healthy
		if a.Client == api.AllocClientStatusRunning && a.Desired == api.AllocDesiredStatusRun {
			wanted++
			if yes {
				healthy++
			}
		}
		u := state.AllocUpdate{ID: a.ID, ClientStatus: a.Client}
		switch {
		case a.ClientTerminal():
			continue
		case a.Desired != api.AllocDesiredStatusRun:
			u.ClientStatus = api.AllocClientStatusComplete
		case a.Client == api.AllocClientStatusPending:
			u.ClientStatus = api.AllocClientStatusRunning
		case !yes && time.Since(time.Unix(0, a.CreateTime)) > time.Second:
			job := snap.JobVersion(nil, a.Namespace, a.JobID, a.JobVersion)
			good := !s.sick[job.TaskGroups[0].Tasks[0].Env["VERSION"]]
			u.Healthy, u.HealthyAt = &good, time.Now()
		default:
			continue
		}
		s.must(&state.UpdateAllocs{NodeID: a.NodeID, Updates: []state.AllocUpdate{u}})
	}
	s.low, s.high = min(s.low, healthy), max(s.high, wanted)
}

// stageJob is a job of 6 with canaries that promote themselves.
func stageJob(version string, canary int) *api.Job {
	task := api.NewTask("task", "mock_driver")
	task.Env = map[string]string{"VERSION": version}
	task.Resources = &api.Resources{CPU: new(100), MemoryMB: new(64)}
	job := api.NewServiceJob("web", "web", "global", 50)
	g := api.NewTaskGroup("group", 6).AddTask(task)
	g.ReschedulePolicy = &api.ReschedulePolicy{Attempts: new(0), Unlimited: new(false), Interval: new(time.Hour), Delay: new(5 * time.Second), DelayFunction: new("constant"), MaxDelay: new(time.Hour)}
	g.Update = &api.UpdateStrategy{
		MaxParallel: new(2), Canary: &canary, AutoPromote: new(canary > 0), AutoRevert: new(true), HealthCheck: new("task_states"),
		MinHealthyTime: new(time.Second), HealthyDeadline: new(20 * time.Second), ProgressDeadline: new(time.Minute),
	}
	job.AddTaskGroup(g)
	job.Canonicalize()
	job.NodePool, job.Datacenters = new("default"), []string{"*"}
	return job
}

// until lets nodes work until the latest deployment has a status at a version.
func (s *stage) until(version uint64, status string) {
	s.t.Helper()
	for start := time.Now(); time.Since(start) < 5*time.Minute; time.Sleep(20 * time.Millisecond) {
		s.work()
		if d := s.store.Snapshot().LatestDeployment(nil, "default", "web"); d != nil && d.JobVersion == version && d.Status == status {
			return
		}
	}
	s.t.Fatalf("version %d never got %s; %d entries went wrong: %+v", version, status, s.log.wrong, s.store.Snapshot().LatestDeployment(nil, "default", "web"))
}

// settled lets what is under way end, and then holds the state against the job.
func (s *stage) settled(version string) {
	s.t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		s.work()
	}
	names := map[string]int{}
	for a := range s.store.Snapshot().Allocs(nil, "*", "") {
		if a.Desired != api.AllocDesiredStatusRun || a.ClientTerminal() {
			continue
		}
		names[a.Name()]++
		job := s.store.Snapshot().JobVersion(nil, a.Namespace, a.JobID, a.JobVersion)
		if got := job.TaskGroups[0].Tasks[0].Env["VERSION"]; got != version {
			s.t.Errorf("%s runs %q, want %q", a.Name(), got, version)
		}
	}
	if len(names) != 6 {
		s.t.Errorf("%d names run: %v", len(names), names)
	}
	for name, n := range names {
		if n > 1 {
			s.t.Errorf("%s runs %d times", name, n)
		}
	}
}

// A third of the leader's writes are lost, applied unheard, or applied twice: a rollout
// with canaries and the revert of a bad version end as they would have.
func TestRolloutOverABadLog(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, seed, 0.33)
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan struct{})
				go func() { defer close(ended); s.lead(ctx) }()
				defer func() { cancel(); <-ended }()
				s.must(&state.RegisterJob{Job: stageJob("1", 0)})
				s.until(0, "successful")
				s.low, s.high = 6, 0
				s.must(&state.RegisterJob{Job: stageJob("2", 1)})
				s.until(1, "successful")
				s.settled("2")
				if s.low < 4 || s.high > 7 {
					t.Errorf("between %d healthy and %d wanted, want 4 to 7", s.low, s.high)
				}
				s.sick["3"] = true
				s.low, s.high = 6, 0
				s.must(&state.RegisterJob{Job: stageJob("3", 1)})
				s.until(3, "successful")
				s.settled("2")
				if s.high > 7 {
					t.Errorf("%d wanted at once, want at most 7", s.high)
				}
				if v := *s.store.Snapshot().Job(nil, "default", "web").Version; v != 3 || s.log.wrong == 0 {
					t.Errorf("version %d after %d faults, want 3 after some", v, s.log.wrong)
				}
			})
		})
	}
}
