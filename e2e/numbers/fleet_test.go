//go:build e2e && linux

package numbers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

const (
	job  = "beacon"
	task = "beacon"
	// poll is how often the API is asked while something is awaited. It adds half of
	// itself to what is measured through the API.
	poll = 4 * time.Millisecond
	// far is when to give up on something that takes a peer tens of seconds.
	far = 2 * time.Minute
)

// fleet is a cluster that runs a job of beacons. A beacon writes its PID into a
// file named after its allocation each time it starts, then sleeps: a process has
// run its first instruction when its line is there.
type fleet struct {
	*cluster.Cluster
	r       *run
	beacons string
	count   int
}

// newFleet starts a cluster with count beacons, in network namespaces where hosts
// are to die in silence.
func newFleet(r *run, o cluster.Options, count int) *fleet {
	o.Binary = r.binary
	f := &fleet{r: r, beacons: r.TempDir(), count: count, Cluster: cluster.New(r.T, o)}
	f.register(beaconJob(job, f.beacons, count))
	f.settle()
	return f
}

// beaconJob restarts its tasks at once, however often they are killed.
func beaconJob(id, beacons string, count int) *api.Job {
	t := api.NewTask(task, "raw_exec")
	t.Config = map[string]any{"command": "/bin/sh", "args": []string{"-c", "echo $$ >> " + beacons + "/$NOMAD_ALLOC_ID; exec sleep 100000"}}
	t.Resources = &api.Resources{CPU: new(20), MemoryMB: new(16)}
	g := api.NewTaskGroup("beacon", count)
	g.RestartPolicy = &api.RestartPolicy{Attempts: new(10_000), Interval: new(time.Hour), Delay: new(time.Duration(0)), Mode: new("fail")}
	g.AddTask(t)
	j := api.NewServiceJob(id, id, "global", 50)
	j.Datacenters = []string{"*"}
	return j.AddTaskGroup(g)
}

// register registers a job, again until it is accepted.
func (f *fleet) register(j *api.Job) {
	f.r.Helper()
	cluster.Eventually(f.r, far, "the job is accepted", func() error {
		_, _, err := f.Live().API().Jobs().Register(j, nil)
		return err
	})
}

// settle waits until the cluster is as before a round: every node ready, every
// server level with the leader, every beacon running once, in the API and in truth.
func (f *fleet) settle() {
	f.r.Helper()
	f.WaitReady(far)
	f.WaitCaughtUp(far)
	cluster.Eventually(f.r, far, "the job is whole", func() error {
		if n := len(f.Running(job)); n != f.count {
			return fmt.Errorf("%d allocations run", n)
		}
		if n := len(f.alive()); n != f.count {
			return fmt.Errorf("%d processes run", n)
		}
		return nil
	})
}

// allocs are the job's allocations as a server knows them that is neither dead nor
// cut off. It is asked for itself: what a follower shows, the leader has decided.
func (f *fleet) allocs() []*api.AllocationListStub {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	out, _, err := f.Live().API().Jobs().Allocations(job, false, (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
	if err != nil {
		return nil
	}
	return out
}

// beacon is the PID that an allocation's beacon last had, 0 for none yet.
func (f *fleet) beacon(alloc string) int {
	text, _ := os.ReadFile(filepath.Join(f.beacons, alloc))
	lines := strings.Fields(string(text))
	if len(lines) == 0 || !bytes.HasSuffix(text, []byte("\n")) {
		return 0
	}
	pid, _ := strconv.Atoi(lines[len(lines)-1])
	return pid
}

// alive are the PIDs of the beacons that run, by allocation.
func (f *fleet) alive() map[string]int {
	entries, err := os.ReadDir(f.beacons)
	if err != nil {
		f.r.Fatal(err)
	}
	out := map[string]int{}
	for _, e := range entries {
		pid := f.beacon(e.Name())
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if string(text) == "sleep\x00100000\x00" {
			out[e.Name()] = pid
		}
	}
	return out
}

// loaded is the client with the most running allocations; the round turns among equals.
func (f *fleet) loaded(round int) *cluster.Agent {
	on := map[string]int{}
	for _, a := range f.Running(job) {
		on[a.NodeID]++
	}
	var most *cluster.Agent
	for i := range f.Clients {
		c := f.Clients[(i+round)%len(f.Clients)]
		if most == nil || on[c.NodeID()] > on[most.NodeID()] {
			most = c
		}
	}
	return most
}

// healed waits until the whole job runs elsewhere than on the victim: the API shows
// it and the processes are there. It returns when the API first showed it, and for
// each replacement when it was first shown running.
func (f *fleet) healed(victim *cluster.Agent, before map[string]bool) (whole time.Time, seen map[*api.AllocationListStub]time.Time) {
	f.r.Helper()
	shown := map[string]bool{}
	seen = map[*api.AllocationListStub]time.Time{}
	cluster.Eventually(f.r, far, "all run elsewhere", func() error {
		running, now := map[string]bool{}, time.Time{}
		list := f.allocs()
		now = time.Now()
		for _, a := range list {
			if a.NodeID == victim.NodeID() || a.ClientStatus != api.AllocClientStatusRunning || a.DesiredStatus != api.AllocDesiredStatusRun {
				continue
			}
			running[a.ID] = true
			if !before[a.ID] && !shown[a.ID] {
				shown[a.ID] = true
				seen[a] = now
			}
		}
		if len(running) != f.count {
			return fmt.Errorf("%d allocations run elsewhere", len(running))
		}
		if whole.IsZero() {
			whole = now
		}
		alive := f.alive()
		for id := range running {
			if alive[id] == 0 {
				whole = time.Time{} // the API was ahead of the truth: that does not count
				return fmt.Errorf("%s is said to run, and has no process", id)
			}
		}
		return nil
	})
	return whole, seen
}

// ids are the allocations that the job has now.
func (f *fleet) ids() map[string]bool {
	out := map[string]bool{}
	for _, a := range f.Running(job) {
		out[a.ID] = true
	}
	return out
}
