//go:build e2e

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// TestSoak breaks a cluster of three servers and four nodes in every way that this
// project promises to survive, ROUNDS times (default 3), in an order and on victims
// that SEED decides (default: the clock). After every breakage the cluster must come
// to rest: six of six on ready nodes, their names unique, as many processes as
// allocations. In the end the job stops and nothing may be left. KEEP_LOGS names a
// directory for the agents' logs of a run that failed.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	s.run(sleeper)
	for round := range number(t, "ROUNDS", 3) {
		for _, i := range s.rand.Perm(len(disasters)) {
			d := disasters[i]
			s.round, s.doing = round+1, d.name
			start := time.Now()
			d.strike(s)
			s.rest()
			s.Logf("round %d: %s: whole and at rest after %v", round+1, d.name, time.Since(start).Round(time.Millisecond))
		}
	}
	s.leaveNothing()
	s.report()
}

// disasters are what happens, one function each: it strikes, waits for the recovery
// that it is about, notes how long that took, and undoes what it did.
var disasters = []struct {
	name   string
	strike func(*soak)
}{
	{"host killed", (*soak).killHost},
	{"cable cut", (*soak).cutCable},
	{"cable cut for a moment", (*soak).blink},
	{"task killed", (*soak).killTask},
	{"supervisor killed", (*soak).killSupervisor},
	{"leader killed", (*soak).killLeader},
	{"leader's cable cut", (*soak).cutLeader},
	{"leader and host lost together", (*soak).loseBoth},
	{"agent killed and started", (*soak).killAgent},
	{"agent restarted gracefully", (*soak).restartAgent},
	{"server restarted gracefully", (*soak).restartServer},
	{"agent stopped for 2 s", (*soak).freezeAgent},
	{"server stopped for 2 s", (*soak).freezeServer},
}

// soak is one run.
type soak struct {
	testing.TB
	c     *cluster.Cluster
	rand  *rand.Rand
	took  map[string][]time.Duration
	round int
	doing string
}

const soaked = 6 // instances of the job

