package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// world is a small cluster with one job under test, told in lines of text:
//
//	node n1-3 cpu=4000 dc=dc1 attr.k=v meta.k=v driver.docker draining   nodes, or changes of them
//	job web service version=1                                            the job from here on
//	group web count=3 cpu=500 spec=b max-parallel=1 port.http=8080       a group of it
//	constraint | affinity | spread ...                                   of the group, or of the job before a group
//	alloc web[0-2] on n1-3 running healthy port.http=8080                existing allocations, IDs like web[0]@n1
//	set web[0]@n1 failed finished=-5s                                    changes of them
//	deployment d1 paused web.canaries=1                                  the job's rollout
//	settings preempt-service spread                                      of the cluster
//	wait 30s | apply | schedule | explain | show                         apply does what the last plan says
//	drain-plan n1,n2 | resilience pairs after                            what if; after = after the job's change
//	rebalance do begun                                                   what would move; do = and moves
type world struct {
	cluster    *Cluster
	nodes      map[string]Node
	now        time.Time
	versions   map[string]map[uint64]*Job // by job
	job        *Job
	group      *Group
	deployment *Deployment
	settings   Settings
	req        Request
	plan       Plan
	serial     int
}

func newWorld() *world {
	return &world{
		cluster: NewCluster(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		nodes: map[string]Node{}, versions: map[string]map[uint64]*Job{},
	}
}

// run obeys one line; out is what it has to say, for commands that answer.
func (w *world) run(line string) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%q: %v", line, r)
		}
	}()
	f := words(line)
	switch f[0] {
	case "node":
		for _, id := range expand(f[1]) {
			w.node(id, f[2:])
		}
	case "forget":
		w.cluster.DeleteNode(f[1])
	case "job":
		w.newJob(f[1], f[2:])
	case "group":
		w.newGroup(f[1], f[2:])
	case "constraint":
		w.constraint(f[1:])
	case "affinity":
		w.affinity(f[1:])
	case "spread":
		w.spread(f[1:])
	case "device-rule":
		last := &w.group.Devices[len(w.group.Devices)-1]
		last.Constraints = append(last.Constraints, Constraint{f[1], f[2], f[3]})
	case "device-wish":
		last := &w.group.Devices[len(w.group.Devices)-1]
		last.Affinities = append(last.Affinities, Affinity{f[1], f[2], f[3], number(strings.TrimPrefix(f[4], "weight="))})
	case "alloc":
		for i, at := range expand(f[1]) {
			w.alloc(at, expand(f[3])[i%len(expand(f[3]))], f[4:])
		}
	case "set":
		for _, id := range w.match(f[1]) {
			a, _ := w.cluster.Alloc(id)
			changed := copyOf(a)
			w.attributes(&changed, f[2:])
			w.cluster.UpsertAlloc(&changed)
		}
	case "deployment":
		w.newDeployment(f[1], f[2:])
	case "settings":
		w.setSettings(f[1:])
	case "wait":
		w.now = w.now.Add(duration(f[1]))
	case "apply":
		w.apply()
	case "schedule":
		return w.schedule(), nil
	case "explain":
		return w.explain(), nil
	case "show":
		return w.show(), nil
	case "drain-plan":
		return w.drainPlan(expand(f[1])), nil
	case "resilience":
		return w.resilience(f[1:]), nil
	case "rebalance":
		return w.rebalance(f[1:]), nil
	default:
		return "", fmt.Errorf("unknown command %q", f[0])
	}
	return "", nil
}

func (w *world) schedule() string {
	w.req = w.request()
	w.plan = Schedule(w.req)
	return w.render(&w.plan)
}

func (w *world) request() Request {
	id := w.job.ID
	job := w.job
	for _, g := range job.Groups {
		g.Ask = fmt.Sprint(job.Pool, job.Datacenters, job.Constraints, g.Constraints, g.Drivers, g.Resources, g.Ports, g.Volumes, g.Devices, g.Pins, g.Tasks)
	}
	req := Request{
		Cluster: w.cluster, Now: w.now, Job: job, Namespace: "default", JobID: id,
		Versions: func(v uint64) *Job { return w.versions[id][v] }, Deployment: w.deployment, Settings: w.settings,
	}
	return req
}

