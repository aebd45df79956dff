package client

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// serving is what an allocation has to do with services.
type serving struct {
	key      string                     // offersKey of offers
	offers   []offer                    // what it offers now
	listed   map[string]bool            // IDs of those offers whose checks have all passed once
	services []*api.ServiceRegistration // as last published
	failing  []string                   // IDs of those that do not pass their checks, likewise
	poked    chan struct{}              // capacity 1: a check has changed
}

// offer is one service that an allocation offers now, and how it is checked.
type offer struct {
	reg    *api.ServiceRegistration // ID, name, tags, address, port
	checks []offeredCheck
}

// offered brings the offers in step with the allocation: a task's services are
// offered while the task runs, the group's while the task that they name runs, or
// any main task; none are once the allocation is to end, so that nobody is sent
// there any more when its tasks are stopped.
func (a *alloc) offered() []offer {
	if a.ending != "" {
		return nil
	}
	var out []offer
	for _, svc := range a.group.Services {
		if a.groupServes(svc.TaskName) {
			out = a.groupScope().offer(out, svc)
		}
	}
	for _, t := range a.tasks {
		if t.m.Phase != phaseRunning {
			continue
		}
		for _, svc := range t.spec.Services {
			out = a.taskScope(t).offer(out, svc)
		}
	}
	slices.SortFunc(out, func(x, y offer) int { return strings.Compare(x.reg.ID, y.reg.ID) })
	return out
}

// groupServes tells whether a service of the group can be reached.
func (a *alloc) groupServes(name string) bool {
	return slices.ContainsFunc(a.tasks, func(t *task) bool {
		return t.m.Phase == phaseRunning && (t.spec.Name == name || name == "" && t.role.main())
	})
}

// offersKey changes when offered may give something else.
func (a *alloc) offersKey() string {
	var key strings.Builder
	key.WriteString(strconv.FormatUint(a.want.AllocModifyIndex, 10))
	if a.ending != "" {
		key.WriteString(" ends")
	}
	for _, t := range a.tasks {
		if t.m.Phase == phaseRunning {
			key.WriteString(" " + t.spec.Name + " " + strconv.FormatInt(t.m.State.StartedAt.UnixNano(), 10))
		}
	}
	return key.String()
}

// serviceScope is what the services of one task, or of the group, refer to.
type serviceScope struct {
	a     *alloc
	owner string  // in IDs: the task's name, or group-NAME
	task  string  // "" for the group
	tasks []*task // that a check without a task of its own restarts
	look  lookup
}

func (a *alloc) taskScope(t *task) serviceScope {
	_, look := t.scope().build()
	return serviceScope{a: a, owner: t.spec.Name, task: t.spec.Name, tasks: []*task{t}, look: look}
}

// groupScope is that of no task: what only tasks have is not known to it.
func (a *alloc) groupScope() serviceScope {
	h := a.shared
	scope := taskScope{
		alloc: a.want, job: a.job, group: a.group, spec: &api.Task{},
		dirs: taskDirs{alloc: a.dir.of("").alloc}, node: h.facts(), region: h.region, host: h.env,
	}
	env, look := scope.build()
	for _, name := range []string{"NOMAD_TASK_NAME", "NOMAD_TASK_DIR", "NOMAD_SECRETS_DIR", "NOMAD_CPU_LIMIT", "NOMAD_MEMORY_LIMIT"} {
		delete(env, name)
	}
	s := serviceScope{a: a, owner: "group-" + a.want.TaskGroup, look: look}
	for _, t := range a.tasks {
		if !t.role.ephemeral() {
			s.tasks = append(s.tasks, t)
		}
	}
	return s
}

// offer appends a service, with every ${...} replaced. One whose port is not there
// cannot be offered: the log says so.
func (s serviceScope) offer(out []offer, svc *api.Service) []offer {
	name, label := interpolate(svc.Name, s.look), interpolate(svc.PortLabel, s.look)
	ip, port, ok := s.endpoint(label)
	if !ok || name == "" {
		s.a.log.Warn("a service cannot be registered: the allocation has no such port", "service", name, "port", label)
		return out
	}
	tags := svc.Tags
	if status := s.a.want.DeploymentStatus; status != nil && status.Canary && len(svc.CanaryTags) > 0 {
		tags = svc.CanaryTags
	}
	o := offer{reg: &api.ServiceRegistration{
		ID:          strings.Join([]string{"_nomad-task", s.a.id, s.owner, name, label}, "-"),
		ServiceName: name, Tags: s.all(tags), Port: port,
		Address: cmp.Or(interpolate(svc.Address, s.look), ip),
	}}
	for i := range svc.Checks {
		o.checks = append(o.checks, s.check(svc, i, o.reg))
	}
	return append(out, o)
}

func (s serviceScope) all(texts []string) []string {
	var out []string
	for _, text := range texts {
		out = append(out, interpolate(text, s.look))
	}
	return out
}

// endpoint is where a port is reached on the node: the label of one that the
// allocation was given, or a number, at the node's own address. "" is port 0.
func (s serviceScope) endpoint(label string) (ip string, port int, ok bool) {
	own, _ := s.look("attr.unique.network.ip-address")
	for _, m := range s.ports() {
		if m.Label == label && label != "" {
			if bound := net.ParseIP(m.HostIP); bound != nil && !bound.IsUnspecified() {
				own = m.HostIP
			}
			return own, m.Value, true
		}
	}
	if label == "" {
		return own, 0, true
	}
	port, err := strconv.Atoi(label)
	return own, port, err == nil && port > 0 && port <= 65535
}

// ports are all ports of the allocation, those that single tasks were given included.
func (s serviceScope) ports() []api.PortMapping {
	all := s.a.want.AllocatedResources
	if all == nil {
		return nil
	}
	out := slices.Clone(all.Shared.Ports)
	for _, res := range all.Tasks {
		for _, network := range res.Networks {
			for _, port := range slices.Concat(network.ReservedPorts, network.DynamicPorts) {
				out = append(out, api.PortMapping{Label: port.Label, Value: port.Value, HostIP: network.IP})
			}
		}
	}
	return out
}
