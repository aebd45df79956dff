package leader

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// This file, lowernode.go and raise.go are the only conversion between the API's
// types and the scheduler's: lower goes in, raise comes out.

// lowerJob makes the scheduler's job from a canonical one.
func lowerJob(j *api.Job) *scheduler.Job {
	out := &scheduler.Job{
		Namespace: *j.Namespace, ID: *j.ID,
		Version: deref(j.Version), CreateIndex: deref(j.CreateIndex),
		Type: scheduler.JobType(*j.Type), Priority: deref(j.Priority),
		Datacenters: j.Datacenters, Pool: deref(j.NodePool),
		Stable:        deref(j.Stable),
		Stopped:       deref(j.Stop),
		Periodic:      j.Periodic != nil,
		Parameterized: j.ParameterizedJob != nil && !j.Dispatched,
		Constraints:   lowerConstraints(nil, j.Constraints, deref(j.Region)),
		Affinities:    lowerAffinities(nil, j.Affinities, deref(j.Region)),
		Spreads:       lowerSpreads(j.Spreads),
	}
	for _, g := range j.TaskGroups {
		lowered := lowerGroup(j, g)
		lowered.Ask = digest(out.Pool, out.Datacenters, out.Constraints, lowered.Constraints, lowered.Drivers, lowered.Resources,
			lowered.Ports, lowered.Volumes, lowered.Devices, lowered.Pins, lowered.Tasks)
		out.Groups = append(out.Groups, lowered)
	}
	out.Share()
	return out
}

func lowerGroup(j *api.Job, g *api.TaskGroup) *scheduler.Group {
	out := &scheduler.Group{
		Name: *g.Name, Count: deref(g.Count),
		Constraints: lowerConstraints(nil, g.Constraints, deref(j.Region)),
		Affinities:  lowerAffinities(nil, g.Affinities, deref(j.Region)),
		Spreads:     lowerSpreads(g.Spreads),
		Resources:   groupResources(g),
		Ports:       lowerPorts(g),
		Reschedule:  lowerReschedule(*j.Type, g.ReschedulePolicy),
		Update:      lowerUpdate(*j.Type, g.Update),
		MigrateMax:  1,
		Sticky:      g.EphemeralDisk != nil && deref(g.EphemeralDisk.Sticky),
		Disconnect:  lowerDisconnect(g),
	}
	if g.Migrate != nil && g.Migrate.MaxParallel != nil {
		out.MigrateMax = *g.Migrate.MaxParallel
	}
	for _, t := range g.Tasks {
		out.Constraints = lowerConstraints(out.Constraints, t.Constraints, deref(j.Region))
		out.Affinities = lowerAffinities(out.Affinities, t.Affinities, deref(j.Region))
		if !slices.Contains(out.Drivers, t.Driver) {
			out.Drivers = append(out.Drivers, t.Driver)
		}
		lowerTaskResources(t, out)
	}
	for _, v := range g.Volumes {
		if v.Type == "host" {
			out.Volumes = append(out.Volumes, scheduler.VolumeAsk{
				Source: v.Source, ReadOnly: v.ReadOnly, PerAlloc: v.PerAlloc, Sticky: v.Sticky,
				SingleWriter: v.AccessMode == string(api.HostVolumeAccessModeSingleNodeSingleWriter),
			})
		}
	}
	slices.SortFunc(out.Volumes, func(a, b scheduler.VolumeAsk) int { return strings.Compare(a.Source, b.Source) })
	out.Spec = digest(specOf(j, g))
	return out
}

