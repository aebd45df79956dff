package leader

import (
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// raisePlan makes the log's compact plan from a decision. deployment is the ID
// that new and updated allocations belong to, "" for none; cluster still knows
// the allocations that are replaced.
func raisePlan(p *scheduler.Plan, eval *api.Evaluation, job *scheduler.Job, deployment string, cluster *scheduler.Cluster) state.Plan {
	out := state.Plan{EvalID: eval.ID, Namespace: eval.Namespace, JobID: eval.JobID}
	if d := p.Deployment; d != nil && d.Create != nil {
		deployment = state.DeploymentID(eval.ID)
		out.Deployment = raiseDeployment(d, job)
	}
	nodes := map[string]int{}
	metrics := map[*scheduler.Metric]int{}
	for _, pl := range p.Placements {
		p := raisePlacement(&out, pl, nodes, metrics, deploymentOf(pl, job, deployment))
		if prev, ok := cluster.Alloc(pl.Previous); ok {
			past := prev.Reschedules
			if prev.JobVersion != pl.JobVersion { // a new version starts with a clean slate
				past = nil
			}
			p.Reschedule = raiseReschedules(past, pl.Reschedule)
		}
		out.Placements = append(out.Placements, p)
	}
	for _, s := range p.Stops {
		stop := state.Stop{AllocID: s.ID, Desired: string(s.Desired), Client: string(s.Client), Description: s.Description}
		if s.KeepDesired {
			stop.Desired = api.AllocDesiredStatusRun
		}
		if s.PreemptedBy >= 0 && s.Desired == scheduler.Evict {
			stop.PreemptedBy = state.AllocID(eval.ID, s.PreemptedBy)
		}
		out.Stops = append(out.Stops, stop)
	}
	for _, u := range p.Updates {
		out.Updates = append(out.Updates, state.InPlace{AllocID: u.ID, JobVersion: job.Version, Deployment: deployment})
	}
	return out
}

// deploymentOf leaves out placements of an older version, which replace what was
// lost during a rollout and do not count towards it.
func deploymentOf(pl scheduler.Placement, job *scheduler.Job, deployment string) string {
	if job == nil || pl.JobVersion != job.Version {
		return ""
	}
	return deployment
}

func raisePlacement(out *state.Plan, pl scheduler.Placement, nodes map[string]int, metrics map[*scheduler.Metric]int, deployment string) state.Placement {
	n, ok := nodes[pl.NodeID]
	if !ok {
		n = len(out.Nodes)
		nodes[pl.NodeID] = n
		out.Nodes = append(out.Nodes, pl.NodeID)
	}
	m := -1
	if pl.Metric != nil {
		if m, ok = metrics[pl.Metric]; !ok {
			m = len(out.Metrics)
			metrics[pl.Metric] = m
			out.Metrics = append(out.Metrics, raiseMetric(pl.Metric))
		}
	}
	p := state.Placement{
		Group: pl.Group, Index: pl.Index, Node: n, JobVersion: pl.JobVersion, Metric: m, Canary: pl.Canary,
		Previous: pl.Previous, Cores: pl.Cores, Preempts: pl.Preempts, Deployment: deployment,
	}
	for _, d := range pl.Devices {
		p.Devices = append(p.Devices, state.TaskDevice{Task: d.Task, AllocatedDeviceResource: api.AllocatedDeviceResource{
			Vendor: d.Vendor, Type: d.Type, Name: d.Name, DeviceIDs: d.IDs,
		}})
	}
	for _, port := range pl.Ports {
		p.Ports = append(p.Ports, api.PortMapping{Label: port.Label, Value: port.Value, To: port.To, HostIP: port.HostIP})
	}
	return p
}

// keepReschedules is how many of the last replacements an allocation remembers.
// A limited policy never needs more; an unlimited one would grow without end.
const keepReschedules = 20

// raiseReschedules is the history that a replacement inherits, and what is added
// to it when the replacement counts as a reschedule.
func raiseReschedules(past []scheduler.RescheduleEvent, next *scheduler.RescheduleEvent) []state.Attempt {
	if next != nil {
		past = append(past[:len(past):len(past)], *next)
	}
	var out []state.Attempt
	for _, e := range past[max(0, len(past)-keepReschedules):] {
		out = append(out, state.Attempt{At: e.At.UnixNano(), PrevAlloc: e.PrevID, PrevNode: e.PrevNode, Delay: e.Delay})
	}
	return out
}

func raiseDeployment(d *scheduler.DeploymentChange, job *scheduler.Job) *state.NewDeployment {
	out := &state.NewDeployment{JobVersion: job.Version, Groups: map[string]*api.DeploymentState{}}
	for name, g := range d.Create {
		out.Groups[name] = &api.DeploymentState{
			AutoRevert: g.AutoRevert, Promoted: g.Promoted, ProgressDeadline: g.ProgressDeadline,
			DesiredCanaries: g.DesiredCanaries, DesiredTotal: g.DesiredTotal,
		}
	}
	return out
}

// raiseMetric makes the API's explanation from the scheduler's.
func raiseMetric(m *scheduler.Metric) *api.AllocationMetric {
	out := &api.AllocationMetric{
		NodesEvaluated: m.NodesEvaluated, NodesFiltered: m.NodesFiltered, NodesInPool: m.NodesInPool, NodePool: m.NodePool,
		NodesAvailable: m.NodesAvailable, ClassFiltered: m.ClassFiltered, ConstraintFiltered: m.ConstraintFiltered,
		NodesExhausted: m.NodesExhausted, ClassExhausted: m.ClassExhausted, DimensionExhausted: m.DimensionExhausted,
		CoalescedFailures: m.CoalescedFailures, AllocationTime: m.Took,
	}
	for task, r := range m.ResourcesExhausted {
		if out.ResourcesExhausted == nil {
			out.ResourcesExhausted = map[string]*api.Resources{}
		}
		out.ResourcesExhausted[task] = &api.Resources{
			CPU: new(int(r.CPU)), Cores: new(r.Cores), MemoryMB: new(int(r.Memory)), MemoryMaxMB: new(int(r.MemoryMax)),
		}
	}
	for _, s := range m.Scores {
		out.ScoreMetaData = append(out.ScoreMetaData, &api.NodeScoreMeta{NodeID: s.NodeID, Scores: s.Scores, NormScore: s.Norm})
	}
	return out
}

// timed shares the time that a decision took among the allocations that it looked for.
func timed(p *scheduler.Plan, took time.Duration) {
	metrics := map[*scheduler.Metric]bool{}
	n := 0
	for _, pl := range p.Placements {
		metrics[pl.Metric] = true
		n++
	}
	for _, m := range p.Failed {
		metrics[m] = true
		n += 1 + m.CoalescedFailures
	}
	for m := range metrics {
		if m != nil {
			m.Took = took / time.Duration(n)
		}
	}
}

// raiseFailed explains the groups that could not be placed.
func raiseFailed(failed map[string]*scheduler.Metric) map[string]*api.AllocationMetric {
	if len(failed) == 0 {
		return nil
	}
	out := make(map[string]*api.AllocationMetric, len(failed))
	for group, m := range failed {
		out[group] = raiseMetric(m)
	}
	return out
}

// raiseDesired counts the decisions by group.
func raiseDesired(desired map[string]*scheduler.DesiredUpdates) map[string]*api.DesiredUpdates {
	out := make(map[string]*api.DesiredUpdates, len(desired))
	for group, d := range desired {
		u := api.DesiredUpdates(*d)
		out[group] = &u
	}
	return out
}
