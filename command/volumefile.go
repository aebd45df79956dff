package command

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/hashicorp/nomad/api"
)

// volumeExamples are what volume init writes, by type.
var volumeExamples = map[string]struct{ hcl, json string }{
	"host": {
		hcl: `# A directory on one node that outlives the tasks that use it:
# selfheal volume create volume.hcl
type      = "host"
name      = "data"
namespace = "default"

# Who makes it. mkdir is built in; another name is a plugin of the node.
plugin_id = "mkdir"

# Where: on a node of this pool that fits the constraints. Or node_id = "...".
node_pool = "default"

constraint {
  attribute = "${attr.kernel.name}"
  value     = "linux"
}

capacity_min = "1GiB"
capacity_max = "10GiB"

capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

parameters {
  mode = "0700"
}
`,
		json: `{
  "Type": "host",
  "Name": "data",
  "Namespace": "default",
  "PluginID": "mkdir",
  "NodePool": "default",
  "CapacityMin": "1GiB",
  "CapacityMax": "10GiB",
  "Capabilities": [
    {"AccessMode": "single-node-writer", "AttachmentMode": "file-system"}
  ],
  "Parameters": {"mode": "0700"}
}
`,
	},
	"csi": {
		hcl: `# A volume of a storage system: selfheal volume create volume.hcl
type      = "csi"
id        = "database"
name      = "database"
namespace = "default"
plugin_id = "ebs"

capacity_min = "10GiB"
capacity_max = "20GiB"

capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

mount_options {
  fs_type     = "ext4"
  mount_flags = ["noatime"]
}

parameters {
  type = "gp3"
}
`,
		json: `{
  "Type": "csi",
  "ID": "database",
  "Name": "database",
  "Namespace": "default",
  "PluginID": "ebs",
  "CapacityMin": "10GiB",
  "CapacityMax": "20GiB",
  "Capabilities": [
    {"AccessMode": "single-node-writer", "AttachmentMode": "file-system"}
  ],
  "Parameters": {"type": "gp3"}
}
`,
	},
}

// volumeFile is a volume's specification, of either type.
type volumeFile struct {
	Type       string `hcl:"type,optional"`
	ID         string `hcl:"id,optional"`
	Name       string `hcl:"name,optional"`
	Namespace  string `hcl:"namespace,optional"`
	PluginID   string `hcl:"plugin_id,optional"`
	NodeID     string `hcl:"node_id,optional"`
	NodePool   string `hcl:"node_pool,optional"`
	HostPath   string `hcl:"host_path,optional"`
	ExternalID string `hcl:"external_id,optional"`
	SnapshotID string `hcl:"snapshot_id,optional"`
	CloneID    string `hcl:"clone_id,optional"`
	// Sizes as text: 10GiB.
	CapacityMin string `hcl:"capacity_min,optional"`
	CapacityMax string `hcl:"capacity_max,optional"`
	Capacity    string `hcl:"capacity,optional"`
	// AccessMode and AttachmentMode are the old spelling of one capability.
	AccessMode     string `hcl:"access_mode,optional"`
	AttachmentMode string `hcl:"attachment_mode,optional"`

	Capabilities []*volumeCapability `hcl:"capability,block"`
	Constraints  []*volumeConstraint `hcl:"constraint,block"`
	MountOptions *api.CSIMountOptions
	MountBlock   *mountBlock      `hcl:"mount_options,block" json:"-"`
	Topology     *topologyRequest `hcl:"topology_request,block"`
	Secrets      map[string]string
	Parameters   map[string]string
	Context      map[string]string

	SecretsBlock    *textBlock `hcl:"secrets,block" json:"-"`
	ParametersBlock *textBlock `hcl:"parameters,block" json:"-"`
	ContextBlock    *textBlock `hcl:"context,block" json:"-"`

	min, max, size int64
}

type volumeCapability struct {
	AccessMode     string `hcl:"access_mode"`
	AttachmentMode string `hcl:"attachment_mode"`
}

// volumeConstraint is decoded by hand: ${attr.kernel.name} is for the servers.
type volumeConstraint struct {
	Attribute string
	Operator  string
	Value     string
	Rest      hcl.Body `hcl:",remain" json:"-"`
}

// read takes the constraint from the file's text.
func (c *volumeConstraint) read(text []byte) error {
	attributes, diags := c.Rest.JustAttributes()
	if diags.HasErrors() {
		return diags
	}
	fields := map[string]*string{"attribute": &c.Attribute, "operator": &c.Operator, "value": &c.Value}
	for name, a := range attributes {
		to, ok := fields[name]
		if !ok {
			return fmt.Errorf("%s: a constraint has no %q%s", a.NameRange, name, didYouMean(name, keys(fields)))
		}
		*to = literal(a.Expr, text)
	}
	return nil
}

// literal is an expression's value, or its text as it stands where it refers to
// what only the servers know.
func literal(e hcl.Expression, source []byte) string {
	if v, diags := e.Value(nil); !diags.HasErrors() {
		if text, err := textOf(v); err == nil {
			return text
		}
	}
	return strings.Trim(string(e.Range().SliceBytes(source)), "\"")
}

type mountBlock struct {
	FSType     string   `hcl:"fs_type,optional"`
	MountFlags []string `hcl:"mount_flags,optional"`
}

