//go:build e2e && linux

package numbers

import (
	"context"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// watch counts how often a node is said to be down or disconnected, until the
// returned function is called. That also counts the allocations that moved.
func (f *fleet) watch() (stop func() int) {
	before := f.ids()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	deaths := 0
	wg.Go(func() {
		status := map[string]string{}
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			nodes, _, err := f.Servers[0].API().Nodes().List((&api.QueryOptions{AllowStale: true}).WithContext(ctx))
			if err != nil {
				continue
			}
			for _, n := range nodes {
				gone := n.Status == api.NodeStatusDown || n.Status == api.NodeStatusDisconnected
				if gone && status[n.ID] != n.Status {
					deaths++
					f.r.Logf("%s is said to be %s", n.Name, n.Status)
				}
				status[n.ID] = n.Status
			}
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		for id := range f.ids() {
			if !before[id] {
				deaths++
				f.r.Logf("%s runs, and did not before", cluster.Trim(id))
			}
		}
		return deaths
	}
}

// measureFrozen stops the nodes' agents for 2 s, one after the other.
func measureFrozen(r *run) {
	f := newFleet(r, cluster.Options{Servers: 3, Clients: 4}, 6)
	stop := f.watch()
	for n := range r.rounds {
		a := f.Clients[n%len(f.Clients)]
		a.Signal(syscall.SIGSTOP)
		time.Sleep(2 * time.Second)
		a.Signal(syscall.SIGCONT)
		time.Sleep(300 * time.Millisecond)
	}
	time.Sleep(5 * time.Second) // a verdict may be late
	r.count("false", stop(), r.rounds)
}

// measureStarved gives the processors more to do than they can, for a minute.
func measureStarved(r *run) {
	f := newFleet(r, cluster.Options{Servers: 3, Clients: 4}, 6)
	stop := f.watch()
	var busy []*exec.Cmd
	end := func() {
		for _, b := range busy {
			_ = b.Process.Kill()
			_ = b.Wait()
		}
		busy = nil
	}
	r.Cleanup(func() { end() })
	for range 16 {
		b := exec.Command("/bin/sh", "-c", "while :; do :; done")
		if err := b.Start(); err != nil {
			r.Fatal(err)
		}
		busy = append(busy, b)
	}
	seconds := 3 * r.rounds
	time.Sleep(time.Duration(seconds) * time.Second)
	end()
	time.Sleep(5 * time.Second)
	r.count("false", stop(), seconds)
	r.note("false", "n is seconds")
}

const lossSeeds = 3

func lossCommand(*testing.T) cmdl {
	return cmdl{"go", "test", "-count=1", "-run", "^TestPacketLossKillsNobody$", "./agent", "-seeds", fmt.Sprint(lossSeeds), "-lossfor", fmt.Sprintf("%dm", (*rounds+1)/2)}
}

// measureLoss runs the test in virtual time. It reports every false death as an error.
func measureLoss(r *run) {
	out, failed := goTest(r)
	minutes := lossSeeds * ((r.rounds + 1) / 2)
	if !failed {
		r.count("false", 0, minutes)
		r.note("false", "n is virtual minutes, over %d clusters of 3 servers and 7 nodes", lossSeeds)
		return
	}
	n := countLines(out, "Node down")
	if n == 0 {
		r.Fatalf("it failed for another reason:\n%s", out)
	}
	r.count("false", n, minutes)
}