// lowerTaskResources adds what one task asks for by itself.
func lowerTaskResources(t *api.Task, out *scheduler.Group) {
	r := t.Resources
	if r == nil {
		return
	}
	out.Tasks = append(out.Tasks, scheduler.TaskAsk{Name: t.Name, Resources: taskResources(r)})
	if n := deref(r.Cores); n > 0 {
		pin := scheduler.CoreAsk{Task: t.Name, Count: n}
		if r.NUMA != nil {
			pin.Affinity, pin.Devices = r.NUMA.Affinity, r.NUMA.Devices
		}
		out.Pins = append(out.Pins, pin)
	}
	for _, d := range r.Devices {
		out.Devices = append(out.Devices, scheduler.DeviceAsk{
			Task: t.Name, Name: d.Name, Count: int(deref(d.Count)),
			Constraints: lowerConstraints(nil, d.Constraints, ""), Affinities: lowerAffinities(nil, d.Affinities, ""),
		})
	}
}

// inRegion reads ${node.region}, which is the same for all nodes that a job may run on.
func inRegion(target, region string) string {
	if target == "${node.region}" {
		return region
	}
	return target
}

func lowerConstraints(out []scheduler.Constraint, in []*api.Constraint, region string) []scheduler.Constraint {
	for _, c := range in {
		out = append(out, scheduler.Constraint{LTarget: inRegion(c.LTarget, region), Operand: c.Operand, RTarget: inRegion(c.RTarget, region)})
	}
	return out
}

func lowerAffinities(out []scheduler.Affinity, in []*api.Affinity, region string) []scheduler.Affinity {
	for _, a := range in {
		out = append(out, scheduler.Affinity{LTarget: inRegion(a.LTarget, region), Operand: a.Operand, RTarget: inRegion(a.RTarget, region), Weight: int(deref(a.Weight))})
	}
	return out
}

func lowerSpreads(in []*api.Spread) []scheduler.Spread {
	var out []scheduler.Spread
	for _, s := range in {
		l := scheduler.Spread{Attribute: s.Attribute, Weight: int(deref(s.Weight))}
		for _, t := range s.SpreadTarget {
			l.Targets = append(l.Targets, scheduler.SpreadTarget{Value: t.Value, Percent: int(t.Percent)})
		}
		out = append(out, l)
	}
	return out
}

// groupResources is what an allocation of the group holds on its node. Tasks of
// a prestart hook that end before the main tasks start share their room with them,
// but not cores: each task pins its own.
func groupResources(g *api.TaskGroup) scheduler.Resources {
	var main, pre scheduler.Resources
	for _, t := range g.Tasks {
		r := t.Resources
		if r == nil {
			continue
		}
		one := taskResources(r)
		if l := t.Lifecycle; l != nil && !l.Sidecar && l.Hook == api.TaskLifecycleHookPrestart {
			pre = addResources(pre, one)
		} else {
			main = addResources(main, one)
		}
	}
	out := scheduler.Resources{
		CPU: max(main.CPU, pre.CPU), Memory: max(main.Memory, pre.Memory),
		MemoryMax: max(main.MemoryMax, pre.MemoryMax), Cores: main.Cores + pre.Cores,
	}
	if g.EphemeralDisk != nil {
		out.Disk = int64(deref(g.EphemeralDisk.SizeMB))
	}
	return out
}

func taskResources(r *api.Resources) scheduler.Resources {
	out := scheduler.Resources{
		CPU: int64(deref(r.CPU)), Memory: int64(deref(r.MemoryMB)),
		MemoryMax: int64(max(deref(r.MemoryMaxMB), deref(r.MemoryMB))), Cores: deref(r.Cores),
	}
	if out.Cores > 0 {
		out.CPU = 0 // cores are counted instead of shares
	}
	return out
}

func addResources(a, b scheduler.Resources) scheduler.Resources {
	return scheduler.Resources{
		CPU: a.CPU + b.CPU, Memory: a.Memory + b.Memory, MemoryMax: a.MemoryMax + b.MemoryMax,
		Disk: a.Disk + b.Disk, Cores: a.Cores + b.Cores,
	}
}