func newSoak(t *testing.T) *soak {
	seed := number(t, "SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("SEED=%d", seed)
	s := &soak{TB: t, rand: rand.New(rand.NewPCG(uint64(seed), 0)), took: map[string][]time.Duration{}}
	s.c = cluster.New(t, cluster.Options{Servers: 3, Clients: 4, Hosts: true})
	t.Cleanup(s.keepLogs)
	return s
}

func (s *soak) run(hcl string) { s.c.Run(hcl, soaked); s.rest() }

// note remembers how long a recovery took.
func (s *soak) note(what string, since time.Time) {
	s.took[what] = append(s.took[what], time.Since(since))
}

// victim is a client that runs at least one instance.
func (s *soak) victim() *cluster.Agent {
	s.Helper()
	allocs := s.c.Running("web")
	if len(allocs) == 0 {
		s.Fatalf("round %d: %s: nothing runs", s.round, s.doing)
	}
	return s.c.Client(allocs[s.rand.IntN(len(allocs))].NodeID)
}

// elsewhere waits until all instances run on other nodes.
func (s *soak) elsewhere(victim *cluster.Agent) {
	s.Helper()
	s.eventually(20*time.Second, "all run elsewhere", func() error {
		n := 0
		for _, a := range s.c.Running("web") {
			if a.NodeID != victim.NodeID() {
				n++
			}
		}
		if n != soaked {
			return fmt.Errorf("%d run elsewhere", n)
		}
		return nil
	})
}

func (s *soak) killHost() {
	victim, start := s.victim(), time.Now()
	victim.KillHost()
	s.elsewhere(victim)
	s.note("host's processes killed -> 6 of 6 elsewhere", start)
	victim.Start()
}

func (s *soak) cutCable() {
	victim, start := s.victim(), time.Now()
	victim.Cut()
	s.elsewhere(victim)
	s.note("cable cut -> 6 of 6 elsewhere", start)
	start = time.Now()
	victim.Mend()
	s.eventually(20*time.Second, "the mended node is ready and runs nothing old", func() error { return s.matches(victim) })
	s.note("cable mended -> node ready, old tasks gone", start)
}

// blink cuts a cable for less than it takes to convict: what moves, if anything, is
// up to the servers, but it ends well.
func (s *soak) blink() {
	victim := s.victim()
	victim.Cut()
	time.Sleep(time.Duration(200+s.rand.IntN(1800)) * time.Millisecond)
	victim.Mend()
}

func (s *soak) killTask() {
	victim := s.victim()
	before := victim.TaskPIDs()
	restarts := s.restarts(victim)
	start := time.Now()
	cluster.Kill(before[s.rand.IntN(len(before))])
	s.eventually(10*time.Second, "a new process for the killed task", func() error {
		if now := victim.TaskPIDs(); len(now) != len(before) || slices.Equal(now, before) {
			return fmt.Errorf("tasks were %v, are %v", before, now)
		}
		return nil
	})
	s.note("task killed -> its process again (/proc read every 10 ms)", start)
	s.eventually(10*time.Second, "the API to show the restart", func() error {
		if now := s.restarts(victim); now != restarts+1 {
			return fmt.Errorf("%d restarts, before %d", now, restarts)
		}
		return nil
	})
	s.note("task killed -> restart seen in the API", start)
}

// restarts counts the restarts that the API knows of on a node.
func (s *soak) restarts(on *cluster.Agent) uint64 {
	allocs, _, err := s.c.Live().API().Nodes().Allocations(on.NodeID(), nil)
	if err != nil {
		return 0
	}
	n := uint64(0)
	for _, a := range allocs {
		if a.ClientStatus == api.AllocClientStatusRunning {
			for _, t := range a.TaskStates {
				n += t.Restarts
			}
		}
	}
	return n
}

func (s *soak) killSupervisor() {
	victim := s.victim()
	tasks := victim.TaskPIDs()
	var supervisors []int
	for _, pid := range victim.Processes() {
		if !slices.Contains(tasks, pid) {
			supervisors = append(supervisors, pid)
		}
	}
	restarts, start := s.restarts(victim), time.Now()
	cluster.Kill(supervisors[s.rand.IntN(len(supervisors))])
	s.eventually(10*time.Second, "a new task and supervisor", func() error {
		if now := victim.TaskPIDs(); len(now) != len(tasks) || slices.Equal(now, tasks) {
			return fmt.Errorf("tasks were %v, are %v", tasks, now)
		}
		return nil
	})
	s.note("supervisor killed -> task and supervisor again", start)
	s.eventually(10*time.Second, "the API knows that the task started again", func() error {
		if now := s.restarts(victim); now <= restarts {
			return fmt.Errorf("%d restarts, %d before", now, restarts)
		}
		return nil
	})
}

// writes waits until a write that is sent to a live server is accepted.
func (s *soak) writes(what string, start time.Time) {
	s.Helper()
	s.eventually(15*time.Second, "a write is accepted", func() error {
		_, _, err := s.c.Live().API().Jobs().ForceEvaluate("web", nil)
		return err
	})
	s.note(what, start)
}

func (s *soak) killLeader() {
	lead, before, start := s.c.Leader(), ids(s.c), time.Now()
	lead.Kill()
	s.writes("leader killed -> write accepted", start)
	s.nothingMoved(before, time.Second)
	lead.Start()
}

func (s *soak) cutLeader() {
	lead, before, start := s.c.Leader(), ids(s.c), time.Now()
	lead.Cut()
	s.writes("leader's cable cut -> write accepted", start)
	s.nothingMoved(before, time.Second)
	lead.Mend()
}

func (s *soak) loseBoth() {
	lead, victim, start := s.c.Leader(), s.victim(), time.Now()
	lead.Cut()
	victim.Cut()
	s.elsewhere(victim)
	s.note("leader and a node cut together -> 6 of 6 elsewhere", start)
	lead.Mend()
	victim.Mend()
}

// still is a picture of what must not change on a client.
func (s *soak) still(victim *cluster.Agent) (check func(d time.Duration)) {
	pids, allocs := victim.TaskPIDs(), ids(s.c)
	return func(d time.Duration) {
		s.Helper()
		s.nothingMoved(allocs, d)
		if now := victim.TaskPIDs(); !slices.Equal(now, pids) {
			s.Fatalf("round %d: %s: %s: the tasks' PIDs were %v, they are %v", s.round, s.doing, victim.Name, pids, now)
		}
	}
}

func (s *soak) killAgent() {
	victim := s.victim()
	check := s.still(victim)
	victim.Kill()
	time.Sleep(time.Duration(s.rand.IntN(700)) * time.Millisecond)
	start := time.Now()
	victim.Start()
	s.eventually(10*time.Second, "the agent answers", func() error {
		_, err := victim.API().Agent().Self()
		return err
	})
	s.note("killed agent started -> its API answers", start)
	check(2 * time.Second)
}

func (s *soak) restartAgent() {
	victim := s.victim()
	check := s.still(victim)
	start := time.Now()
	victim.Interrupt(10 * time.Second)
	s.note("SIGINT to a client -> it has ended", start)
	check(time.Duration(s.rand.IntN(4000)) * time.Millisecond)
	victim.Start()
	check(2 * time.Second)
}

func (s *soak) restartServer() {
	server := s.c.Servers[s.rand.IntN(len(s.c.Servers))]
	before := ids(s.c)
	start := time.Now()
	server.Interrupt(10 * time.Second)
	s.note("SIGINT to a server -> it has ended", start)
	s.writes("SIGINT to a server -> ended, and a write accepted", start)
	server.Start()
	s.nothingMoved(before, time.Second)
}

func (s *soak) freezeAgent() {
	victim := s.victim()
	check := s.still(victim)
	freeze(victim)
	check(3 * time.Second)
}

func (s *soak) freezeServer() {
	server := s.c.Servers[s.rand.IntN(len(s.c.Servers))]
	before := ids(s.c)
	freeze(server)
	s.nothingMoved(before, 2*time.Second)
}

func freeze(a *cluster.Agent) {
	a.Signal(syscall.SIGSTOP)
	time.Sleep(2 * time.Second)
	a.Signal(syscall.SIGCONT)
}

// nothingMoved holds the allocations still for a while. An election in between may
// keep the API from answering for a moment; a wrong answer is a failure at once.
func (s *soak) nothingMoved(before []string, d time.Duration) {
	s.Helper()
	for end := time.Now().Add(d); ; time.Sleep(50 * time.Millisecond) {
		allocs, _, err := s.c.Live().API().Jobs().Allocations("web", false, nil)
		if err == nil {
			if err := same(before, running(allocs)); err != nil {
				s.Fatalf("round %d: %s: %v", s.round, s.doing, err)
			}
			if time.Now().After(end) {
				return
			}
		} else if time.Now().After(end.Add(15 * time.Second)) {
			s.Fatalf("round %d: %s: list allocations: %v", s.round, s.doing, err)
		}
	}
}

func running(allocs []*api.AllocationListStub) []string {
	var out []string
	for _, a := range allocs {
		if a.ClientStatus == api.AllocClientStatusRunning && a.DesiredStatus == api.AllocDesiredStatusRun {
			out = append(out, a.ID)
		}
	}
	slices.Sort(out)
	return out
}

// rest waits for the invariants, and then sees that they last. A machine that is
// too busy may cost an election in between: the cluster must come to rest again, and
// only what runs may not have changed.
func (s *soak) rest() {
	s.Helper()
	s.eventually(25*time.Second, "the cluster comes to rest", s.whole)
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		err := s.whole()
		if _, soft := errors.AsType[*unsettled](err); soft {
			s.Logf("round %d: %s: was at rest, then: %v", s.round, s.doing, err)
			s.eventually(25*time.Second, "the cluster comes to rest again", s.whole)
		} else if err != nil {
			s.Fatalf("round %d: %s: was at rest, then: %v", s.round, s.doing, err)
		}
	}
}