type topologyRequest struct {
	Required  *topologies `hcl:"required,block"`
	Preferred *topologies `hcl:"preferred,block"`
}

type topologies struct {
	Topology []*topology `hcl:"topology,block"`
}

type topology struct {
	Segments map[string]string
	Block    *textBlock `hcl:"segments,block" json:"-"`
}

// readVolume reads and checks a volume's file.
func (s *session) readVolume(path string) (*volumeFile, error) {
	f := new(volumeFile)
	err := s.specification(path, false, func(path string, text []byte) error {
		if err := hclsimple.Decode(path, text, nil, f); err != nil {
			return err
		}
		for _, c := range f.Constraints {
			if err := c.read(text); err != nil {
				return err
			}
		}
		return nil
	}, f)
	if err != nil {
		return nil, err
	}
	return f, f.complete(s)
}

// complete derives what the API wants from what the file says.
func (f *volumeFile) complete(s *session) (err error) {
	for to, from := range f.blocks() {
		if from != nil {
			if *to, err = from.values(); err != nil {
				return fmt.Errorf("read specification: %w", err)
			}
		}
	}
	for _, size := range []struct {
		to   *int64
		name string
		text string
	}{{&f.min, "capacity_min", f.CapacityMin}, {&f.max, "capacity_max", f.CapacityMax}, {&f.size, "capacity", f.Capacity}} {
		if *size.to, err = parseBytes(size.text); err != nil {
			return fmt.Errorf("read specification: %s: %w", size.name, err)
		}
	}
	if f.MountBlock != nil {
		f.MountOptions = &api.CSIMountOptions{FSType: f.MountBlock.FSType, MountFlags: f.MountBlock.MountFlags}
	}
	if f.AccessMode != "" || f.AttachmentMode != "" {
		f.Capabilities = append(f.Capabilities, &volumeCapability{f.AccessMode, f.AttachmentMode})
	}
	if f.Namespace == "" || s.or(s.flags.namespace, "NAMESPACE") != "" {
		f.Namespace = s.namespace()
	}
	switch f.Type {
	case api.CSIVolumeTypeHost:
	case api.CSIVolumeTypeCSI:
		if f.ID == "" {
			return usagef("a csi volume wants an id")
		}
	default:
		return usagef("type is \"host\" or \"csi\", not %q", f.Type)
	}
	return nil
}

func (f *volumeFile) host() *api.HostVolume {
	v := &api.HostVolume{
		Namespace: f.Namespace, ID: f.ID, Name: f.Name, PluginID: f.PluginID, NodePool: f.NodePool, NodeID: f.NodeID,
		RequestedCapacityMinBytes: f.min, RequestedCapacityMaxBytes: f.max, CapacityBytes: f.size,
		Parameters: f.Parameters, HostPath: f.HostPath,
	}
	for _, c := range f.Constraints {
		operator := c.Operator
		if operator == "" {
			operator = "="
		}
		v.Constraints = append(v.Constraints, &api.Constraint{LTarget: c.Attribute, RTarget: c.Value, Operand: operator})
	}
	for _, c := range f.Capabilities {
		v.RequestedCapabilities = append(v.RequestedCapabilities, &api.HostVolumeCapability{
			AccessMode: api.HostVolumeAccessMode(c.AccessMode), AttachmentMode: api.HostVolumeAttachmentMode(c.AttachmentMode),
		})
	}
	return v
}

func (f *volumeFile) csi() *api.CSIVolume {
	v := &api.CSIVolume{
		ID: f.ID, Name: f.Name, ExternalID: f.ExternalID, Namespace: f.Namespace, PluginID: f.PluginID,
		MountOptions: f.MountOptions, Secrets: f.Secrets, Parameters: f.Parameters, Context: f.Context,
		RequestedCapacityMin: f.min, RequestedCapacityMax: f.max, CloneID: f.CloneID, SnapshotID: f.SnapshotID,
		RequestedTopologies: f.Topology.request(),
	}
	for _, c := range f.Capabilities {
		v.RequestedCapabilities = append(v.RequestedCapabilities, &api.CSIVolumeCapability{
			AccessMode: api.CSIVolumeAccessMode(c.AccessMode), AttachmentMode: api.CSIVolumeAttachmentMode(c.AttachmentMode),
		})
	}
	return v
}

func (t *topologyRequest) request() *api.CSITopologyRequest {
	if t == nil {
		return nil
	}
	return &api.CSITopologyRequest{Required: t.Required.list(), Preferred: t.Preferred.list()}
}

func (t *topologies) list() []*api.CSITopology {
	var out []*api.CSITopology
	if t != nil {
		for _, x := range t.Topology {
			out = append(out, &api.CSITopology{Segments: x.Segments})
		}
	}
	return out
}

// blocks are the maps of the file that stand there as blocks.
func (f *volumeFile) blocks() map[*map[string]string]*textBlock {
	out := map[*map[string]string]*textBlock{&f.Secrets: f.SecretsBlock, &f.Parameters: f.ParametersBlock, &f.Context: f.ContextBlock}
	if f.Topology != nil {
		for _, list := range []*topologies{f.Topology.Required, f.Topology.Preferred} {
			if list != nil {
				for _, t := range list.Topology {
					out[&t.Segments] = t.Block
				}
			}
		}
	}
	return out
}