// lowerPorts lists the ports of the group's networks, and of its tasks' (the old spelling).
func lowerPorts(g *api.TaskGroup) []scheduler.PortAsk {
	networks := slices.Clone(g.Networks)
	for _, t := range g.Tasks {
		if t.Resources != nil {
			networks = append(networks, t.Resources.Networks...)
		}
	}
	var out []scheduler.PortAsk
	for _, nw := range networks {
		for _, p := range nw.ReservedPorts {
			out = append(out, scheduler.PortAsk{Label: p.Label, Static: p.Value, To: p.To, HostNetwork: p.HostNetwork, IgnoreCollision: p.IgnoreCollision})
		}
		for _, p := range nw.DynamicPorts {
			out = append(out, scheduler.PortAsk{Label: p.Label, To: p.To, HostNetwork: p.HostNetwork, IgnoreCollision: p.IgnoreCollision})
		}
	}
	return out
}

func lowerReschedule(jobType string, p *api.ReschedulePolicy) scheduler.Reschedule {
	if p == nil || jobType == api.JobTypeSystem || jobType == api.JobTypeSysbatch {
		return scheduler.Reschedule{}
	}
	return scheduler.Reschedule{
		Attempts: deref(p.Attempts), Interval: deref(p.Interval), Delay: deref(p.Delay),
		Function: deref(p.DelayFunction), MaxDelay: deref(p.MaxDelay), Unlimited: deref(p.Unlimited),
	}
}

func lowerUpdate(jobType string, u *api.UpdateStrategy) *scheduler.Update {
	if u == nil || deref(u.MaxParallel) == 0 || (jobType != api.JobTypeService && jobType != api.JobTypeSystem) {
		return nil
	}
	return &scheduler.Update{
		MaxParallel: *u.MaxParallel, Canary: deref(u.Canary),
		AutoPromote: deref(u.AutoPromote), AutoRevert: deref(u.AutoRevert),
		ProgressDeadline: deref(u.ProgressDeadline), MinHealthyTime: deref(u.MinHealthyTime), HealthyDeadline: deref(u.HealthyDeadline),
	}
}

func lowerDisconnect(g *api.TaskGroup) scheduler.Disconnect {
	out := scheduler.Disconnect{Replace: true}
	out.LostAfter = deref(g.MaxClientDisconnect)               // the old spelling
	out.StopOnClientAfter = deref(g.StopAfterClientDisconnect) // the old spelling
	if d := g.Disconnect; d != nil {
		out.LostAfter = max(out.LostAfter, deref(d.LostAfter))
		out.StopOnClientAfter = max(out.StopOnClientAfter, deref(d.StopOnClientAfter))
		if d.Replace != nil {
			out.Replace = *d.Replace
		}
		if d.Reconcile != nil {
			out.Reconcile = string(*d.Reconcile)
		}
	}
	if out.StopOnClientAfter > 0 { // the node stops its tasks then, each within its kill_timeout
		var kill time.Duration
		for _, t := range g.Tasks {
			kill = max(kill, deref(t.KillTimeout))
		}
		out.StopOnClientAfter += kill
	}
	return out
}

// taskSpec holds the fields of a task whose change needs a new allocation.
type taskSpec struct {
	Name, Driver, User, Kind string
	Config                   map[string]any
	Env, Meta                map[string]string
	Resources                *api.Resources
	Lifecycle                *api.TaskLifecycle
	Artifacts                []*api.TaskArtifact
	Templates                []*api.Template
	VolumeMounts             []*api.VolumeMount
	DispatchPayload          *api.DispatchPayloadConfig
	Leader, LogsDisabled     bool
}

// ownMeta begins the Meta keys that are settings of ours: changing one restarts nothing.
const ownMeta = "selfheal."

