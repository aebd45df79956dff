package command

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// topState is what the dashboard knows of a cluster. It is changed by apply only:
// no clock and no I/O, so that a test can tell it a story and look at a frame.
type topState struct {
	now         time.Time
	away        string // why the agent does not answer, "" when it does
	loaded      bool
	leader      string
	nodes       map[string]*api.NodeListStub
	jobs        map[string]*api.JobListStub // by namespace and ID
	allocs      map[string]*api.AllocationListStub
	deployments map[string]*api.Deployment
	events      []topEvent // the newest last
}

// topEvent is one line of what happened.
type topEvent struct {
	at    time.Time
	style style
	text  string
	alloc string // the allocation that it is about, for its log
}

// topEvents is how many lines are kept.
const topEvents = 500

// What the feed tells the dashboard.
type (
	topLoaded struct {
		at          time.Time
		leader      string
		nodes       []*api.NodeListStub
		jobs        []*api.JobListStub
		allocs      []*api.AllocationListStub
		deployments []*api.Deployment
	}
	topJobs struct {
		at   time.Time
		jobs []*api.JobListStub
	}
	topChanged struct {
		at         time.Time
		gone       bool
		node       *api.Node
		alloc      *api.Allocation
		deployment *api.Deployment
	}
	topAway struct {
		at  time.Time
		why string
	}
	topTick struct{ at time.Time }
)

func jobKey(namespace, id string) string { return namespace + "\x00" + id }

// apply takes what the feed tells.
func (t *topState) apply(msg any) {
	switch m := msg.(type) {
	case topLoaded:
		t.load(m)
	case topJobs:
		t.now, t.away = m.at, ""
		t.setJobs(m.jobs)
	case topChanged:
		t.now, t.away = m.at, ""
		t.change(m)
	case topAway:
		if t.now = m.at; t.away == "" {
			t.say(topEvent{at: m.at, style: yellow, text: "the agent is away: " + m.why})
		}
		t.away = m.why
	case topTick:
		t.now = m.at
	}
}

func (t *topState) load(m topLoaded) {
	if t.away != "" {
		t.say(topEvent{at: m.at, style: green, text: "the agent is back"})
	}
	t.now, t.away, t.loaded, t.leader = m.at, "", true, m.leader
	t.nodes, t.allocs, t.deployments = map[string]*api.NodeListStub{}, map[string]*api.AllocationListStub{}, map[string]*api.Deployment{}
	for _, n := range present(m.nodes) {
		t.nodes[n.ID] = n
	}
	for _, a := range present(m.allocs) {
		t.allocs[a.ID] = a
	}
	for _, d := range present(m.deployments) {
		t.setDeployment(d)
	}
	t.setJobs(m.jobs)
}

func (t *topState) setJobs(jobs []*api.JobListStub) {
	t.jobs = map[string]*api.JobListStub{}
	for _, j := range present(jobs) {
		t.jobs[jobKey(j.Namespace, j.ID)] = j
	}
}

// setDeployment keeps the latest of each job.
func (t *topState) setDeployment(d *api.Deployment) {
	key := jobKey(d.Namespace, d.JobID)
	if now := t.deployments[key]; now == nil || now.CreateIndex <= d.CreateIndex {
		t.deployments[key] = d
	}
}

// say adds an event.
func (t *topState) say(e topEvent) {
	t.events = append(t.events, e)
	t.events = t.events[max(0, len(t.events)-topEvents):]
}

func (t *topState) change(m topChanged) {
	switch {
	case m.node != nil:
		t.changeNode(m)
	case m.alloc != nil:
		t.changeAlloc(m)
	case m.deployment != nil:
		d := m.deployment
		if was := t.deployments[jobKey(d.Namespace, d.JobID)]; was == nil || was.ID != d.ID || was.Status != d.Status {
			text := "deployment of " + d.JobID + " is " + d.Status
			if d.StatusDescription != "" && !strings.EqualFold(d.StatusDescription, "deployment is "+d.Status) {
				text += ": " + d.StatusDescription
			}
			t.say(topEvent{at: m.at, style: statusStyle[d.Status], text: text})
		}
		t.setDeployment(d)
	}
}

func (t *topState) changeNode(m topChanged) {
	n := m.node
	was := t.nodes[n.ID]
	if m.gone {
		delete(t.nodes, n.ID)
		t.say(topEvent{at: m.at, style: yellow, text: "node " + n.Name + " was forgotten"})
		return
	}
	now := &api.NodeListStub{
		ID: n.ID, Name: n.Name, Datacenter: n.Datacenter, NodeClass: n.NodeClass, NodePool: n.NodePool, Drain: n.Drain,
		SchedulingEligibility: n.SchedulingEligibility, Status: n.Status, NodeResources: n.NodeResources, ReservedResources: n.ReservedResources,
	}
	if was != nil && now.NodeResources == nil {
		now.NodeResources, now.ReservedResources = was.NodeResources, was.ReservedResources
	}
	t.nodes[n.ID] = now
	if was == nil || was.Status != now.Status {
		t.say(topEvent{at: m.at, style: statusStyle[now.Status], text: "node " + n.Name + " is " + n.Status})
	}
	if was != nil && was.Drain != now.Drain {
		word := map[bool]string{true: "drains", false: "drains no longer"}[now.Drain]
		t.say(topEvent{at: m.at, style: yellow, text: "node " + n.Name + " " + word})
	} else if was != nil && was.SchedulingEligibility != now.SchedulingEligibility {
		t.say(topEvent{at: m.at, style: yellow, text: "node " + n.Name + " is " + now.SchedulingEligibility})
	}
}

