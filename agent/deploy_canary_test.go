package agent

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// withGroup adds a second group, named api, with an update block of its own.
func withGroup(n, parallel, canary int, version string, change ...func(*api.TaskGroup)) func(*api.Job) {
	return func(job *api.Job) {
		other := web(n, version, parallel, canary).TaskGroups[0]
		other.Name = ptr("api")
		for _, f := range change {
			f(other)
		}
		job.TaskGroups = append(job.TaskGroups, other)
	}
}

func TestCanaryStories(t *testing.T) {
	tell(t, "canary", []scenario{
		{"promoted by hand, and not too early", 4, func(st *story) {
			st.run(web(3, "1", 2, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 2, 1))
			st.promote(st.latest("web")) // not healthy yet
			st.sleep(5 * time.Second)
			st.plan(web(3, "2", 2, 1))
			st.show("web")
			st.promote(st.latest("web"))
			st.until(1, "successful")
			st.promote(st.latest("web"))
			st.show("web")
		}},
		{"promoted long after the progress deadline", 4, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1))
			st.sleep(3 * time.Minute)
			st.promote(st.latest("web"))
			st.until(1, "successful")
		}},
		{"promoted by itself", 4, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 2, promoting))
			st.until(1, "successful")
			st.show("web")
		}},
		{"as many canaries as instances", 4, func(st *story) {
			st.run(web(3, "1", 3, 3))
			st.until(0, "successful")
			st.run(web(3, "2", 3, 3))
			st.sleep(5 * time.Second)
			st.show("web")
			st.promote(st.latest("web"))
			st.until(1, "successful")
			st.show("web")
		}},
		{"a canary that can never be placed", 2, func(st *story) {
			st.run(web(2, "1", 1, 0, reverting, sized(3000)))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1, reverting, sized(3000)))
			st.sleep(time.Second)
			st.show("web")
			st.until(2, "successful")
			st.show("web")
		}},
		{"a canary that fails is reverted", 4, func(st *story) {
			st.run(web(3, "1", 1, 0, reverting))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 1, reverting, failing))
			st.until(2, "successful")
			st.show("web")
		}},
		{"what fails after the promotion goes back without canaries", 4, func(st *story) {
			st.run(web(4, "1", 1, 1, reverting))
			st.until(0, "successful")
			st.run(web(4, "2", 1, 1, reverting))
			st.sleep(3 * time.Second)
			st.promote(st.latest("web"))
			st.sleep(500 * time.Millisecond)
			st.fail(st.latest("web"))
			st.until(2, "successful")
			st.show("web")
		}},
		{"canaries failed by hand", 4, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 1))
			st.sleep(3 * time.Second)
			st.fail(st.latest("web"))
			st.sleep(3 * time.Second)
			st.show("web")
			st.plan(web(3, "2", 1, 1))
		}},
		{"a newer version while canaries wait", 4, func(st *story) {
			st.run(web(3, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 1))
			st.sleep(3 * time.Second)
			st.run(web(3, "3", 1, 1))
			st.sleep(3 * time.Second)
			st.promote(st.latest("web"))
			st.until(2, "successful")
			st.show("web")
		}},
		{"back to the version before while canaries wait", 4, func(st *story) {
			st.run(web(3, "1", 1, 1))
			st.until(0, "successful")
			st.run(web(3, "2", 1, 1))
			st.sleep(3 * time.Second)
			st.run(web(3, "1", 1, 1))
			st.until(2, "successful")
			st.show("web")
		}},
		{"stopped while canaries wait", 4, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1))
			st.sleep(3 * time.Second)
			st.deregister("web", false)
			st.sleep(10 * time.Second)
			st.show("web")
		}},
		{"paused while canaries wait", 4, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1))
			st.sleep(3 * time.Second)
			st.pause(st.latest("web"), true)
			st.pause(st.latest("web"), false)
			st.promote(st.latest("web"))
			st.until(1, "successful")
		}},
		{"one group with canaries, one without", 4, func(st *story) {
			st.run(web(2, "1", 1, 0, withGroup(2, 1, 0, "1")))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1, withGroup(2, 1, 0, "2")))
			st.sleep(10 * time.Second)
			st.show("web")
			st.promote(st.latest("web"), "api")
			st.promote(st.latest("web"), "db")
			st.promote(st.latest("web"), "group")
			st.until(1, "successful")
			st.show("web")
		}},
		{"two groups promoted one after the other", 4, func(st *story) {
			st.run(web(2, "1", 1, 0, withGroup(2, 1, 0, "1")))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1, withGroup(2, 1, 1, "2")))
			st.sleep(3 * time.Second)
			st.promote(st.latest("web"), "api")
			st.sleep(5 * time.Second)
			st.promote(st.latest("web"))
			st.until(1, "successful")
		}},
		{"each group has its own progress deadline", 4, func(st *story) {
			patient := func(g *api.TaskGroup) { g.Update.ProgressDeadline = ptr(2 * time.Minute) }
			st.run(web(2, "1", 1, 0, reverting, withGroup(2, 1, 0, "1", patient)))
			st.until(0, "successful")
			huge := func(g *api.TaskGroup) { g.Tasks[0].Resources.CPU = ptr(9000) }
			st.run(web(2, "2", 1, 0, reverting, withGroup(2, 1, 0, "2", patient, huge)))
			st.until(1, "failed")
			st.show("web")
		}},
		{"the count grows while canaries wait", 4, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1))
			st.sleep(3 * time.Second)
			_, _, err := st.api().Jobs().Scale("web", "group", ptr(4), "", false, nil, nil)
			st.answer("scale to 4", err)
			st.sleep(5 * time.Second)
			st.show("web")
			st.promote(st.latest("web"))
			st.until(2, "successful")
			st.show("web")
		}},
		{"a canary's node is lost", 4, func(st *story) {
			st.run(web(2, "1", 1, 0))
			st.until(0, "successful")
			st.run(web(2, "2", 1, 1))
			st.sleep(2 * time.Minute)
			d := st.latest("web")
			st.hostOf(d.TaskGroups["group"].PlacedCanaries[0]).die()
			st.sleep(20 * time.Second)
			st.show("web")
			st.promote(st.latest("web"))
			st.until(1, "successful")
		}},
	})
}

// hostOf is the host that an allocation is on.
func (st *story) hostOf(alloc string) *simAgent {
	st.t.Helper()
	a, _, err := st.api().Allocations().Info(alloc, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	for _, c := range st.clients {
		if c.id.ID == a.NodeID {
			return c
		}
	}
	st.t.Fatalf("allocation %s is on no host", alloc)
	return nil
}