// specOf lists everything about a group whose change needs a new allocation;
// the rest (count, services, policies, kill_timeout, ...) is changed in place.
func specOf(j *api.Job, g *api.TaskGroup) any {
	tasks := make([]taskSpec, 0, len(g.Tasks))
	for _, t := range g.Tasks {
		meta := map[string]string{}
		for _, m := range []map[string]string{j.Meta, g.Meta, t.Meta} {
			for k, v := range m {
				if !strings.HasPrefix(k, ownMeta) {
					meta[k] = v
				}
			}
		}
		tasks = append(tasks, taskSpec{
			Name: t.Name, Driver: t.Driver, User: t.User, Kind: t.Kind, Config: t.Config, Env: t.Env, Meta: meta,
			Resources: t.Resources, Lifecycle: t.Lifecycle, Artifacts: t.Artifacts, Templates: t.Templates,
			VolumeMounts: t.VolumeMounts, DispatchPayload: t.DispatchPayload, Leader: t.Leader,
			LogsDisabled: t.LogConfig != nil && deref(t.LogConfig.Disabled),
		})
	}
	return []any{tasks, g.Networks, g.EphemeralDisk, g.Volumes, j.Payload}
}

// digest is a short name for a value: equal values have equal digests. JSON
// orders map keys, so the digest does not depend on map order.
func digest(parts ...any) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range parts {
		_ = enc.Encode(p) // API types always encode
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// lowerAlloc makes the scheduler's allocation from a row. g is its group in the
// version that it runs, nil when that is gone.
func lowerAlloc(a *state.Alloc, job *scheduler.Job) *scheduler.Alloc {
	x := &scheduler.AllocExtras{Next: a.Next, FollowupEval: a.FollowupEvalID, Cores: a.Cores, Reschedules: lowerReschedules(a.Reschedule)}
	out := &scheduler.Alloc{
		AllocGroup: lowerCommon(a, job), AllocExtras: x, ID: a.ID, Index: a.Index, NodeID: a.NodeID,
		Desired: scheduler.Desired(a.Desired), Client: scheduler.ClientStatus(a.Client),
		DeploymentID: a.DeploymentID, CreatedAt: time.Unix(0, a.CreateTime), Previous: a.Previous,
	}
	if m := a.Move; m != nil && m.To == "" {
		x.MoveOffAt = time.Unix(0, m.At)
	} else if m != nil {
		x.MoveTo = m.To
	}
	if t := a.Transition; t != nil {
		out.Migrate, out.Reschedule, out.ForceReschedule = deref(t.Migrate), deref(t.Reschedule), deref(t.ForceReschedule)
		out.NoReplace = deref(t.MigrateDisablePlacement)
	}
	if s := a.DeploymentStatus; s != nil {
		out.Canary = s.Canary
		if s.Healthy != nil {
			out.Health, out.HealthAt = scheduler.Unhealthy, s.Timestamp
			if *s.Healthy {
				out.Health = scheduler.Healthy
			}
		}
	}
	lowerAllocResources(a, job, out)
	for _, ts := range a.TaskStates {
		if ts.FinishedAt.After(out.FinishedAt) {
			out.FinishedAt = ts.FinishedAt
		}
	}
	if out.FinishedAt.IsZero() && (a.Client == api.AllocClientStatusFailed || a.Client == api.AllocClientStatusLost) {
		out.FinishedAt = time.Unix(0, a.ModifyTime)
	}
	if a.Client == api.AllocClientStatusUnknown {
		x.UnknownAt = time.Unix(0, a.UnknownAt)
	}
	out.Compact()
	return out
}

// lowerCommon is what the allocation shares with others of its group in its version.
func lowerCommon(a *state.Alloc, job *scheduler.Job) *scheduler.AllocGroup {
	g := groupOf(job, a.Group)
	if g != nil && g.Common != nil && job.CreateIndex == a.JobCreateIndex && job.Version == a.JobVersion {
		return g.Common
	}
	out := &scheduler.AllocGroup{Namespace: a.Namespace, Job: a.JobID, JobVersion: a.JobVersion, JobCreateIndex: a.JobCreateIndex, Group: a.Group}
	if job != nil {
		out.JobType, out.Priority = job.Type, job.Priority
	}
	switch r := a.Resources; {
	case g != nil && g.Common != nil: // what the group asks, with its lifecycle taken into account
		out.Used, out.MigrateMax = g.Common.Used, g.Common.MigrateMax
	case r != nil:
		out.Used.Disk, out.Used.Cores = r.Shared.DiskMB, len(a.Cores)
		for _, t := range r.Tasks {
			out.Used.CPU += t.Cpu.CpuShares
			out.Used.Memory += t.Memory.MemoryMB
		}
	}
	return out
}

func lowerReschedules(attempts []state.Attempt) (out []scheduler.RescheduleEvent) {
	for _, e := range attempts {
		out = append(out, scheduler.RescheduleEvent{At: time.Unix(0, e.At), PrevID: e.PrevAlloc, PrevNode: e.PrevNode, Delay: e.Delay})
	}
	return out
}

func lowerAllocResources(a *state.Alloc, job *scheduler.Job, out *scheduler.Alloc) {
	r := a.Resources
	if r == nil {
		return
	}
	for _, p := range r.Shared.Ports {
		out.Ports = append(out.Ports, scheduler.Port{Label: p.Label, Value: p.Value, To: p.To, HostIP: p.HostIP})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tasks)) {
		for _, d := range r.Tasks[name].Devices {
			out.Devices = append(out.Devices, scheduler.DeviceGrant{Task: name, Vendor: d.Vendor, Type: d.Type, Name: d.Name, IDs: d.DeviceIDs})
		}
	}
	g := groupOf(job, a.Group)
	if g == nil {
		return
	}
	out.Volumes = g.Holds(a.Index)
	for i := range out.Ports {
		for _, ask := range g.Ports {
			out.Ports[i].Shared = out.Ports[i].Shared || ask.Label == out.Ports[i].Label && ask.IgnoreCollision
		}
	}
}

