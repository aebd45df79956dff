package leader

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// This file and raise.go are the only conversion between the API's types and
// the scheduler's: lower goes in, raise comes out.

// lowerNode makes the scheduler's node from a node's row, as it is at now.
func lowerNode(n *state.Node, now time.Time) scheduler.Node {
	out := scheduler.Node{
		ID: n.ID, Name: n.Name, Datacenter: n.Datacenter, Pool: n.NodePool, Class: n.NodeClass,
		Status:      scheduler.NodeStatus(n.Status),
		Eligible:    n.SchedulingEligibility == api.NodeSchedulingEligible,
		Draining:    n.DrainStrategy != nil,
		DrainForced: drainForced(n.DrainStrategy, now),
		Attributes:  n.Attributes,
		Meta:        n.Meta,
		Drivers:     make(map[string]bool, len(n.Drivers)),
		MaxAllocs:   n.NodeMaxAllocs,
	}
	for name, d := range n.Drivers {
		out.Drivers[name] = d.Detected && d.Healthy
	}
	lowerNodeResources(n, &out)
	lowerNodeNetworks(n, &out)
	for name, v := range n.HostVolumes {
		if out.HostVolumes == nil {
			out.HostVolumes = map[string]scheduler.HostVolume{}
		}
		out.HostVolumes[name] = scheduler.HostVolume{ReadOnly: v.ReadOnly}
	}
	return out
}

// drainForced reports whether what is left on a draining node has to go now.
func drainForced(d *api.DrainStrategy, now time.Time) bool {
	return d != nil && (d.Deadline < 0 || !d.ForceDeadline.IsZero() && !now.Before(d.ForceDeadline))
}

func lowerNodeResources(n *state.Node, out *scheduler.Node) {
	if r := n.NodeResources; r != nil {
		out.Capacity = scheduler.Resources{
			CPU: r.Cpu.CpuShares, Memory: r.Memory.MemoryMB, Disk: r.Disk.DiskMB,
			Cores: len(r.Cpu.ReservableCpuCores),
		}
		out.MinDynamicPort, out.MaxDynamicPort = r.MinDynamicPort, r.MaxDynamicPort
		for _, d := range r.Devices {
			out.Devices = append(out.Devices, lowerDevice(d))
		}
	}
	if out.MinDynamicPort == 0 {
		out.MinDynamicPort = 20000
	}
	if out.MaxDynamicPort == 0 {
		out.MaxDynamicPort = 32000
	}
	if r := n.ReservedResources; r != nil {
		out.Capacity.CPU -= int64(r.Cpu.CpuShares)
		out.Capacity.Memory -= int64(r.Memory.MemoryMB)
		out.Capacity.Disk -= int64(r.Disk.DiskMB)
		out.ReservedPorts = parsePorts(r.Networks.ReservedHostPorts)
	}
}

func lowerDevice(d *api.NodeDeviceResource) scheduler.Device {
	out := scheduler.Device{Vendor: d.Vendor, Type: d.Type, Name: d.Name, Attributes: map[string]string{}}
	for _, i := range d.Instances {
		if i.Healthy {
			out.IDs = append(out.IDs, i.ID)
		}
	}
	for k, a := range d.Attributes {
		out.Attributes[k] = a.String()
	}
	return out
}

func lowerNodeNetworks(n *state.Node, out *scheduler.Node) {
	out.IP = n.Attributes["unique.network.ip-address"]
	if out.IP == "" && n.NodeResources != nil {
		for _, nw := range n.NodeResources.Networks {
			if nw.IP != "" {
				out.IP = nw.IP
				break
			}
		}
	}
	for alias, h := range n.HostNetworks {
		ip := h.CIDR
		if p, err := netip.ParsePrefix(h.CIDR); err == nil {
			ip = p.Addr().String()
		}
		if out.HostNetworks == nil {
			out.HostNetworks = map[string]string{}
		}
		out.HostNetworks[alias] = ip
	}
}

// parsePorts reads "80,443,8000-8100". The agent validated it; what cannot be
// read is skipped.
func parsePorts(s string) []int {
	var out []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(lo)
		if err != nil {
			continue
		}
		to := from
		if ranged {
			if to, err = strconv.Atoi(hi); err != nil {
				continue
			}
		}
		for p := from; p <= to && p <= 65535; p++ {
			out = append(out, p)
		}
	}
	return out
}

// lowerJob makes the scheduler's job from a canonical one.
func lowerJob(j *api.Job) *scheduler.Job {
	out := &scheduler.Job{
		Namespace: *j.Namespace, ID: *j.ID,
		Version: deref(j.Version), CreateIndex: deref(j.CreateIndex),
		Type: scheduler.JobType(*j.Type), Priority: deref(j.Priority),
		Datacenters: j.Datacenters, Pool: deref(j.NodePool),
		Stopped:       deref(j.Stop),
		Periodic:      j.Periodic != nil,
		Parameterized: j.ParameterizedJob != nil && !j.Dispatched,
		Constraints:   lowerConstraints(nil, j.Constraints),
		Affinities:    lowerAffinities(nil, j.Affinities),
		Spreads:       lowerSpreads(j.Spreads),
	}
	for _, g := range j.TaskGroups {
		out.Groups = append(out.Groups, lowerGroup(j, g))
	}
	return out
}

