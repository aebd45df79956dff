package scheduler

import (
	"slices"
	"strconv"
	"strings"
)

// Host volumes are matched by name. One asked for as single-node-single-writer has no
// other writer beside it: it counts like a device of which there is one.

// Holds returns the volumes that the allocation with an index uses on its node.
func (g *Group) Holds(index int) []VolumeHold {
	var out []VolumeHold
	for _, v := range g.Volumes {
		out = append(out, VolumeHold{Name: v.name(index), ReadOnly: v.ReadOnly, SingleWriter: v.SingleWriter})
	}
	return out
}

// name is the name that a node must offer; one per allocation carries its index.
func (v *VolumeAsk) name(index int) string {
	if v.PerAlloc && index >= 0 {
		return v.Source + "[" + strconv.Itoa(index) + "]"
	}
	return v.Source
}

func (f *filter) hasVolume(n *Node, ask VolumeAsk) bool {
	v, ok := n.HostVolumes[ask.name(f.index)]
	return ok && (ask.ReadOnly || !v.ReadOnly)
}

func (f *filter) volumeNames() string {
	names := make([]string, len(f.group.Volumes))
	for i, ask := range f.group.Volumes {
		names[i] = ask.name(f.index)
		if !ask.ReadOnly {
			names[i] += " (writable)"
		}
	}
	return strings.Join(names, ", ")
}

// perIndex reports whether the answer depends on the index of the allocation.
func perIndex(g *Group) bool {
	return slices.ContainsFunc(g.Volumes, func(v VolumeAsk) bool { return v.PerAlloc })
}

// sticky reports whether a successor must go where its predecessor was.
func (g *Group) sticky() bool {
	return slices.ContainsFunc(g.Volumes, func(v VolumeAsk) bool { return v.Sticky })
}

// holdVolume counts by (1, or -1 as an unsigned number) more users of a volume.
func (s *slot) holdVolume(v VolumeHold, by uint16) {
	if v.ReadOnly {
		return
	}
	if s.volumes == nil {
		s.volumes = map[string]volumeUse{}
	}
	use := s.volumes[v.Name]
	use.writers += by
	if v.SingleWriter {
		use.single += by
	}
	s.volumes[v.Name] = use
}

// volumeTaken returns the position of the ask whose volume has a writer that excludes it,
// or that it excludes; -1 if there is none.
func (f *filter) volumeTaken(s *slot) int {
	for i := range f.group.Volumes {
		ask := &f.group.Volumes[i]
		if ask.ReadOnly {
			continue
		}
		use := s.volumes[ask.name(f.index)]
		if use.single > 0 || ask.SingleWriter && use.writers > 0 {
			return i
		}
	}
	return -1
}