// unsettled is an answer that says nothing about what runs.
type unsettled struct{ err error }

func (u *unsettled) Error() string { return u.err.Error() }

// whole is nil when every promise holds.
func (s *soak) whole() error {
	if err := s.members(); err != nil {
		return &unsettled{err}
	}
	allocs, _, err := s.c.Live().API().Jobs().Allocations("web", false, nil)
	if err != nil {
		return &unsettled{fmt.Errorf("list allocations: %w", err)}
	}
	names := map[string]string{}
	for _, a := range allocs {
		switch {
		case a.DesiredStatus != api.AllocDesiredStatusRun && a.ClientStatus == api.AllocClientStatusRunning:
			return fmt.Errorf("allocation %s on %s is to stop and runs", cluster.Trim(a.ID), a.NodeName)
		case a.DesiredStatus != api.AllocDesiredStatusRun:
			continue
		case a.ClientStatus != api.AllocClientStatusRunning && a.ClientStatus != api.AllocClientStatusLost && a.ClientStatus != api.AllocClientStatusFailed:
			return fmt.Errorf("allocation %s on %s is to run and is %s", cluster.Trim(a.ID), a.NodeName, a.ClientStatus)
		case a.ClientStatus != api.AllocClientStatusRunning:
			continue
		case names[a.Name] != "":
			return fmt.Errorf("%s runs twice: %s and %s", a.Name, names[a.Name], cluster.Trim(a.ID))
		}
		names[a.Name] = cluster.Trim(a.ID)
	}
	if len(names) != soaked {
		return fmt.Errorf("%d of %d run: %v", len(names), soaked, names)
	}
	for _, a := range s.c.Clients {
		if err := s.matches(a); err != nil {
			return err
		}
	}
	return nil
}

