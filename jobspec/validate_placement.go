package jobspec

import (
	"slices"

	"github.com/hashicorp/nomad/api"
)

// Bounds on what the scheduler has to look at for every placement. No job that works needs
// more: a node has 12,001 dynamic ports, and a spread beyond the third is noise.
const (
	maxPorts   = 1000
	maxSpreads = 16   // and distinct properties
	maxRules   = 1000 // constraints and affinities
)

// placement judges how much a group and its job ask of the scheduler together.
func (c checker) placement(job *api.Job, g *api.TaskGroup) {
	rules, spreads, ports := len(job.Constraints)+len(g.Constraints)+len(job.Affinities)+len(g.Affinities), len(job.Spreads)+len(g.Spreads), 0
	for _, con := range slices.Concat(job.Constraints, g.Constraints) {
		if con != nil && con.Operand == api.ConstraintDistinctProperty {
			spreads++
		}
	}
	for _, n := range g.Networks {
		if n != nil {
			ports += len(n.ReservedPorts) + len(n.DynamicPorts)
		}
	}
	for _, t := range g.Tasks {
		if t != nil {
			rules += len(t.Constraints) + len(t.Affinities)
		}
	}
	for _, bound := range []struct {
		what     string
		is, most int
	}{
		{"constraints and affinities", rules, maxRules}, {"spreads and distinct properties", spreads, maxSpreads}, {"ports", ports, maxPorts},
	} {
		if bound.is > bound.most {
			c.errorf("the group has %d %s, those of the job included; at most %d are allowed", bound.is, bound.what, bound.most)
		}
	}
}

// numa judges the wish of a task to have its cores on one NUMA node.
func (c checker) numa(r *api.Resources) {
	n := r.NUMA
	if n == nil {
		return
	}
	c = c.in("numa")
	if n.Affinity != "" {
		c.oneOf("affinity", n.Affinity, "none", "prefer", "require")
	}
	if or(r.Cores) == 0 && (n.Affinity == "prefer" || n.Affinity == "require") {
		c.errorf("affinity %q needs whole cores: use cores instead of cpu", n.Affinity)
	}
	for _, name := range n.Devices {
		if !slices.ContainsFunc(r.Devices, func(d *api.RequestedDevice) bool { return d != nil && d.Name == name }) {
			c.errorf("device %q is none of the task's devices", name)
		}
	}
}

// hostVolume judges how a host volume is to be used: a directory has no blocks, and one
// node's directory has no writers on others.
func (c checker) hostVolume(v *api.VolumeRequest) {
	if v.AccessMode != "" {
		c.oneOf("access_mode", v.AccessMode,
			string(api.HostVolumeAccessModeSingleNodeReader), string(api.HostVolumeAccessModeSingleNodeWriter),
			string(api.HostVolumeAccessModeSingleNodeSingleWriter), string(api.HostVolumeAccessModeSingleNodeMultiWriter))
	}
	if v.AttachmentMode != "" {
		c.oneOf("attachment_mode", v.AttachmentMode, string(api.HostVolumeAttachmentModeFilesystem))
	}
	if v.AccessMode == string(api.HostVolumeAccessModeSingleNodeReader) && !v.ReadOnly {
		c.errorf("access_mode %s needs read_only = true", v.AccessMode)
	}
	if v.Sticky && v.PerAlloc {
		c.errorf("sticky and per_alloc exclude each other: a volume per allocation is where its name is")
	}
}