// words splits at spaces outside of double quotes, which it removes.
func words(line string) []string {
	var out []string
	var cur strings.Builder
	quoted, any := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			if any {
				out = append(out, cur.String())
			}
			cur.Reset()
			any = false
		default:
			cur.WriteRune(r)
			any = true
		}
	}
	if any {
		out = append(out, cur.String())
	}
	return out
}

// expand turns "n1-3,n7" into n1 n2 n3 n7 and "web[0,2-3]" into web[0] web[2] web[3].
func expand(s string) []string {
	var out []string
	if head, list, ok := strings.Cut(s, "["); ok && !strings.Contains(s, "@") {
		for _, index := range expand(strings.TrimSuffix(list, "]")) {
			out = append(out, head+"["+index+"]")
		}
		return out
	}
	for part := range strings.SplitSeq(s, ",") {
		low, high, ranged := strings.Cut(part, "-")
		start := strings.TrimRight(low, "0123456789")
		a, err1 := strconv.Atoi(low[len(start):])
		b, err2 := strconv.Atoi(high)
		if !ranged || err1 != nil || err2 != nil {
			out = append(out, part)
			continue
		}
		for i := a; i <= b; i++ {
			out = append(out, fmt.Sprint(start, i))
		}
	}
	return out
}

func pair(s string) (key, value string) {
	key, value, _ = strings.Cut(s, "=")
	return key, value
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

func (w *world) node(id string, opts []string) {
	n, known := w.nodes[id]
	if !known {
		n = Node{
			ID: id, Name: id, Datacenter: "dc1", Pool: "default", Status: NodeReady, Eligible: true,
			Attributes: map[string]string{"kernel.name": "linux"}, Meta: map[string]string{},
			Capacity: Resources{CPU: 4000, Memory: 8000, Disk: 100000, Cores: 4},
			Drivers:  map[string]bool{"exec": true}, IP: "10.0.0.1",
			HostNetworks: map[string]string{}, HostVolumes: map[string]HostVolume{},
		}
	}
	n.Attributes, n.Meta = maps.Clone(n.Attributes), maps.Clone(n.Meta)
	n.Drivers, n.HostNetworks, n.HostVolumes = maps.Clone(n.Drivers), maps.Clone(n.HostNetworks), maps.Clone(n.HostVolumes)
	n.ReservedOn = maps.Clone(n.ReservedOn)
	for _, o := range opts {
		setNode(&n, o)
	}
	w.nodes[id] = n
	w.cluster.UpsertNode(n)
}

var nodeFlags = map[string]func(n *Node){
	"ready":        func(n *Node) { n.Status, n.Eligible, n.Draining = NodeReady, true, false },
	"down":         func(n *Node) { n.Status = NodeDown },
	"disconnected": func(n *Node) { n.Status = NodeDisconnected },
	"ineligible":   func(n *Node) { n.Eligible = false },
	"draining":     func(n *Node) { n.Draining, n.Eligible = true, false },
	"forced":       func(n *Node) { n.DrainForced = true },
}

func setNode(n *Node, opt string) {
	key, v := pair(opt)
	head, rest, _ := strings.Cut(key, ".")
	switch head {
	case "cpu":
		n.Capacity.CPU = int64(number(v))
	case "memory":
		n.Capacity.Memory = int64(number(v))
	case "disk":
		n.Capacity.Disk = int64(number(v))
	case "cores":
		n.Capacity.Cores = number(v)
	case "dc":
		n.Datacenter = v
	case "pool":
		n.Pool = v
	case "class":
		n.Class = v
	case "name":
		n.Name = v
	case "max-allocs":
		n.MaxAllocs = number(v)
	case "attr":
		n.Attributes[rest] = v
	case "meta":
		n.Meta[rest] = v
	case "driver":
		n.Drivers[rest] = v != "unhealthy"
	case "net":
		ip, reserved, _ := strings.Cut(v, "/")
		n.HostNetworks[rest] = ip
		for _, p := range expand(reserved) {
			if n.ReservedOn == nil {
				n.ReservedOn = map[string][]int{}
			}
			if p != "" {
				n.ReservedOn[rest] = append(n.ReservedOn[rest], number(p))
			}
		}
	case "volume":
		n.HostVolumes[rest] = HostVolume{ReadOnly: v == "ro"}
	case "device":
		parts := strings.Split(rest, "/")
		n.Devices = append(n.Devices, newDevice(parts, v))
	case "numa":
		n.NUMA = numaNodes(v)
	case "core-ids":
		n.CoreIDs = slices.Concat(numaNodes(v)...)
	case "ports":
		low, high, _ := strings.Cut(v, "-")
		n.MinDynamicPort, n.MaxDynamicPort = number(low), number(high)
	case "reserved":
		for p := range strings.SplitSeq(v, ",") {
			n.ReservedPorts = append(n.ReservedPorts, number(p))
		}
	default:
		nodeFlags[key](n)
	}
}

func (w *world) newJob(id string, opts []string) {
	j := &Job{Namespace: "default", ID: id, Type: Service, Priority: 50, Pool: "default", CreateIndex: 1}
	for _, o := range opts {
		switch key, v := pair(o); key {
		case "version":
			j.Version = uint64(number(v))
		case "create":
			j.CreateIndex = uint64(number(v))
		case "priority":
			j.Priority = number(v)
		case "dc":
			j.Datacenters = strings.Split(v, ",")
		case "pool":
			j.Pool = v
		case "stable":
			j.Stable = true
		case "stopped":
			j.Stopped = true
		case "parameterized":
			j.Parameterized = true
		default:
			j.Type = JobType(key)
		}
	}
	if w.versions[id] == nil {
		w.versions[id] = map[uint64]*Job{}
	}
	w.versions[id][j.Version] = j
	w.job, w.group = j, nil
}

func (w *world) newGroup(name string, opts []string) {
	g := &Group{Name: name, Count: 1, Resources: Resources{CPU: 500, Memory: 500}, Spec: "a", Disconnect: Disconnect{Replace: true}}
	for _, o := range opts {
		setGroup(g, o)
	}
	w.job.Groups = append(w.job.Groups, g)
	w.group = g
}

func setGroup(g *Group, opt string) {
	key, v := pair(opt)
	head, rest, _ := strings.Cut(key, ".")
	if set, ok := updateOptions[key]; ok {
		if g.Update == nil {
			g.Update = &Update{MaxParallel: 1, ProgressDeadline: 10 * time.Minute}
		}
		set(g.Update, v)
		return
	}
	switch head {
	case "count":
		g.Count = number(v)
	case "cpu":
		g.Resources.CPU = int64(number(v))
	case "memory":
		g.Resources.Memory = int64(number(v))
	case "disk":
		g.Resources.Disk = int64(number(v))
	case "cores":
		g.pinTask(rest, v)
	case "spec":
		g.Spec = v
	case "task": // task.name=cpu/memory
		cpu, memory, _ := strings.Cut(v, "/")
		g.Tasks = append(g.Tasks, TaskAsk{rest, Resources{CPU: int64(number(cpu)), Memory: int64(number(memory))}})
	case "driver":
		g.Drivers = append(g.Drivers, v)
	case "port":
		g.Ports = append(g.Ports, portAsk(rest, v))
	case "volume":
		g.Volumes = append(g.Volumes, VolumeAsk{Source: rest, ReadOnly: v == "ro", PerAlloc: v == "per-alloc", SingleWriter: v == "single", Sticky: v == "sticky"})
	case "device":
		g.Devices = append(g.Devices, deviceOption(rest, v))
	case "attempts":
		g.Reschedule.Attempts = number(v)
	case "interval":
		g.Reschedule.Interval = duration(v)
	case "delay":
		g.Reschedule.Delay = duration(v)
	case "max-delay":
		g.Reschedule.MaxDelay = duration(v)
	case "function":
		g.Reschedule.Function = v
	case "migrate":
		g.MigrateMax = number(v)
	case "sticky":
		g.Sticky = true
	case "unlimited":
		g.Reschedule.Unlimited = true
	case "lost-after":
		g.Disconnect.LostAfter = duration(v)
	case "stop-on-client-after":
		g.Disconnect.StopOnClientAfter = duration(v)
	case "replace":
		g.Disconnect.Replace = v == "true"
	case "reconcile":
		g.Disconnect.Reconcile = v
	default:
		panic("unknown group option " + opt)
	}
}

var updateOptions = map[string]func(u *Update, v string){
	"max-parallel": func(u *Update, v string) { u.MaxParallel = number(v) },
	"canary":       func(u *Update, v string) { u.Canary = number(v) },
	"auto-revert":  func(u *Update, _ string) { u.AutoRevert = true },
	"auto-promote": func(u *Update, _ string) { u.AutoPromote = true },
}

// portAsk reads "8080", "dynamic", "8080@public", "8080!" (shared), "dynamic>80".
func portAsk(label, v string) PortAsk {
	ask := PortAsk{Label: label}
	v, ask.HostNetwork, _ = strings.Cut(v, "@")
	v, to, mapped := strings.Cut(v, ">")
	if mapped {
		ask.To = number(to)
	}
	v, ask.IgnoreCollision = strings.CutSuffix(v, "!")
	if v != "dynamic" {
		ask.Static = number(v)
	}
	return ask
}

func (w *world) constraint(f []string) {
	con := Constraint{LTarget: f[0], Operand: "=", RTarget: ""}
	switch {
	case f[0] == distinctHosts:
		con = Constraint{Operand: distinctHosts, RTarget: strings.Join(f[1:], "")}
	default:
		con.Operand = f[1]
		if len(f) > 2 {
			con.RTarget = f[2]
		}
	}
	if w.group != nil {
		w.group.Constraints = append(w.group.Constraints, con)
	} else {
		w.job.Constraints = append(w.job.Constraints, con)
	}
}

func (w *world) affinity(f []string) {
	a := Affinity{LTarget: f[0], Operand: f[1], RTarget: f[2], Weight: number(strings.TrimPrefix(f[3], "weight="))}
	if w.group != nil {
		w.group.Affinities = append(w.group.Affinities, a)
	} else {
		w.job.Affinities = append(w.job.Affinities, a)
	}
}

func (w *world) spread(f []string) {
	s := Spread{Attribute: f[0], Weight: number(strings.TrimPrefix(f[1], "weight="))}
	for _, t := range f[2:] {
		key, v := pair(t)
		s.Targets = append(s.Targets, SpreadTarget{key, number(v)})
	}
	if w.group != nil {
		w.group.Spreads = append(w.group.Spreads, s)
	} else {
		w.job.Spreads = append(w.job.Spreads, s)
	}
}

func (w *world) newDeployment(id string, opts []string) {
	d := &Deployment{ID: id, JobVersion: w.job.Version, JobCreateIndex: w.job.CreateIndex, Status: "running", Groups: map[string]DeploymentGroup{}}
	if w.deployment != nil && w.deployment.ID == id {
		*d = *w.deployment
		d.Groups = maps.Clone(d.Groups)
	}
	for _, o := range opts {
		key, v := pair(o)
		name, field, dotted := strings.Cut(key, ".")
		g := d.Groups[name]
		switch {
		case key == "version":
			d.JobVersion = uint64(number(v))
		case !dotted && v == "":
			d.Status = key
		case field == "canaries":
			g.DesiredCanaries = number(v)
		case field == "total":
			g.DesiredTotal = number(v)
		case field == "promoted":
			g.Promoted = true
		}
		if dotted {
			d.Groups[name] = g
		}
	}
	w.deployment = d
}

func (w *world) setSettings(f []string) {
	for _, o := range f {
		switch o {
		case "spread", "binpack":
			w.settings.Algorithm = o
		case "preempt-service":
			w.settings.PreemptService = true
		case "preempt-batch":
			w.settings.PreemptBatch = true
		case "preempt-sysbatch":
			w.settings.PreemptSysBatch = true
		case "preempt-system":
			w.settings.PreemptSystem = true
		default:
			panic("unknown setting " + o)
		}
	}
}

// match lists the allocations whose ID begins with a pattern, or all for "*".
func (w *world) match(pattern string) []string {
	var ids []string
	for _, p := range expand(pattern) {
		prefix, wild := strings.CutSuffix(p, "*")
		for id := range w.cluster.allocs {
			if id == p || wild && strings.HasPrefix(id, prefix) {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		panic("no allocation matches " + pattern)
	}
	slices.Sort(ids)
	return ids
}
