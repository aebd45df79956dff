package jobspec

import (
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// serviceName reports whether is may name a service: names become labels in DNS
// (RFC 1123, section 2.1).
func serviceName(is string) bool { return hostLabel(is) }

// minCheck is the shortest interval and timeout of a check.
const minCheck = time.Second

// services judges the services of a group (t is nil) or of a task.
func (c checker) services(list []*api.Service, g *api.TaskGroup, t *api.Task) {
	seen := map[[2]string]bool{}
	for _, s := range list {
		if s == nil {
			continue
		}
		c.service(s, g, t)
		if key := [2]string{s.Name, s.PortLabel}; seen[key] {
			c.errorf("service %q is there twice with port %q: give one another name or port", s.Name, s.PortLabel)
		} else {
			seen[key] = true
		}
	}
}

// service judges one service. What of it is metadata is carried with the job and has
// no place in the built-in catalogue, whose registrations have tags only: meta,
// canary_meta, enable_tag_override (nobody but the job changes tags there) and the
// notes of a check.
func (c checker) service(s *api.Service, g *api.TaskGroup, t *api.Task) {
	c = c.in("service %q", s.Name)
	if !atRuntime(s.Name) && !serviceName(s.Name) {
		c.errorf("name must be 1 to 63 letters, digits or -, beginning and ending with a letter or digit")
	}
	c.oneOf("provider", s.Provider, "", api.ServiceProviderConsul, "nomad")
	if s.Provider == api.ServiceProviderConsul { // also where none was named: it is the default
		c.warnf(`provider "consul": no Consul is connected yet; it is registered in the built-in catalogue`)
	}
	c.oneOf("address_mode", s.AddressMode, "", "auto", "alloc", "alloc_ipv6", "driver", "host")
	c.oneOf("on_update", s.OnUpdate, "", api.OnUpdateRequireHealthy, api.OnUpdateIgnoreWarn, api.OnUpdateIgnore)
	c.servicePort(s.PortLabel, s.AddressMode, g)
	if s.TaskName != "" && t == nil && !hasTask(g, s.TaskName) {
		c.errorf("task %q is not in the group", s.TaskName)
	}
	c.checkRestart(s.CheckRestart)
	for i := range s.Checks {
		name := s.Checks[i].Name
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		c.in("check %q", name).check(&s.Checks[i], s, g)
	}
}

// servicePort judges a reference to a port: the label of one, or its number
// where the address is the task's own.
func (c checker) servicePort(label, mode string, g *api.TaskGroup) {
	if label == "" || atRuntime(label) || hasPort(g, label) {
		return
	}
	n, err := strconv.Atoi(label)
	switch {
	case err != nil:
		hint := didYouMean(label, portLabels(g))
		if hint == "" {
			hint = `declare it with network { port "` + label + `" { } }`
		}
		c.errorf("port %q is not declared in the group; %s", label, hint)
	case n < 1 || n > maxPort:
		c.errorf("port must be between 1 and %d (is %d)", maxPort, n)
	case mode == "host":
		c.errorf("port %d: address_mode host needs the label of a port", n)
	}
}

// checkTypes says what each type of check needs. The last two are known, and
// refused by the table of gaps.
var checkTypes = map[string]struct{ port, path bool }{
	"http":   {port: true, path: true},
	"tcp":    {port: true},
	"grpc":   {port: true},
	"script": {},
}

// check judges one health check.
func (c checker) check(check *api.ServiceCheck, s *api.Service, g *api.TaskGroup) {
	needs, known := checkTypes[check.Type]
	if !known {
		c.oneOf("type", check.Type, "http", "tcp")
	}
	if check.Interval < minCheck {
		c.errorf("interval must be at least %s (is %s)", minCheck, check.Interval)
	}
	if check.Timeout < minCheck {
		c.errorf("timeout must be at least %s (is %s)", minCheck, check.Timeout)
	}
	if needs.port && check.PortLabel == "" && s.PortLabel == "" {
		c.errorf("port is missing, here and in the service")
	}
	c.servicePort(check.PortLabel, "", g)
	if needs.path && !strings.HasPrefix(check.Path, "/") && !atRuntime(check.Path) {
		c.errorf("path must begin with / (is %q)", check.Path)
	}
	if check.TaskName != "" && !hasTask(g, check.TaskName) {
		c.errorf("task %q is not in the group", check.TaskName)
	}
	c.oneOf("initial_status", check.InitialStatus, "", "passing", "warning", "critical")
	c.oneOf("on_update", check.OnUpdate, "", api.OnUpdateRequireHealthy, api.OnUpdateIgnoreWarn, api.OnUpdateIgnore)
	c.oneOf("address_mode", check.AddressMode, "", "alloc", "alloc_ipv6", "driver", "host")
	if needs.path {
		c.oneOf("protocol", check.Protocol, "", "http", "https")
	} else if check.Type == "tcp" && (check.Path != "" || check.Method != "" || check.Body != "" || len(check.Header) > 0 || check.Protocol != "") {
		c.warnf("path, method, protocol, header and body have no effect on a tcp check")
	}
	c.checkRestart(check.CheckRestart)
}

func (c checker) checkRestart(r *api.CheckRestart) {
	if r == nil {
		return
	}
	c = c.in("check_restart")
	c.atLeast("limit", r.Limit, 0)
	if d := or(r.Grace); d < 0 {
		c.errorf("grace cannot be negative (is %s)", d)
	}
}

func hasTask(g *api.TaskGroup, name string) bool {
	for _, t := range g.Tasks {
		if t != nil && t.Name == name {
			return true
		}
	}
	return false
}

func hasPort(g *api.TaskGroup, label string) bool {
	for _, known := range portLabels(g) {
		if known == label {
			return true
		}
	}
	return false
}

// portLabels are the labels of all ports of a group.
func portLabels(g *api.TaskGroup) []string {
	var out []string
	for _, n := range g.Networks {
		if n == nil {
			continue
		}
		for _, p := range n.ReservedPorts {
			out = append(out, p.Label)
		}
		for _, p := range n.DynamicPorts {
			out = append(out, p.Label)
		}
	}
	return out
}
