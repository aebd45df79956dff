//go:build e2e && linux

package numbers

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// measureKilledTask kills tasks one by one, and looks for each in its own place and
// in the API at the same time.
func measureKilledTask(r *run) {
	f := newFleet(r, cluster.Options{Servers: 1, Clients: 1}, 6)
	all := slices.Sorted(maps.Keys(f.ids()))
	for n := range r.rounds {
		alloc := all[n%len(all)]
		before := f.taskState(alloc)
		if before == nil {
			r.Fatalf("allocation %s has no task state", alloc)
		}
		pid := f.beacon(alloc)
		start := time.Now()
		cluster.Kill(pid)
		var shown time.Time
		var wg sync.WaitGroup
		wg.Go(func() {
			for end := start.Add(far); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if s := f.taskState(alloc); s != nil && s.Restarts > before.Restarts && s.State == "running" {
					shown = time.Now()
					return
				}
			}
		})
		for f.beacon(alloc) == pid && time.Since(start) < far {
			time.Sleep(200 * time.Microsecond)
		}
		process := time.Since(start)
		r.add("process", ms(process))
		wg.Wait()
		if shown.IsZero() {
			r.Fatalf("the API did not show within %v that %s runs again", far, alloc)
		}
		r.add("shown", ms(shown.Sub(start)))
		r.Logf("round %d: %s again after %v, in the API after %v", n+1, cluster.Trim(alloc), process.Round(time.Microsecond), shown.Sub(start).Round(time.Microsecond))
		time.Sleep(100 * time.Millisecond)
	}
}

func (f *fleet) taskState(alloc string) *api.TaskState {
	a, _, err := f.Servers[0].API().Allocations().Info(alloc, &api.QueryOptions{AllowStale: true})
	if err != nil {
		return nil
	}
	return a.TaskStates[task]
}

// measureSubmit registers jobs of one instance and takes each away again.
func measureSubmit(servers int) func(*run) {
	return func(r *run) { submit(r, newFleet(r, cluster.Options{Servers: servers, Clients: 4}, 6)) }
}

func submit(r *run, f *fleet) {
	leader := f.Leader().API()
	for n := range 2 * r.rounds {
		id := fmt.Sprintf("single-%d", n)
		dir := filepath.Join(f.beacons, "..", id)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			r.Fatal(err)
		}
		start := time.Now()
		if _, _, err := leader.Jobs().Register(beaconJob(id, dir, 1), nil); err != nil {
			r.Fatal(err)
		}
		await(r, "it is placed", func() bool {
			allocs, _, err := leader.Jobs().Allocations(id, false, nil)
			return err == nil && len(allocs) == 1
		})
		r.took("placed", start)
		one := &fleet{r: r, beacons: dir}
		await(r, "it runs", func() bool { return len(one.alive()) == 1 })
		r.took("running", start)
		if _, _, err := leader.Jobs().Deregister(id, true, nil); err != nil {
			r.Fatal(err)
		}
		await(r, "it has stopped", func() bool { return len(one.alive()) == 0 })
		time.Sleep(50 * time.Millisecond)
	}
}

// measureDevStart starts a whole agent, submits a job as soon as it is accepted, and
// waits for its process.
func measureDevStart(r *run) {
	for range (r.rounds + 1) / 2 {
		dev := cluster.NewDev(r.T, cluster.Options{Binary: r.binary})
		one := &fleet{r: r, beacons: r.TempDir()}
		j := beaconJob(job, one.beacons, 1)
		start := time.Now()
		dev.Start()
		await(r, "the job is accepted", func() bool {
			_, _, err := dev.API().Jobs().Register(j, nil)
			return err == nil
		})
		await(r, "its task runs", func() bool { return len(one.alive()) == 1 })
		r.took("running", start)
		dev.KillHost()
	}
}

// await asks once a millisecond.
func await(r *run, what string, f func() bool) {
	r.Helper()
	for end := time.Now().Add(far); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("waited %v for: %s", far, what)
		}
	}
}

// measureRollingUpdate changes a job of six and waits until its deployment is done.
func measureRollingUpdate(r *run) {
	f := newFleet(r, cluster.Options{Servers: 3, Clients: 4}, 6)
	const limit = 30 * time.Second
	for n := range (r.rounds + 3) / 4 {
		// The first version has no canaries and is done when all are healthy.
		for version, change := range []string{"before", "after"} {
			j := beaconJob("rolling", f.beacons, 6)
			j.TaskGroups[0].Tasks[0].Env = map[string]string{"RELEASE": fmt.Sprint(change, n)}
			j.Update = canaries("task_states")
			start := time.Now()
			resp, _, err := f.Live().API().Jobs().Register(j, nil)
			if err != nil {
				r.note("done", "not measured: the job is refused: %v", err)
				return
			}
			if status := f.deployed("rolling", resp.JobModifyIndex, limit); status != api.DeploymentStatusSuccessful {
				r.add("done", ms(limit))
				r.note("done", "given up after %v: the deployment is %q", limit, status)
				return
			}
			if version == 1 {
				r.took("done", start)
			}
		}
	}
}

// canaries is the update strategy of the published number.
func canaries(health string) *api.UpdateStrategy {
	return &api.UpdateStrategy{
		MaxParallel: new(2), Canary: new(1), AutoPromote: new(true), AutoRevert: new(false), HealthCheck: new(health),
		MinHealthyTime: new(time.Second), HealthyDeadline: new(20 * time.Second), ProgressDeadline: new(time.Minute), Stagger: new(30 * time.Second),
	}
}

// deployed waits for the end of the deployment of a job version, and returns its status.
func (f *fleet) deployed(id string, index uint64, limit time.Duration) (status string) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(poll) {
		d, _, err := f.Live().API().Jobs().LatestDeployment(id, nil)
		if err != nil || d == nil || d.JobModifyIndex < index {
			continue
		}
		if status = d.Status; status != api.DeploymentStatusRunning && status != api.DeploymentStatusPending {
			return status
		}
	}
	return status
}
