package agent

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// apart keeps the instances on different nodes.
func apart(job *api.Job) { job.Constrain(api.NewConstraint("", "distinct_hosts", "true")) }

// disconnecting sets the disconnect block.
func disconnecting(lostAfter time.Duration, replace bool, reconcile string) func(*api.Job) {
	return func(job *api.Job) {
		job.TaskGroups[0].Disconnect = &api.DisconnectStrategy{LostAfter: &lostAfter, Replace: &replace}
		if reconcile != "" {
			job.TaskGroups[0].Disconnect.Reconcile = ptr(api.ReconcileOption(reconcile))
		}
	}
}

// cut unplugs the host of an allocation of web and returns it.
func (st *story) cut() *simAgent {
	host := st.hostOf(st.someOf("web", 0))
	st.net.Unplug(host.ip)
	st.line("a node is cut off")
	return host
}

func (st *story) plug(host *simAgent) {
	st.net.Plug(host.ip)
	st.line("the node is back")
}

// returns tells what becomes of an allocation whose node comes back in time.
func returns(reconcile string) func(*story) {
	return func(st *story) {
		job := web(1, "1", 1, 0, disconnecting(10*time.Minute, true, reconcile), retried("constant", 5*time.Second, 0))
		st.run(job)
		st.until(0, "successful")
		host := st.cut()
		st.sleep(20 * time.Second)
		st.show("web")
		st.plan(job)
		st.plug(host)
		st.sleep(20 * time.Second)
		st.show("web")
	}
}

func (st *story) drain(host *simAgent, spec *api.DrainSpec) {
	_, err := st.api().Nodes().UpdateDrain(host.id.ID, spec, false, nil)
	st.answer("drain", err)
}

