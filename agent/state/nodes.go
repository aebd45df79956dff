package state

import (
	"reflect"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// maxNodeEvents is how many events a node keeps.
const maxNodeEvents = 10

// applyRegisterNode stores a node as its agent describes it.
func applyRegisterNode(t *tx, c *RegisterNode) any {
	if c.Node == nil || c.Node.ID == "" || c.Node.SecretID == "" {
		return invalidf("register node: the node has no ID or no secret")
	}
	n := *c.Node
	if n.NodePool == "" {
		n.NodePool = api.NodePoolDefault
	}
	if n.NodePool == api.NodePoolAll {
		return invalidf("register node: node pool %q holds every node by itself: choose another", n.NodePool)
	}
	old := t.Node(nil, n.ID)
	if old != nil && old.SecretID != n.SecretID {
		return ErrPermission{"node secret ID does not match"}
	}
	t.ensurePool(n.NodePool)
	t.inheritNode(old, &n)
	result := &NodeResult{}
	if old != nil && sameNode(old, &n) {
		return result
	}
	t.putNode(old, &n)
	t.settleVolumes(&n)
	if old != nil && old.BootID != "" && old.BootID != n.BootID {
		t.markRebooted(n.ID)
		t.dropServicesOn(n.ID)
	}
	returned := old == nil || old.Status != api.NodeStatusReady
	if returned || moreRoom(old, &n) {
		result.EvalIDs = t.evalsForNode(&n, triggerNodeUpdate, returned, true)
		t.addRoom(&n)
	}
	if returned && old != nil {
		t.askServicesOf(n.ID)
	}
	return result
}

// inheritNode gives a node that registers what servers decided about it.
func (t *tx) inheritNode(old, n *Node) {
	n.Status, n.StatusDescription = api.NodeStatusReady, ""
	if old == nil {
		if n.SchedulingEligibility != api.NodeSchedulingIneligible {
			n.SchedulingEligibility = api.NodeSchedulingEligible
		}
		n.CreateIndex, n.StatusUpdatedAt = t.index, t.secondsUp()
		n.Drain, n.DrainStrategy, n.LastDrain, n.Events = false, nil, nil, nil
		t.addEvent(n, &api.NodeEvent{Message: "Node registered", Subsystem: api.NodeEventSubsystemCluster})
		return
	}
	n.CreateIndex, n.ModifyIndex, n.StatusUpdatedAt = old.CreateIndex, old.ModifyIndex, old.StatusUpdatedAt
	n.SchedulingEligibility, n.Drain, n.DrainStrategy, n.LastDrain = old.SchedulingEligibility, old.Drain, old.DrainStrategy, old.LastDrain
	n.Events = old.Events
	if old.Status != n.Status {
		n.StatusUpdatedAt = t.secondsUp()
		t.addEvent(n, &api.NodeEvent{Message: "Node re-registered", Subsystem: api.NodeEventSubsystemCluster})
	}
	if old.BootID != "" && old.BootID != n.BootID {
		t.addEvent(n, &api.NodeEvent{Message: "Node was rebooted", Subsystem: api.NodeEventSubsystemCluster})
	}
}

func sameNode(a, b *Node) bool { return reflect.DeepEqual(a, b) }

// moreRoom says whether what a node offers changed so that jobs may fit now that did not before.
func moreRoom(old, n *Node) bool {
	offer := func(n *Node) []any {
		return []any{n.NodeResources, n.ReservedResources, n.Attributes, n.Meta, n.NodeClass, n.NodePool, n.Datacenter,
			healthyDrivers(n), n.HostVolumes, n.HostNetworks, n.NodeMaxAllocs}
	}
	return !reflect.DeepEqual(offer(old), offer(n))
}

func healthyDrivers(n *Node) map[string]bool {
	out := map[string]bool{}
	for name, d := range n.Drivers {
		out[name] = d != nil && d.Detected && d.Healthy
	}
	return out
}

// markRebooted tells the node that what it ran before is gone.
func (t *tx) markRebooted(node string) {
	for _, a := range t.liveOn(node) {
		b := *a
		b.Rebooted = true
		t.putAlloc(a, &b, true)
	}
}

// liveOn are the allocations of a node that have not ended there, collected so that they may be changed.
func (t *tx) liveOn(node string) []*Alloc {
	var out []*Alloc
	for a := range t.AllocsByNode(nil, node) {
		if !a.ClientTerminal() {
			out = append(out, a)
		}
	}
	return out
}

func (t *tx) putNode(before, after *Node) {
	after.ModifyIndex = t.index
	put(t, TableNodes, before, after)
}

// addEvent appends to a node's events, on a fresh slice: the old one is shared.
func (t *tx) addEvent(n *Node, e *api.NodeEvent) {
	if e == nil {
		return
	}
	ev := *e
	ev.CreateIndex = t.index
	if ev.Timestamp.IsZero() {
		ev.Timestamp = t.time()
	}
	n.Events = append(slices.Clone(n.Events), &ev)
	if excess := len(n.Events) - maxNodeEvents; excess > 0 {
		n.Events = n.Events[excess:]
	}
}

// evalsForNode has the jobs evaluated that run on a node (present), and those that
// want to run on every node (every). It returns the evaluations' IDs.
func (t *tx) evalsForNode(n *Node, trigger string, present, every bool) []string {
	var ids []string
	seen := map[JobKey]bool{}
	add := func(j *api.Job) {
		key := JobKey{*j.Namespace, *j.ID}
		if !seen[key] {
			seen[key] = true
			ids = append(ids, t.evaluate(j, trigger, n))
		}
	}
	if present {
		for _, a := range t.liveOn(n.ID) {
			if j := t.jobOf(a); j != nil {
				add(j)
			}
		}
	}
	if every {
		for j := range rows[api.Job](t.Snapshot, nil, TableJobs, byType+"_prefix", "every-node\x00") {
			if !isTrue(j.Stop) && !j.IsPeriodic() && !j.IsParameterized() && runsIn(j, capacity{n.NodePool, n.Datacenter}) {
				add(j)
			}
		}
	}
	return ids
}

// jobOf is what to evaluate for an allocation: its job, or what is known of one that was purged.
func (t *tx) jobOf(a *Alloc) *api.Job {
	if j := t.Job(nil, a.Namespace, a.JobID); j != nil {
		return j
	}
	return &api.Job{
		Namespace: &a.Namespace, ID: &a.JobID, Type: new(api.JobTypeService), Priority: new(50),
		JobModifyIndex: new(uint64(0)),
	}
}

// addRoom notes that jobs may be placed on a node that they could not be placed on before.
func (t *tx) addRoom(n *Node) {
	if n.Status == api.NodeStatusReady && n.SchedulingEligibility == api.NodeSchedulingEligible {
		t.freed[capacity{n.NodePool, n.Datacenter}] = struct{}{}
	}
}

var nodeStatuses = []string{api.NodeStatusInit, api.NodeStatusReady, api.NodeStatusDown, api.NodeStatusDisconnected}

// applyNodeStatus moves nodes to other statuses. Nodes that are gone by now are passed over.
func applyNodeStatus(t *tx, c *NodeStatus) any {
	result := &NodeResult{}
	known := false
	for _, u := range c.Updates {
		if !slices.Contains(nodeStatuses, u.Status) {
			return invalidf("invalid node status %q: choose one of %v", u.Status, nodeStatuses)
		}
		old := t.Node(nil, u.NodeID)
		if old == nil {
			continue
		}
		known = true
		if old.Status == u.Status && old.StatusDescription == u.Description && u.Event == nil {
			continue
		}
		n := *old
		n.Status, n.StatusDescription = u.Status, u.Description
		moved := old.Status != n.Status
		if moved {
			n.StatusUpdatedAt = t.secondsUp()
			if u.Event == nil {
				u.Event = &api.NodeEvent{Message: "Node status is " + u.Status, Subsystem: api.NodeEventSubsystemCluster}
			}
		}
		t.addEvent(&n, u.Event)
		t.putNode(old, &n)
		if moved {
			ready := n.Status == api.NodeStatusReady
			result.EvalIDs = append(result.EvalIDs, t.evalsForNode(&n, triggerNodeUpdate, true, ready)...)
			t.addRoom(&n)
			if ready {
				t.askServicesOf(n.ID)
			} else {
				t.dropServicesOn(n.ID)
			}
		}
	}
	if !known && len(c.Updates) > 0 {
		return ErrNotFound{"node", c.Updates[0].NodeID}
	}
	return result
}

// applyNodeEligibility marks a node eligible or ineligible.
func applyNodeEligibility(t *tx, c *NodeEligibility) any {
	old := t.Node(nil, c.NodeID)
	eligible := c.Eligibility == api.NodeSchedulingEligible
	switch {
	case old == nil:
		return ErrNotFound{"node", c.NodeID}
	case !eligible && c.Eligibility != api.NodeSchedulingIneligible:
		return invalidf("invalid scheduling eligibility %q: choose eligible or ineligible", c.Eligibility)
	case eligible && old.DrainStrategy != nil:
		return invalidf("can not set node's scheduling eligibility to eligible while it is draining")
	case old.SchedulingEligibility == c.Eligibility:
		return &NodeResult{}
	}
	n := *old
	n.SchedulingEligibility = c.Eligibility
	if c.Event == nil {
		c.Event = &api.NodeEvent{Message: "Node marked as " + c.Eligibility + " for scheduling", Subsystem: api.NodeEventSubsystemCluster}
	}
	t.addEvent(&n, c.Event)
	t.putNode(old, &n)
	result := &NodeResult{}
	if eligible {
		result.EvalIDs = t.evalsForNode(&n, triggerNodeUpdate, false, true)
		t.addRoom(&n)
	}
	return result
}

// Drain statuses of LastDrain; the API's.
const (
	drainRunning  = "draining"
	drainComplete = "complete"
	drainCanceled = "canceled"
)

// applyNodeDrain starts, changes or ends a drain.
func applyNodeDrain(t *tx, c *NodeDrain) any {
	old := t.Node(nil, c.NodeID)
	if old == nil {
		return ErrNotFound{"node", c.NodeID}
	}
	if c.Complete && old.DrainStrategy == nil {
		return &NodeResult{}
	}
	n := *old
	n.DrainStrategy, n.Drain = c.Strategy, c.Strategy != nil
	last := api.DrainMetadata{StartedAt: t.time()}
	if old.LastDrain != nil && old.DrainStrategy != nil {
		last = *old.LastDrain
	}
	last.UpdatedAt = t.time()
	if c.Meta != nil {
		last.Meta = c.Meta
	}
	message := "Node drain strategy set"
	switch {
	case n.Drain:
		last.Status, n.SchedulingEligibility = drainRunning, api.NodeSchedulingIneligible
	case c.Complete:
		last.Status, message = drainComplete, "Node drain complete"
	default:
		last.Status, message = drainCanceled, "Node drain strategy unset"
		t.stayOn(n.ID)
		if c.MarkEligible {
			n.SchedulingEligibility = api.NodeSchedulingEligible
		}
	}
	if n.Drain || old.DrainStrategy != nil {
		n.LastDrain = &last
	}
	if c.Event == nil {
		c.Event = &api.NodeEvent{Message: message, Subsystem: api.NodeEventSubsystemDrain}
	}
	t.addEvent(&n, c.Event)
	t.putNode(old, &n)
	room := old.SchedulingEligibility != n.SchedulingEligibility && n.SchedulingEligibility == api.NodeSchedulingEligible
	if room {
		t.addRoom(&n)
	}
	return &NodeResult{EvalIDs: t.evalsForNode(&n, triggerNodeDrain, true, room)}
}

// stayOn takes back what a drain has asked of allocations that have not moved yet.
func (t *tx) stayOn(node string) {
	for _, a := range t.liveOn(node) {
		if a.Desired == api.AllocDesiredStatusRun && a.Transition != nil && isTrue(a.Transition.Migrate) {
			t.transition(a, &api.DesiredTransition{Migrate: new(false)})
		}
	}
}
