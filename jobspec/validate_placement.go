package jobspec

import (
	"slices"

	"github.com/hashicorp/nomad/api"
)

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
