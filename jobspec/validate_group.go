package jobspec

import (
	"slices"

	"github.com/hashicorp/nomad/api"
)

// group judges one group.
func (c checker) group(job *api.Job, g *api.TaskGroup, kind jobKind) {
	c.name("name", or(g.Name), "")
	c.atLeast("count", or(g.Count), 0)
	if kind.perNode {
		c.perNode(job, g)
	}
	if kind.ends && g.Update != nil {
		c.errorf("update has no place in a %s job, which is not rolled out; remove the block", or(job.Type))
	}
	c.meta(g.Meta)
	c.ownMeta(g.Meta, false)
	c.constraints(g.Constraints, g.Affinities, g.Spreads)
	c.placement(job, g)
	c.networks(g)
	if kind.ends && g.Migrate != nil {
		c.warnf("migrate has no effect in a %s job", or(job.Type))
	}
	if !kind.ends {
		c.update(g.Update, kind)
		if u, n := g.Update, or(g.Count); u != nil && !kind.perNode && n > 1 && or(u.MaxParallel) > n {
			c.warnf("update: max_parallel is more than count (%d, count is %d): a change replaces all allocations at once", or(u.MaxParallel), n)
		}
		c.migrate(g.Migrate)
	}
	if !kind.perNode {
		c.reschedule(g.ReschedulePolicy)
	}
	c.in("restart").restart(g.RestartPolicy)
	c.disconnect(g.Disconnect)
	c.scaling(g)
	c.volumes(g)
	if d := or(g.ShutdownDelay); d < 0 {
		c.errorf("shutdown_delay cannot be negative (is %s)", d)
	}
	if d := or(g.MaxRunDuration); d < 0 {
		c.errorf("max_run_duration cannot be negative (is %s)", d)
	}
	if g.EphemeralDisk != nil {
		c.within("ephemeral_disk size", or(g.EphemeralDisk.SizeMB), 0, maxMB)
	}
	c.services(g.Services, g, nil)
	c.tasks(job, g)
}

// perNode refuses what makes no sense for a job that runs once on every node.
func (c checker) perNode(job *api.Job, g *api.TaskGroup) {
	if n := or(g.Count); n > 1 {
		c.errorf("count must be 0 or 1 in a %s job, which runs once on every node (is %d)", or(job.Type), n)
	}
	if len(g.Affinities) > 0 || len(g.Spreads) > 0 {
		c.errorf("affinity and spread have no place in a %s job, which runs on every node that fits", or(job.Type))
	}
	if g.Scaling != nil {
		c.errorf("scaling has no place in a %s job, which runs once on every node", or(job.Type))
	}
	if g.ReschedulePolicy != nil {
		c.errorf("reschedule has no place in a %s job, which is never moved; use restart", or(job.Type))
	}
}

// tasks judges what the tasks of a group have to be together, then each of them.
func (c checker) tasks(job *api.Job, g *api.TaskGroup) {
	if len(g.Tasks) == 0 {
		if slices.ContainsFunc(g.Services, isGateway) {
			return // the proxy of the gateway is its task
		}
		c.errorf(`the group has no task; write task "name" { driver = ... }`)
		return
	}
	seen := map[string]bool{}
	mains, leaders := 0, 0
	for i, t := range g.Tasks {
		if t == nil {
			c.errorf("task %d is null", i+1)
			continue
		}
		if seen[t.Name] && t.Name != "" {
			c.errorf("task %q exists twice", t.Name)
		}
		seen[t.Name] = true
		if t.Lifecycle == nil {
			mains++
		}
		if t.Leader {
			leaders++
		}
		c.in("task %q", t.Name).task(job, g, t)
	}
	if mains == 0 {
		c.errorf("every task has a lifecycle block; one must be without, as the main task")
	}
	if leaders > 1 {
		c.errorf("%d tasks are leaders; one at most", leaders)
	}
}

func isGateway(s *api.Service) bool {
	return s != nil && s.Connect != nil && s.Connect.Gateway != nil
}

// networks judges the ports of a group. Their labels are one space of names,
// and a static port can be had once on each host network.
func (c checker) networks(g *api.TaskGroup) {
	c = c.in("network")
	if len(g.Networks) > 1 {
		c.errorf("a group has one network at most (has %d)", len(g.Networks))
	}
	labels := map[string]bool{}
	type address struct {
		network string
		port    int
	}
	static := map[address]string{}
	for _, network := range g.Networks {
		if network == nil {
			continue
		}
		for _, port := range network.DynamicPorts {
			c.port(port, labels)
		}
		for _, port := range network.ReservedPorts {
			c.port(port, labels)
			if port.Value < 1 || port.Value > maxPort {
				c.errorf("port %q: static must be between 1 and %d (is %d)", port.Label, maxPort, port.Value)
				continue
			}
			at := address{port.HostNetwork, port.Value}
			if other, taken := static[at]; taken && !port.IgnoreCollision {
				c.errorf("ports %q and %q both ask for static %d", other, port.Label, port.Value)
			}
			static[at] = port.Label
		}
	}
}

// maxPort is the highest TCP or UDP port.
const maxPort = 65535

// port judges what static and dynamic ports have in common.
func (c checker) port(port api.Port, labels map[string]bool) {
	if !plainName(port.Label) { // it becomes part of NOMAD_PORT_<label>
		c.errorf("port label %q must be 1 to 128 letters, digits, _ or -", port.Label)
	}
	if labels[port.Label] {
		c.errorf("port %q exists twice", port.Label)
	}
	labels[port.Label] = true
	if port.To < -1 || port.To > maxPort {
		c.errorf("port %q: to must be between 1 and %d, or -1 for the same number as outside (is %d)", port.Label, maxPort, port.To)
	}
}

// volumes judges the volumes that a group asks for.
func (c checker) volumes(g *api.TaskGroup) {
	for _, name := range keys(g.Volumes) {
		volume, c := g.Volumes[name], c.in("volume %q", name)
		switch {
		case volume == nil:
			c.errorf("is null")
		case volume.Type == "":
			c.errorf(`type is missing; write type = "host"`)
		case volume.Source == "":
			c.errorf("source is missing: the name of the volume on the node")
		case volume.Type == "host":
			c.hostVolume(volume)
		}
	}
}

// scaling judges the bounds within which an autoscaler may move the count.
func (c checker) scaling(g *api.TaskGroup) {
	s := g.Scaling
	if s == nil {
		return
	}
	c = c.in("scaling")
	if s.Type != "" {
		c.oneOf("type", s.Type, api.ScalingPolicyTypeHorizontal)
	}
	if s.Max == nil {
		c.errorf("max is missing")
		return
	}
	least, most, count := or(s.Min), *s.Max, int64(or(g.Count))
	switch {
	case least < 0:
		c.errorf("min cannot be negative (is %d)", least)
	case most < least:
		c.errorf("max must be at least min (is %d, min is %d)", most, least)
	case most > int64(c.limits.MaxCount):
		c.errorf("max must be at most %d (is %d)", c.limits.MaxCount, most)
	case count < least || count > most:
		c.errorf("count %d is not between min %d and max %d", count, least, most)
	}
}
