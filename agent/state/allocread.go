package state

import (
	"iter"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// Alloc is an allocation, nil if there is none. A watch wakes when any allocation
// of its job changes.
func (s *Snapshot) Alloc(ws memdb.WatchSet, id string) *Alloc {
	a := s.allocs.get(id)
	if ws == nil {
		return a
	}
	if a == nil {
		s.watchAllocs(ws)
		return nil
	}
	s.mark(ws, mark{markJob, a.Namespace, a.JobID})
	return a
}

// Allocs are the allocations of a namespace, or of all, whose ID begins with prefix, by ID.
func (s *Snapshot) Allocs(ws memdb.WatchSet, ns, prefix string) iter.Seq[*Alloc] {
	s.watchAllocs(ws)
	all := from(s.allocs.id, &Alloc{ID: prefix}, func(a *Alloc) bool { return hasPrefix(a.ID, prefix) })
	if ns == AllNamespaces {
		return all
	}
	return where(all, func(a *Alloc) bool { return a.Namespace == ns })
}

// AllocsByJob are a job's allocations, by ID; also those of earlier jobs of the
// same name (their JobCreateIndex differs).
func (s *Snapshot) AllocsByJob(ws memdb.WatchSet, ns, job string) iter.Seq[*Alloc] {
	if ws != nil {
		s.mark(ws, mark{markJob, ns, job})
	}
	return from(s.allocs.job, &Alloc{Namespace: ns, JobID: job}, func(a *Alloc) bool {
		return a.Namespace == ns && a.JobID == job
	})
}

// AllocsByNode are a node's allocations, by ID.
func (s *Snapshot) AllocsByNode(ws memdb.WatchSet, node string) iter.Seq[*Alloc] {
	if ws != nil {
		s.NodeAllocsIndex(ws, node)
	}
	return from(s.allocs.node, &Alloc{NodeID: node}, func(a *Alloc) bool { return a.NodeID == node })
}

// AllocsByEval are the allocations that an evaluation made, by ID.
func (s *Snapshot) AllocsByEval(ws memdb.WatchSet, eval string) iter.Seq[*Alloc] {
	e := s.Eval(ws, eval)
	if e == nil {
		return func(func(*Alloc) bool) {}
	}
	return where(s.AllocsByJob(ws, e.Namespace, e.JobID), func(a *Alloc) bool { return a.EvalID == eval })
}

// AllocsByDeployment are the allocations that a deployment counts, by ID.
func (s *Snapshot) AllocsByDeployment(ws memdb.WatchSet, id string) iter.Seq[*Alloc] {
	d := s.Deployment(ws, id)
	if d == nil {
		return func(func(*Alloc) bool) {}
	}
	return where(s.AllocsByJob(ws, d.Namespace, d.JobID), func(a *Alloc) bool { return a.DeploymentID == id })
}

// JobAllocsIndex is the last index that touched an allocation of the job, deletions included; at least 1.
func (s *Snapshot) JobAllocsIndex(ws memdb.WatchSet, ns, job string) uint64 {
	return s.mark(ws, mark{markJob, ns, job})
}

// NodeAllocsIndex is the last index that touched an allocation of the node, deletions included; at least 1.
func (s *Snapshot) NodeAllocsIndex(ws memdb.WatchSet, node string) uint64 {
	return max(s.mark(ws, mark{markOrders, node, ""}), s.mark(ws, mark{markReports, node, ""}))
}

// NodeOrdersIndex is the last index at which servers changed an allocation of the
// node or forgot one: what the node's agent waits on. Its own reports do not move it.
func (s *Snapshot) NodeOrdersIndex(ws memdb.WatchSet, node string) uint64 {
	return s.mark(ws, mark{markOrders, node, ""})
}

// mark names a set of allocations whose last change is remembered, so that a
// reader can wait for it: those of a job, of a node, or a node's as servers see them.
type mark struct{ kind, a, b string }

const (
	markJob     = "job"     // namespace, job
	markOrders  = "orders"  // node: what servers changed
	markReports = "reports" // node: what it reported
)

func (m mark) name() string { return m.kind + "\x00" + m.a + "\x00" + m.b }

// mark reads a mark and watches it.
func (s *Snapshot) mark(ws memdb.WatchSet, m mark) uint64 {
	if r := one[indexRow](s, ws, tableMarks, byID, m.name()); r != nil {
		return r.Index
	}
	return 1
}

func (s *Snapshot) watchAllocs(ws memdb.WatchSet) {
	if ws != nil {
		one[indexRow](s, ws, tableIndex, byID, TableAllocs)
	}
}

// API is the allocation as users see it, joined with its job version, its node's
// name and its resources. The value is fresh; what it points to (the job, task
// states, metrics) is shared and must not be changed. Job is nil when the version
// is no longer kept.
func (s *Snapshot) API(a *Alloc) *api.Allocation {
	out := &api.Allocation{
		ID: a.ID, Namespace: a.Namespace, EvalID: a.EvalID, Name: a.Name(), NodeID: a.NodeID,
		JobID: a.JobID, TaskGroup: a.Group, AllocatedResources: a.Resources, Metrics: a.Metric,
		DesiredStatus: a.Desired, DesiredDescription: a.DesiredDescription,
		ClientStatus: a.Client, ClientDescription: a.ClientDescription, TaskStates: a.TaskStates.API(),
		DeploymentID: a.DeploymentID, DeploymentStatus: a.DeploymentStatus, FollowupEvalID: a.FollowupEvalID,
		PreviousAllocation: a.Previous, NextAllocation: a.Next, RescheduleTracker: tracker(a.Reschedule),
		NetworkStatus: a.NetworkStatus, PreemptedAllocations: a.Preempted, PreemptedByAllocation: a.PreemptedBy,
		CreateIndex: a.CreateIndex, ModifyIndex: a.ModifyIndex, AllocModifyIndex: a.AllocModifyIndex,
		CreateTime: a.CreateTime, ModifyTime: a.ModifyTime,
		Job: s.JobVersion(nil, a.Namespace, a.JobID, a.JobVersion),
	}
	if out.Job != nil && *out.Job.CreateIndex != a.JobCreateIndex {
		out.Job = nil // the job was purged and registered anew under the same name
	}
	if n := s.Node(nil, a.NodeID); n != nil {
		out.NodeName = n.Name
		if out.NetworkStatus == nil {
			out.NetworkStatus = hostNetwork(n)
		}
	}
	if a.Transition != nil {
		out.DesiredTransition = *a.Transition
	}
	out.Resources, out.TaskResources = legacyResources(a.Resources)
	return out
}

// hostNetwork is the network of an allocation that has none of its own: its node's.
func hostNetwork(n *Node) *api.AllocNetworkStatus {
	if n.NodeResources == nil || len(n.NodeResources.Networks) == 0 {
		return nil
	}
	network := n.NodeResources.Networks[0]
	return &api.AllocNetworkStatus{InterfaceName: network.Device, Address: network.IP}
}

// legacyResources are AllocatedResources in the older form that tools still read.
func legacyResources(r *api.AllocatedResources) (*api.Resources, map[string]*api.Resources) {
	if r == nil {
		return nil, nil
	}
	cpu, mem, maxMem, disk := 0, 0, 0, int(r.Shared.DiskMB)
	tasks := make(map[string]*api.Resources, len(r.Tasks))
	for name, t := range r.Tasks {
		c, m, x := int(t.Cpu.CpuShares), int(t.Memory.MemoryMB), int(t.Memory.MemoryMaxMB)
		tasks[name] = &api.Resources{CPU: &c, MemoryMB: &m, MemoryMaxMB: &x, Networks: t.Networks}
		cpu, mem, maxMem = cpu+c, mem+m, maxMem+x
	}
	return &api.Resources{CPU: &cpu, MemoryMB: &mem, MemoryMaxMB: &maxMem, DiskMB: &disk, Networks: r.Shared.Networks}, tasks
}

// tracker is the API's form of the attempts; nil when there was none.
func tracker(attempts []Attempt) *api.RescheduleTracker {
	if len(attempts) == 0 {
		return nil
	}
	out := &api.RescheduleTracker{LastReschedule: "ok"}
	for _, a := range attempts {
		out.Events = append(out.Events, &api.RescheduleEvent{RescheduleTime: a.At, PrevAllocID: a.PrevAlloc, PrevNodeID: a.PrevNode})
	}
	return out
}