// matches is nil when a client's node is ready and its processes are those of its
// allocations: for each a supervisor and a task.
func (s *soak) matches(a *cluster.Agent) error {
	node, _, err := s.c.Live().API().Nodes().Info(a.NodeID(), nil)
	if err != nil {
		return &unsettled{fmt.Errorf("ask for node %s: %w", a.Name, err)}
	}
	if node.Status != api.NodeStatusReady || node.SchedulingEligibility != api.NodeSchedulingEligible {
		return fmt.Errorf("%s is %s and %s", a.Name, node.Status, node.SchedulingEligibility)
	}
	allocs, _, err := s.c.Live().API().Nodes().Allocations(a.NodeID(), nil)
	if err != nil {
		return &unsettled{fmt.Errorf("ask for the allocations of %s: %w", a.Name, err)}
	}
	want := 0
	for _, alloc := range allocs {
		if alloc.JobID == "web" && alloc.ClientStatus == api.AllocClientStatusRunning && alloc.DesiredStatus == api.AllocDesiredStatusRun {
			want++
		}
	}
	if tasks, all := a.TaskPIDs(), a.Processes(); len(tasks) != want || len(all) != 2*want {
		return fmt.Errorf("%s runs the tasks %v, its processes are %v, its allocations %d", a.Name, tasks, all, want)
	}
	return nil
}

// members is nil when every server sees everyone alive and three voters.
func (s *soak) members() error {
	for _, server := range s.c.Servers {
		members, err := server.API().Agent().Members()
		if err != nil {
			return fmt.Errorf("ask %s for members: %w", server.Name, err)
		}
		for _, m := range members.Members {
			if m.Status != "alive" {
				return fmt.Errorf("%s sees %s as %s", server.Name, m.Name, m.Status)
			}
		}
	}
	raft, err := s.c.Live().API().Operator().RaftGetConfiguration(nil)
	if err != nil {
		return fmt.Errorf("ask for raft's configuration: %w", err)
	}
	leaders, voters := 0, 0
	for _, server := range raft.Servers {
		if server.Leader {
			leaders++
		}
		if server.Voter {
			voters++
		}
	}
	if leaders != 1 || voters != len(s.c.Servers) {
		return fmt.Errorf("raft has %d leaders and %d voters", leaders, voters)
	}
	return nil
}

func (s *soak) eventually(limit time.Duration, what string, f func() error) {
	s.Helper()
	cluster.Eventually(s, limit, fmt.Sprintf("round %d: %s: %s", s.round, s.doing, what), f)
}

// leaveNothing stops the job, collects, stops the agents, and looks for what a
// careless orchestrator leaves behind.
func (s *soak) leaveNothing() {
	s.doing = "the end"
	if _, _, err := s.c.Live().API().Jobs().Deregister("web", true, nil); err != nil {
		s.Fatal(err)
	}
	s.eventually(15*time.Second, "no process is left", func() error {
		for _, a := range s.c.Clients {
			if left := a.Processes(); len(left) > 0 {
				return fmt.Errorf("%s: %v", a.Name, left)
			}
		}
		return nil
	})
	s.eventually(15*time.Second, "no allocation directory is left", func() error {
		if err := s.c.Live().API().System().GarbageCollect(); err != nil {
			return err
		}
		left, err := filepath.Glob(filepath.Join(s.c.Dir, "*", "data", "alloc", "*"))
		if len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return err
	})
	for _, a := range s.c.All() {
		a.Interrupt(15 * time.Second)
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), s.c.Dir) {
		s.Errorf("a mount is left below %s:\n%s", s.c.Dir, mounts)
	}
	sockets, err := exec.Command("find", s.c.Dir, "-type", "s").CombinedOutput()
	if err != nil || len(sockets) > 0 {
		s.Errorf("sockets are left: %s %v", sockets, err)
	}
	for _, a := range s.c.All() {
		if left := a.Processes(); len(left) > 0 {
			s.Errorf("%s left the processes %v", a.Name, left)
		}
	}
}

// report prints the recoveries, half of them and the slowest.
func (s *soak) report() {
	var b strings.Builder
	fmt.Fprintf(&b, "%-58s %4s %8s %8s\n", "recovery", "n", "p50 ms", "max ms")
	for _, what := range slices.Sorted(maps.Keys(s.took)) {
		d := s.took[what]
		slices.SortFunc(d, cmp.Compare)
		fmt.Fprintf(&b, "%-58s %4d %8d %8d\n", what, len(d), d[len(d)/2].Milliseconds(), d[len(d)-1].Milliseconds())
	}
	s.Logf("\n%s", b.String())
}

func (s *soak) keepLogs() {
	dir := os.Getenv("KEEP_LOGS")
	if dir == "" || !s.Failed() {
		return
	}
	for _, a := range s.c.All() {
		if err := os.WriteFile(filepath.Join(dir, a.Name+".log"), []byte(a.Log()), 0o644); err != nil {
			s.Log(err)
		}
	}
}

// number is an environment variable's value.
func number(t *testing.T, key string, otherwise int) int {
	text := os.Getenv(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%q is not a number", key, text)
	}
	return n
}
