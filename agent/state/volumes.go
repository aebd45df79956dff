package state

import (
	"iter"
	"maps"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// Commands about volumes.
const (
	TypeUpsertCSIVolume Type = 60 + iota
	TypeDeregisterCSIVolume
	TypeUpsertHostVolume
	TypeDeleteHostVolume
)

// The tables of volumes.
const (
	TableCSIVolumes  = "csi_volumes"  // *api.CSIVolume
	TableHostVolumes = "host_volumes" // *api.HostVolume
)

// Kinds of records of a saved state; see persist.go.
const (
	recCSIVolume byte = 60 + iota
	recHostVolume
)

const byNode = "node"

// csiVolumeIndexes and hostVolumeIndexes are the tables' rows of the schema.
var (
	csiVolumeIndexes = []index{
		identity(func(v *api.CSIVolume) []byte { return joinKey(v.Namespace, v.ID) }),
	}
	hostVolumeIndexes = []index{
		identity(func(v *api.HostVolume) []byte { return joinKey(v.ID) }),
		some(byNode, func(v *api.HostVolume) []byte { return joinKey(v.NodeID) }),
	}
)

// UpsertCSIVolume stores a volume of a storage provider; one that is known keeps its
// plugin. Result: error or nil.
type UpsertCSIVolume struct{ Volume *api.CSIVolume }

// DeregisterCSIVolume forgets a volume. Result: error or nil.
type DeregisterCSIVolume struct{ Namespace, ID string }

// UpsertHostVolume stores a host volume. Its state is for the node to say: pending
// until it registers with the volume. Result: error or nil.
type UpsertHostVolume struct{ Volume *api.HostVolume }

// DeleteHostVolume forgets a host volume. Result: error or nil.
type DeleteHostVolume struct{ Namespace, ID string }

// Type ties the command to its number.
func (*UpsertCSIVolume) Type() Type { return TypeUpsertCSIVolume }

// Type ties the command to its number.
func (*DeregisterCSIVolume) Type() Type { return TypeDeregisterCSIVolume }

// Type ties the command to its number.
func (*UpsertHostVolume) Type() Type { return TypeUpsertHostVolume }

// Type ties the command to its number.
func (*DeleteHostVolume) Type() Type { return TypeDeleteHostVolume }

// CSIVolume is a volume of a storage provider, nil if there is none. It carries
// secrets: see ShownCSIVolume.
func (s *Snapshot) CSIVolume(ws memdb.WatchSet, ns, id string) *api.CSIVolume {
	return one[api.CSIVolume](s, ws, TableCSIVolumes, byID, ns, id)
}

// CSIVolumes are the volumes of a namespace, or of all, whose ID begins with prefix,
// by namespace and ID.
func (s *Snapshot) CSIVolumes(ws memdb.WatchSet, ns, prefix string) iter.Seq[*api.CSIVolume] {
	if ns != AllNamespaces {
		return rows[api.CSIVolume](s, ws, TableCSIVolumes, byID+"_prefix", ns, prefix)
	}
	all := rows[api.CSIVolume](s, ws, TableCSIVolumes, byID)
	return where(all, func(v *api.CSIVolume) bool { return strings.HasPrefix(v.ID, prefix) })
}

// ShownCSIVolume is the volume as it may be shown: the values of its secrets and its
// mount flags are not.
func ShownCSIVolume(v *api.CSIVolume) *api.CSIVolume {
	const hidden = "[REDACTED]"
	shown := *v
	shown.Secrets = maps.Clone(v.Secrets)
	for name := range shown.Secrets {
		shown.Secrets[name] = hidden
	}
	if v.MountOptions != nil && len(v.MountOptions.MountFlags) > 0 {
		options := *v.MountOptions
		options.MountFlags = []string{hidden}
		shown.MountOptions = &options
	}
	return &shown
}

// HostVolume is a host volume of a namespace, nil if there is none.
func (s *Snapshot) HostVolume(ws memdb.WatchSet, ns, id string) *api.HostVolume {
	v := one[api.HostVolume](s, ws, TableHostVolumes, byID, id)
	if v == nil || v.Namespace != ns && ns != AllNamespaces {
		return nil
	}
	return v
}

// HostVolumes are the host volumes of a namespace, or of all, whose ID begins with
// prefix, by ID.
func (s *Snapshot) HostVolumes(ws memdb.WatchSet, ns, prefix string) iter.Seq[*api.HostVolume] {
	all := rows[api.HostVolume](s, ws, TableHostVolumes, byID+"_prefix", prefix)
	return where(all, func(v *api.HostVolume) bool { return ns == AllNamespaces || v.Namespace == ns })
}

// HostVolumesByNode are the host volumes of a node, by ID.
func (s *Snapshot) HostVolumesByNode(ws memdb.WatchSet, node string) iter.Seq[*api.HostVolume] {
	return rows[api.HostVolume](s, ws, TableHostVolumes, byNode+"_prefix", node+"\x00")
}

func applyUpsertCSIVolume(t *tx, c *UpsertCSIVolume) any {
	switch {
	case c.Volume == nil || c.Volume.ID == "" || c.Volume.PluginID == "":
		return invalidf("register volume: it needs an ID and a plugin ID")
	case t.Namespace(nil, c.Volume.Namespace) == nil:
		return invalidf("register volume: namespace %q does not exist", c.Volume.Namespace)
	}
	old, after := t.CSIVolume(nil, c.Volume.Namespace, c.Volume.ID), *c.Volume
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	after.CreateTime, after.ModifyTime = t.at, t.at
	if old != nil {
		if old.PluginID != after.PluginID || old.ExternalID != after.ExternalID {
			return conflictf("volume %q is registered with plugin %q and external ID %q, which cannot change: deregister it first", old.ID, old.PluginID, old.ExternalID)
		}
		after.CreateIndex, after.CreateTime = old.CreateIndex, old.CreateTime
	}
	put(t, TableCSIVolumes, old, &after)
	return nil
}

func applyDeregisterCSIVolume(t *tx, c *DeregisterCSIVolume) any {
	v := t.CSIVolume(nil, c.Namespace, c.ID)
	if v == nil {
		return ErrNotFound{"volume", c.ID}
	}
	drop(t, TableCSIVolumes, v)
	return nil
}

func applyUpsertHostVolume(t *tx, c *UpsertHostVolume) any {
	switch {
	case c.Volume == nil || c.Volume.ID == "" || c.Volume.Name == "" || c.Volume.NodeID == "":
		return invalidf("store host volume: it needs an ID, a name and a node")
	case t.Namespace(nil, c.Volume.Namespace) == nil:
		return invalidf("store host volume: namespace %q does not exist", c.Volume.Namespace)
	}
	n := t.Node(nil, c.Volume.NodeID)
	if n == nil {
		return ErrNotFound{"node", c.Volume.NodeID}
	}
	for other := range t.HostVolumesByNode(nil, n.ID) {
		if other.Name == c.Volume.Name && other.ID != c.Volume.ID {
			return conflictf("node %s has a host volume %q already: choose another name or node", n.ID, other.Name)
		}
	}
	old, after := t.HostVolume(nil, AllNamespaces, c.Volume.ID), *c.Volume
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	after.CreateTime, after.ModifyTime = t.at, t.at
	if old != nil {
		if old.Name != after.Name || old.NodeID != after.NodeID || old.Namespace != after.Namespace {
			return conflictf("host volume %q is %q on node %s in namespace %q, which cannot change", old.ID, old.Name, old.NodeID, old.Namespace)
		}
		after.CreateIndex, after.CreateTime = old.CreateIndex, old.CreateTime
	}
	settleVolume(&after, n)
	put(t, TableHostVolumes, old, &after)
	return nil
}

func applyDeleteHostVolume(t *tx, c *DeleteHostVolume) any {
	v := t.HostVolume(nil, c.Namespace, c.ID)
	if v == nil {
		return ErrNotFound{"host volume", c.ID}
	}
	drop(t, TableHostVolumes, v)
	return nil
}

// settleVolume gives a volume the state that its node's registration says, and
// reports whether that was another.
func settleVolume(v *api.HostVolume, n *Node) bool {
	before := *v
	v.NodePool, v.State = n.NodePool, api.HostVolumeStatePending
	if info := n.HostVolumes[v.Name]; info != nil && info.ID == v.ID {
		v.State, v.HostPath = api.HostVolumeStateReady, info.Path
	}
	return v.State != before.State || v.NodePool != before.NodePool || v.HostPath != before.HostPath
}

// settleVolumes does so for all volumes of a node that registers.
func (t *tx) settleVolumes(n *Node) {
	var changed [][2]*api.HostVolume
	for v := range t.HostVolumesByNode(nil, n.ID) {
		after := *v
		if settleVolume(&after, n) {
			after.ModifyIndex, after.ModifyTime = t.index, t.at
			changed = append(changed, [2]*api.HostVolume{v, &after})
		}
	}
	for _, c := range changed {
		put(t, TableHostVolumes, c[0], c[1])
	}
}
