package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// alloc adds an allocation; at is "group[index]" or "job/group[index]". Its ID is
// "group[index]@node", with the job in front when it is not the one under test.
func (w *world) alloc(at, node string, opts []string) {
	job := w.job
	id := at + "@" + node
	if name, rest, other := strings.Cut(at, "/"); other {
		at = rest
		job = &Job{ID: name, Namespace: "default", Type: Service, Priority: 50, CreateIndex: 1}
		if known := w.versions[name]; known != nil {
			job = known[slices.Sorted(maps.Keys(known))[0]]
		}
	}
	group, index, _ := strings.Cut(strings.TrimSuffix(at, "]"), "[")
	a := &Alloc{
		AllocGroup:  &AllocGroup{Namespace: job.Namespace, Job: job.ID, JobVersion: job.Version, JobCreateIndex: job.CreateIndex, JobType: job.Type, Group: group, Priority: job.Priority, Used: Resources{CPU: 500, Memory: 500}},
		AllocExtras: &AllocExtras{},
		ID:          id, Index: number(index), NodeID: node, Desired: Run, Client: Running, CreatedAt: w.now.Add(-time.Hour),
	}
	if g := job.group(group); g != nil {
		a.Used, a.Volumes = g.Resources, g.Holds(a.Index)
	}
	w.attributes(a, opts)
	w.cluster.UpsertAlloc(a)
}

func (w *world) attributes(a *Alloc, opts []string) {
	for _, o := range opts {
		key, v := pair(o)
		head, rest, _ := strings.Cut(key, ".")
		if set, ok := allocFlags[key]; ok && v == "" {
			set(a)
			continue
		}
		switch head {
		case "id":
			a.ID = v
		case "version":
			a.JobVersion = uint64(number(v))
		case "create":
			a.JobCreateIndex = uint64(number(v))
		case "cpu":
			a.Used.CPU = int64(number(v))
		case "memory":
			a.Used.Memory = int64(number(v))
		case "cores":
			for _, core := range expand(v) {
				a.Cores = append(a.Cores[:len(a.Cores):len(a.Cores)], number(core))
			}
			a.Used.Cores = len(a.Cores)
		case "holds":
			a.Volumes = append(a.Volumes[:len(a.Volumes):len(a.Volumes)], VolumeHold{Name: rest, ReadOnly: v == "ro", SingleWriter: v == "single"})
		case "migrate-max":
			a.MigrateMax = number(v)
		case "priority":
			a.Priority = number(v)
		case "deployment":
			a.DeploymentID = v
		case "move-to":
			a.MoveTo = v
		case "previous":
			a.Previous = v
		case "next":
			a.Next = v
		case "followup":
			a.FollowupEval = v
		case "created":
			a.CreatedAt = w.now.Add(duration(v))
		case "finished":
			a.FinishedAt = w.now.Add(duration(v))
		case "unknown-since":
			a.Client, a.UnknownAt = Unknown, w.now.Add(duration(v))
		case "rescheduled": // rescheduled=-10m/30s/n3
			parts := strings.Split(v, "/")
			a.Reschedules = append(a.Reschedules[:len(a.Reschedules):len(a.Reschedules)],
				RescheduleEvent{At: w.now.Add(duration(parts[0])), Delay: duration(parts[1]), PrevNode: parts[2]})
		case "port":
			a.Ports = append(a.Ports[:len(a.Ports):len(a.Ports)], Port{Label: rest, Value: number(v), HostIP: "10.0.0.1"})
		default:
			panic("unknown allocation option " + o)
		}
	}
}

var allocFlags = map[string]func(a *Alloc){
	"pending":    func(a *Alloc) { a.Client = Pending },
	"running":    func(a *Alloc) { a.Client, a.UnknownAt = Running, time.Time{} },
	"complete":   func(a *Alloc) { a.Client = Complete },
	"failed":     func(a *Alloc) { a.Client = Failed },
	"lost":       func(a *Alloc) { a.Client, a.Desired = Lost, Stop },
	"stop":       func(a *Alloc) { a.Desired = Stop },
	"evict":      func(a *Alloc) { a.Desired = Evict },
	"migrate":    func(a *Alloc) { a.Migrate = true },
	"no-replace": func(a *Alloc) { a.NoReplace = true },
	"force":      func(a *Alloc) { a.ForceReschedule = true },
	"reschedule": func(a *Alloc) { a.Reschedule = true },
	"healthy":    func(a *Alloc) { a.Health, a.Client = Healthy, Running },
	"unhealthy":  func(a *Alloc) { a.Health = Unhealthy },
	"canary":     func(a *Alloc) { a.Canary = true },
	"promoted":   func(a *Alloc) { a.Canary = false },
}

