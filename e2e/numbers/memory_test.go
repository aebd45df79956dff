//go:build e2e && linux

package numbers

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal/selfheal/e2e/cluster"
)

const kib = 1024

// measureIdle lets an `agent -dev` do nothing for half a minute.
func measureIdle(r *run) {
	dev := cluster.NewDev(r.T, cluster.Options{Binary: r.binary})
	dev.Start()
	await(r, "it answers", func() bool {
		nodes, _, err := dev.API().Nodes().List(nil)
		return err == nil && len(nodes) == 1 && nodes[0].Status == "ready"
	})
	time.Sleep(30 * time.Second)
	m := memory(r, dev.PID())
	r.add("rss", m["Rss"]*kib/(1<<20))
	r.add("anonymous", m["Anonymous"]*kib/1e6)
	r.add("binary", stripped(r)/(1<<20))
}

// measureSupervisor is what a host spends on watching ten tasks, divided by ten:
// all that runs there but the agent and the tasks themselves.
func measureSupervisor(r *run) {
	const tasks = 10
	f := newFleet(r, cluster.Options{Servers: 1, Clients: 1}, tasks)
	time.Sleep(5 * time.Second)
	beacons := slices.Collect(maps.Values(f.alive()))
	pss, anonymous, watchers := 0.0, 0.0, 0
	for _, pid := range f.Clients[0].Processes() {
		if slices.Contains(beacons, pid) {
			continue
		}
		m := memory(r, pid)
		pss += m["Pss"] * kib
		anonymous += m["Anonymous"] * kib
		watchers++
	}
	if watchers == 0 {
		r.Fatal("nothing watches the tasks")
	}
	r.add("pss", pss/tasks/(1<<20))
	r.add("anonymous", anonymous/tasks/1e6)
	r.note("pss", "%d processes for %d tasks", watchers, tasks)
}

// memory is a process's memory by kind, in KiB.
func memory(r *run, pid int) map[string]float64 {
	r.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		r.Fatal(err)
	}
	out := map[string]float64{}
	for l := range strings.Lines(string(text)) {
		if fields := strings.Fields(l); len(fields) == 3 && fields[2] == "kB" {
			out[strings.TrimSuffix(fields[0], ":")], _ = strconv.ParseFloat(fields[1], 64)
		}
	}
	return out
}