func lowerGroup(j *api.Job, g *api.TaskGroup) *scheduler.Group {
	out := &scheduler.Group{
		Name: *g.Name, Count: deref(g.Count),
		Constraints: lowerConstraints(nil, g.Constraints),
		Affinities:  lowerAffinities(nil, g.Affinities),
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
		out.Constraints = lowerConstraints(out.Constraints, t.Constraints)
		out.Affinities = lowerAffinities(out.Affinities, t.Affinities)
		if !slices.Contains(out.Drivers, t.Driver) {
			out.Drivers = append(out.Drivers, t.Driver)
		}
		if t.Resources != nil {
			for _, d := range t.Resources.Devices {
				out.Devices = append(out.Devices, scheduler.DeviceAsk{
					Task: t.Name, Name: d.Name, Count: int(deref(d.Count)),
					Constraints: lowerConstraints(nil, d.Constraints), Affinities: lowerAffinities(nil, d.Affinities),
				})
			}
		}
	}
	for _, v := range g.Volumes {
		if v.Type == "host" {
			out.Volumes = append(out.Volumes, scheduler.VolumeAsk{Source: v.Source, ReadOnly: v.ReadOnly, PerAlloc: v.PerAlloc})
		}
	}
	slices.SortFunc(out.Volumes, func(a, b scheduler.VolumeAsk) int { return strings.Compare(a.Source, b.Source) })
	out.Spec = digest(specOf(j, g))
	out.Shape = digest(j.Meta, j.Namespace, g)
	return out
}

func lowerConstraints(out []scheduler.Constraint, in []*api.Constraint) []scheduler.Constraint {
	for _, c := range in {
		out = append(out, scheduler.Constraint{LTarget: c.LTarget, Operand: c.Operand, RTarget: c.RTarget})
	}
	return out
}

func lowerAffinities(out []scheduler.Affinity, in []*api.Affinity) []scheduler.Affinity {
	for _, a := range in {
		out = append(out, scheduler.Affinity{LTarget: a.LTarget, Operand: a.Operand, RTarget: a.RTarget, Weight: int(deref(a.Weight))})
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
// a prestart hook that end before the main tasks start share their room.
func groupResources(g *api.TaskGroup) scheduler.Resources {
	var main, pre scheduler.Resources
	for _, t := range g.Tasks {
		r := t.Resources
		if r == nil {
			continue
		}
		one := scheduler.Resources{
			CPU: int64(deref(r.CPU)), Memory: int64(deref(r.MemoryMB)),
			MemoryMax: int64(max(deref(r.MemoryMaxMB), deref(r.MemoryMB))), Cores: deref(r.Cores),
		}
		if one.Cores > 0 {
			one.CPU = 0 // cores are counted instead of shares
		}
		if l := t.Lifecycle; l != nil && !l.Sidecar && l.Hook == api.TaskLifecycleHookPrestart {
			pre = addResources(pre, one)
		} else {
			main = addResources(main, one)
		}
	}
	out := scheduler.Resources{
		CPU: max(main.CPU, pre.CPU), Memory: max(main.Memory, pre.Memory),
		MemoryMax: max(main.MemoryMax, pre.MemoryMax), Cores: max(main.Cores, pre.Cores),
	}
	if g.EphemeralDisk != nil {
		out.Disk = int64(deref(g.EphemeralDisk.SizeMB))
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

// specOf lists everything about a group whose change needs a new allocation;
// the rest (count, services, policies, kill_timeout, ...) is changed in place.
func specOf(j *api.Job, g *api.TaskGroup) any {
	tasks := make([]taskSpec, 0, len(g.Tasks))
	for _, t := range g.Tasks {
		meta := map[string]string{}
		for _, m := range []map[string]string{j.Meta, g.Meta, t.Meta} {
			for k, v := range m {
				meta[k] = v
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
	out := &scheduler.Alloc{
		ID: a.ID, Namespace: a.Namespace, Job: a.JobID, JobVersion: a.JobVersion, JobCreateIndex: a.JobCreateIndex,
		Group: a.Group, Index: a.Index, NodeID: a.NodeID,
		Desired: scheduler.Desired(a.Desired), Client: scheduler.ClientStatus(a.Client),
		DeploymentID: a.DeploymentID, CreatedAt: time.Unix(0, a.CreateTime),
		Previous: a.Previous, Next: a.Next, FollowupEval: a.FollowupEvalID,
	}
	if job != nil {
		out.JobType, out.Priority = job.Type, job.Priority
	}
	if m := a.Move; m != nil && m.To == "" {
		out.MoveOffAt = time.Unix(0, m.At)
	} else if m != nil {
		out.MoveTo = m.To
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
		out.UnknownAt = time.Unix(0, a.UnknownAt)
	}
	for _, e := range a.Reschedule {
		out.Reschedules = append(out.Reschedules, scheduler.RescheduleEvent{At: time.Unix(0, e.At), PrevID: e.PrevAlloc, PrevNode: e.PrevNode, Delay: e.Delay})
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
	var g *scheduler.Group
	if job != nil {
		for _, each := range job.Groups {
			if each.Name == a.Group {
				g = each
			}
		}
	}
	if g != nil { // what the group asks, with its lifecycle taken into account
		out.Used = g.Resources
		for i := range out.Ports {
			for _, ask := range g.Ports {
				out.Ports[i].Shared = out.Ports[i].Shared || ask.Label == out.Ports[i].Label && ask.IgnoreCollision
			}
		}
		return
	}
	out.Used.Disk = r.Shared.DiskMB
	for _, t := range r.Tasks {
		out.Used.CPU += t.Cpu.CpuShares
		out.Used.Memory += t.Memory.MemoryMB
	}
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