// node tells a node's status and what of a job runs there.
func (st *story) node(host *simAgent, job string) {
	st.t.Helper()
	n, _, err := st.api().Nodes().Info(host.id.ID, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	last := ""
	if n.LastDrain != nil {
		last = ", drain " + string(n.LastDrain.Status)
	}
	st.line("the node is %s and %s%s; %d of %s run there", n.Status, n.SchedulingEligibility, last, host.mock.Running(job), job)
}

func TestDisconnectStories(t *testing.T) {
	tell(t, "disconnect", []scenario{
		{"keep_original", 3, returns("keep_original")},
		{"keep_replacement", 3, returns("keep_replacement")},
		{"longest_running", 3, returns("longest_running")},
		{"best_score", 3, returns("best_score")},
		{"lost_after passes", 3, func(st *story) {
			st.run(web(1, "1", 1, 0, disconnecting(time.Minute, true, "")))
			st.until(0, "successful")
			host := st.cut()
			st.sleep(2 * time.Minute)
			st.show("web")
			st.plug(host)
			st.sleep(20 * time.Second)
			st.show("web")
		}},
		{"without a replacement, back in time", 3, func(st *story) {
			job := web(1, "1", 1, 0, disconnecting(time.Minute, false, ""))
			st.run(job)
			st.until(0, "successful")
			host := st.cut()
			st.sleep(20 * time.Second)
			st.show("web")
			st.plan(job)
			st.plug(host)
			st.sleep(20 * time.Second)
			st.show("web")
		}},
		{"without a replacement, too late", 3, func(st *story) {
			st.run(web(1, "1", 1, 0, disconnecting(time.Minute, false, "")))
			st.until(0, "successful")
			host := st.cut()
			st.sleep(90 * time.Second)
			st.show("web")
			st.plug(host)
			st.sleep(20 * time.Second)
			st.show("web")
		}},
		{"stop_on_client_after", 3, func(st *story) {
			st.run(web(1, "1", 1, 0, func(j *api.Job) {
				j.TaskGroups[0].Disconnect = &api.DisconnectStrategy{StopOnClientAfter: ptr(30 * time.Second)}
			}))
			st.until(0, "successful")
			host := st.cut()
			st.sleep(20 * time.Second)
			st.show("web")
			st.node(host, "web")
			st.sleep(20 * time.Second)
			st.show("web")
			st.node(host, "web")
			st.plug(host)
			st.sleep(20 * time.Second)
			st.show("web")
		}},
		{"no disconnect block", 3, func(st *story) {
			st.run(web(1, "1", 1, 0))
			st.until(0, "successful")
			host := st.cut()
			st.sleep(20 * time.Second)
			st.show("web")
			st.plug(host)
			st.sleep(20 * time.Second)
			st.show("web")
			st.node(host, "web")
		}},
		{"a new version while a node is away", 3, func(st *story) {
			st.run(web(2, "1", 1, 0, apart, disconnecting(10*time.Minute, false, "")))
			st.until(0, "successful")
			host := st.cut()
			st.sleep(10 * time.Second)
			st.run(web(2, "2", 1, 0, apart, disconnecting(10*time.Minute, false, "")))
			st.sleep(10 * time.Second)
			st.plug(host)
			st.sleep(20 * time.Second)
			st.until(1, "successful")
			st.show("web")
		}},
	})
}

func TestDrainStories(t *testing.T) {
	tell(t, "drain", []scenario{
		{"one after the other", 3, func(st *story) {
			st.run(web(4, "1", 4, 0))
			st.until(0, "successful")
			host := st.hostOf(st.someOf("web", 0))
			st.drain(host, &api.DrainSpec{Deadline: time.Hour})
			st.sleep(2 * time.Minute)
			st.node(host, "web")
			st.show("web")
		}},
		{"nowhere to go until the deadline", 1, func(st *story) {
			st.run(web(2, "1", 2, 0))
			st.until(0, "successful")
			st.drain(st.clients[0], &api.DrainSpec{Deadline: 2 * time.Minute})
			st.sleep(time.Minute)
			st.node(st.clients[0], "web")
			st.show("web")
			st.sleep(2 * time.Minute)
			st.node(st.clients[0], "web")
			st.show("web")
		}},
		{"forced", 2, func(st *story) {
			st.run(web(4, "1", 4, 0))
			st.until(0, "successful")
			st.drain(st.clients[0], &api.DrainSpec{Deadline: -1})
			st.sleep(5 * time.Second)
			st.node(st.clients[0], "web")
			st.show("web")
		}},
		{"called off", 1, func(st *story) {
			st.run(web(2, "1", 2, 0))
			st.until(0, "successful")
			st.drain(st.clients[0], &api.DrainSpec{})
			st.sleep(10 * time.Second)
			_, err := st.api().Nodes().UpdateDrain(st.clients[0].id.ID, nil, true, nil)
			st.answer("no drain", err)
			st.sleep(20 * time.Second)
			st.node(st.clients[0], "web")
			st.show("web")
		}},
		{"batch work may end", 2, func(st *story) {
			st.run(batchOf(2, "90s", "1"))
			st.sleep(2 * time.Second)
			host := st.hostOf(st.someOf("work", 0))
			st.drain(host, &api.DrainSpec{Deadline: time.Hour})
			st.sleep(30 * time.Second)
			st.node(host, "work")
			st.sleep(70 * time.Second)
			st.node(host, "work")
			st.show("work")
		}},
		{"batch work is stopped at the deadline", 2, func(st *story) {
			st.run(batchOf(2, "10m", "1"))
			st.sleep(2 * time.Second)
			host := st.hostOf(st.someOf("work", 0))
			st.drain(host, &api.DrainSpec{Deadline: time.Minute})
			st.sleep(2 * time.Minute)
			st.node(host, "work")
			st.show("work")
		}},
		{"system jobs last", 2, func(st *story) {
			st.run(perNode("logs", "1"))
			st.run(web(2, "1", 2, 0))
			st.until(0, "successful")
			st.drain(st.clients[0], &api.DrainSpec{Deadline: time.Hour})
			st.sleep(2 * time.Minute)
			st.node(st.clients[0], "logs")
			st.show("logs")
		}},
		{"system jobs ignored", 2, func(st *story) {
			st.run(perNode("logs", "1"))
			st.sleep(2 * time.Second)
			st.drain(st.clients[0], &api.DrainSpec{Deadline: time.Hour, IgnoreSystemJobs: true})
			st.sleep(time.Minute)
			st.node(st.clients[0], "logs")
			st.show("logs")
		}},
	})
}

// batchOf is a batch job of n named work.
func batchOf(n int, runFor, version string) *api.Job {
	job := batch("work", runFor)
	job.TaskGroups[0].Count = &n
	job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": version}
	return job
}

// perNode is a system job.
func perNode(id, version string) *api.Job {
	job := service(id, 1)
	job.Type = ptr(api.JobTypeSystem)
	job.TaskGroups[0].Tasks[0].Env = map[string]string{"VERSION": version}
	return job
}