// groupOf finds a group of a version; nil when one of them is gone.
func groupOf(job *scheduler.Job, name string) *scheduler.Group {
	if job == nil {
		return nil
	}
	for _, g := range job.Groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// deref reads a pointer of an API type; nil is the zero value.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// lowerDeployment makes the scheduler's deployment from a row; nil stays nil.
func lowerDeployment(d *api.Deployment) *scheduler.Deployment {
	if d == nil {
		return nil
	}
	out := &scheduler.Deployment{
		ID: d.ID, JobVersion: d.JobVersion, JobCreateIndex: d.JobCreateIndex, Status: d.Status,
		Groups: make(map[string]scheduler.DeploymentGroup, len(d.TaskGroups)),
	}
	for name, g := range d.TaskGroups {
		out.Groups[name] = scheduler.DeploymentGroup{
			Promoted: g.Promoted, DesiredCanaries: g.DesiredCanaries, DesiredTotal: g.DesiredTotal,
			PlacedCanaries: g.PlacedCanaries, RequireProgressBy: g.RequireProgressBy,
		}
	}
	return out
}

// lowerSettings makes the scheduler's settings from the operator's; nil is the default.
func lowerSettings(c *api.SchedulerConfiguration) scheduler.Settings {
	if c == nil {
		return scheduler.Settings{Algorithm: string(api.SchedulerAlgorithmBinpack), PreemptSystem: true}
	}
	return scheduler.Settings{
		Algorithm:     string(c.SchedulerAlgorithm),
		PreemptSystem: c.PreemptionConfig.SystemSchedulerEnabled, PreemptSysBatch: c.PreemptionConfig.SysBatchSchedulerEnabled,
		PreemptBatch: c.PreemptionConfig.BatchSchedulerEnabled, PreemptService: c.PreemptionConfig.ServiceSchedulerEnabled,
	}
}

// activeDeployment reports whether a deployment in this status still goes on.
func activeDeployment(status string) bool {
	switch status {
	case api.DeploymentStatusRunning, api.DeploymentStatusPaused, api.DeploymentStatusPending, "initializing":
		return true
	}
	return false
}