// apply does to the cluster what the leader would do with the last plan.
func (w *world) apply() {
	w.serial++
	dep := w.deployment
	if ch := w.plan.Deployment; ch != nil {
		for name, total := range ch.Totals {
			g := w.deployment.Groups[name]
			g.DesiredTotal = total
			w.deployment.Groups[name] = g
		}
		if ch.Status != "" && dep != nil {
			changed := *dep
			changed.Status = ch.Status
			w.deployment = &changed
		}
		if ch.Create != nil {
			w.deployment = &Deployment{
				ID: fmt.Sprint("d", w.job.Version), JobVersion: w.job.Version, JobCreateIndex: w.job.CreateIndex,
				Status: "running", Groups: map[string]DeploymentGroup{},
			}
			for name, g := range ch.Create {
				w.deployment.Groups[name] = DeploymentGroup{DesiredCanaries: g.DesiredCanaries, DesiredTotal: g.DesiredTotal}
			}
		}
	}
	ids := make([]string, len(w.plan.Placements))
	for i, p := range w.plan.Placements {
		ids[i] = fmt.Sprintf("%s[%d]@%s", p.Group, p.Index, p.NodeID)
		if _, taken := w.cluster.Alloc(ids[i]); taken {
			ids[i] += "+" + strconv.Itoa(w.serial)
		}
	}
	for _, s := range w.plan.Stops {
		w.applyStop(s)
	}
	for _, u := range w.plan.Updates {
		a, _ := w.cluster.Alloc(u.ID)
		changed := copyOf(a)
		changed.JobVersion = w.job.Version
		w.enroll(&changed)
		w.cluster.UpsertAlloc(&changed)
	}
	for i, p := range w.plan.Placements {
		w.applyPlacement(ids[i], &p)
	}
}

func (w *world) applyStop(s StopAlloc) {
	a, ok := w.cluster.Alloc(s.ID)
	if !ok {
		panic("plan stops an unknown allocation " + s.ID)
	}
	changed := copyOf(a)
	if !s.KeepDesired {
		changed.Desired = s.Desired
	}
	if s.Client != "" {
		changed.Client = s.Client
		if s.Client == Unknown {
			changed.UnknownAt = w.now
		}
	}
	if s.Followup >= 0 {
		changed.FollowupEval = "f"
	}
	w.cluster.UpsertAlloc(&changed)
}

func (w *world) applyPlacement(id string, p *Placement) {
	job := w.versions[w.job.ID][p.JobVersion]
	a := &Alloc{
		AllocGroup:  &AllocGroup{Namespace: job.Namespace, Job: job.ID, JobVersion: p.JobVersion, JobCreateIndex: job.CreateIndex, JobType: job.Type, Group: p.Group, Priority: job.Priority, Used: job.group(p.Group).Resources},
		AllocExtras: &AllocExtras{Cores: p.Cores, Devices: p.Devices, Volumes: job.group(p.Group).Holds(p.Index)},
		ID:          id, Index: p.Index, NodeID: p.NodeID, Desired: Run, Client: Pending, Ports: p.Ports, Canary: p.Canary, Previous: p.Previous, CreatedAt: w.now,
	}
	w.enroll(a)
	if prev, ok := w.cluster.Alloc(p.Previous); ok {
		if prev.JobVersion == p.JobVersion {
			a.Reschedules = slices.Clone(prev.Reschedules)
		}
		if p.Reschedule != nil {
			a.Reschedules = append(a.Reschedules, *p.Reschedule)
		}
		changed := copyOf(prev)
		changed.Next = id
		w.cluster.UpsertAlloc(&changed)
	}
	w.cluster.UpsertAlloc(a)
}

// enroll makes an allocation of the job's version part of its rollout.
func (w *world) enroll(a *Alloc) {
	if w.deployment != nil && w.deployment.Status == "running" && w.deployment.JobVersion == a.JobVersion {
		if _, ok := w.deployment.Groups[a.Group]; ok {
			a.DeploymentID, a.Health = w.deployment.ID, HealthUnset
		}
	}
}

// show lists the live allocations of the job.
func (w *world) show() string {
	var b strings.Builder
	for _, a := range w.cluster.AllocsOfJob("default", w.job.ID) {
		if !Terminal(a) {
			fmt.Fprintf(&b, "%s[%d] on %s %s version %d\n", a.Group, a.Index, a.NodeID, a.Client, a.JobVersion)
		}
	}
	return b.String()
}

// copyOf is a copy that shares nothing with the original.
func copyOf(a *Alloc) Alloc {
	own := *a
	own.Change(func(*AllocGroup, *AllocExtras) {})
	return own
}