func (t *topState) changeAlloc(m topChanged) {
	a := m.alloc
	was := t.allocs[a.ID]
	if m.gone {
		delete(t.allocs, a.ID)
		return
	}
	now := a.Stub()
	if was != nil && now.AllocatedResources == nil {
		now.AllocatedResources = was.AllocatedResources
	}
	if now.AllocatedResources == nil {
		now.AllocatedResources = a.AllocatedResources
	}
	t.allocs[a.ID] = now
	if was != nil && was.ClientStatus == now.ClientStatus {
		return
	}
	e := topEvent{at: m.at, style: statusStyle[now.ClientStatus], alloc: a.ID}
	where := t.nodeName(now)
	switch {
	case was == nil && a.PreviousAllocation != "":
		e.style = blue
		e.text = fmt.Sprintf("%s is replaced on %s", a.Name, where)
	case was == nil && now.ClientStatus == api.AllocClientStatusPending:
		e.text = fmt.Sprintf("%s is placed on %s", a.Name, where)
	default:
		e.text = fmt.Sprintf("%s is %s on %s%s", a.Name, now.ClientStatus, where, after(now.ClientDescription))
	}
	t.say(e)
}

func (t *topState) nodeName(a *api.AllocationListStub) string {
	if a.NodeName != "" {
		return a.NodeName
	}
	if n := t.nodes[a.NodeID]; n != nil {
		return n.Name
	}
	return shortID(a.NodeID, false)
}

// holdsNode reports whether an allocation uses its node.
func holdsNode(a *api.AllocationListStub) bool {
	return a.ClientStatus == api.AllocClientStatusRunning || a.ClientStatus == api.AllocClientStatusPending && a.DesiredStatus == api.AllocDesiredStatusRun
}

// topNode is a row about a node.
type topNode struct {
	*api.NodeListStub
	status      string
	cpu, memory float64 // given away, as a share of what there is; below 0 when that is not known
	allocs      int
}

// nodeRows are the nodes: those with a problem first, then by name.
func (t *topState) nodeRows() []topNode {
	type use struct {
		cpu, memory int64
		allocs      int
	}
	uses := map[string]use{}
	for _, a := range t.allocs {
		if !holdsNode(a) {
			continue
		}
		u := uses[a.NodeID]
		u.allocs++
		if r := a.AllocatedResources; r != nil {
			for _, task := range r.Tasks {
				if task != nil {
					u.cpu += task.Cpu.CpuShares
					u.memory += task.Memory.MemoryMB
				}
			}
		}
		uses[a.NodeID] = u
	}
	var out []topNode
	for _, n := range t.nodes {
		u := uses[n.ID]
		row := topNode{NodeListStub: n, status: nodeState(n), cpu: -1, memory: -1, allocs: u.allocs}
		if r := n.NodeResources; r != nil {
			cpu, memory := r.Cpu.CpuShares, r.Memory.MemoryMB
			if x := n.ReservedResources; x != nil {
				cpu, memory = cpu-int64(x.Cpu.CpuShares), memory-int64(x.Memory.MemoryMB)
			}
			row.cpu, row.memory = share(u.cpu, cpu), share(u.memory, memory)
		}
		out = append(out, row)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if x, y := a.status == "ready", b.status == "ready"; x != y {
			return y
		}
		return a.Name < b.Name || a.Name == b.Name && a.ID < b.ID
	})
	return out
}

func share(used, have int64) float64 {
	if have <= 0 {
		return -1
	}
	return float64(used) / float64(have)
}

// nodeState is the one word about a node that matters most.
func nodeState(n *api.NodeListStub) string {
	switch {
	case n.Status != api.NodeStatusReady:
		return n.Status
	case n.Drain:
		return "draining"
	case n.SchedulingEligibility == api.NodeSchedulingIneligible:
		return "ineligible"
	}
	return n.Status
}

// topJob is a row about a job.
type topJob struct {
	*api.JobListStub
	status           string
	running, desired int
	deployment       string
}

// jobRows are the jobs: those that lack something first, then by name. Jobs that
// are dead come last.
func (t *topState) jobRows() []topJob {
	var out []topJob
	for key, j := range t.jobs {
		row := topJob{JobListStub: j, status: j.Status}
		if j.Stop {
			row.status = "stopped"
		}
		if j.JobSummary != nil {
			for _, g := range j.JobSummary.Summary {
				row.running += g.Running
				row.desired += g.Running + g.Starting + g.Queued + g.Unknown
			}
		}
		if d := t.deployments[key]; d != nil && !j.Stop {
			row.deployment = deploymentProgress(d)
		}
		out = append(out, row)
	}
	rank := func(j topJob) int {
		switch {
		case j.Status == "dead" || j.Stop:
			return 2
		case j.running < j.desired:
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b topJob) int {
		if x := rank(a) - rank(b); x != 0 {
			return x
		}
		return strings.Compare(jobKey(a.Namespace, a.ID), jobKey(b.Namespace, b.ID))
	})
	return out
}

// deploymentProgress is a deployment in a few words.
func deploymentProgress(d *api.Deployment) string {
	healthy, wanted := 0, 0
	for _, g := range d.TaskGroups {
		if g != nil {
			healthy += g.HealthyAllocs
			wanted += max(g.DesiredTotal, g.DesiredCanaries)
		}
	}
	if d.Status == api.DeploymentStatusRunning || d.Status == api.DeploymentStatusPaused {
		return fmt.Sprintf("%s %d/%d healthy", d.Status, healthy, wanted)
	}
	return d.Status
}
