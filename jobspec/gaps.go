package jobspec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// gap is a field of the Nomad job that this version refuses. One table serves
// both ways in: Parse refuses at the position in the file, Validate by the name
// of the field, for jobs that arrive as JSON. To support a field, delete its row.
type gap struct {
	in      string   // api type; "*" is any block of a job file
	field   string   // Go field of that type; the name in the file for "*"
	what    string   // how messages call it; %s stands for the value
	only    []string // values that are supported; nil: the field itself is refused unless zero
	not     []string // values that are refused, where Validate knows the others
	carried bool     // Parse accepts the field; only Validate refuses the job
	instead string   // advice, may be empty
}

type gapTable []gap

// gaps are the refused fields.
var gaps = gapTable{
	// Blocks of our own, designed but not built.
	{in: "*", field: "heal", what: "block heal"},
	{in: "*", field: "ingress", what: "block ingress"},
	{in: "*", field: "analysis", what: "block analysis"},

	{in: "Job", field: "AllAtOnce", what: "all_at_once", instead: "leave it out: groups are placed one by one"},
	{in: "Job", field: "Multiregion", what: "multiregion", instead: "submit the job to each region"},
	{in: "Job", field: "UI", what: "ui", instead: "put the text into meta"},

	{in: "TaskGroup", field: "Consul", what: "consul"},
	{in: "NetworkResource", field: "Mode", what: "network mode %s", only: []string{"", "host"}, instead: `use mode = "host"`},
	{in: "NetworkResource", field: "DNS", what: "network dns", instead: "tasks use the resolver of their node"},
	{in: "NetworkResource", field: "CNI", what: "network cni"},
	{in: "NetworkResource", field: "Hostname", what: "network hostname"},
	{in: "NetworkResource", field: "Device", what: "network device", instead: "the node chooses the interface (network_interface)"},
	{in: "NetworkResource", field: "CIDR", what: "network cidr"},
	{in: "NetworkResource", field: "IP", what: "network ip"},
	{in: "Port", field: "HostNetwork", what: "host_network %s", only: []string{"", "default"}},
	{in: "VolumeRequest", field: "Type", what: "volume type %s", only: []string{"", "host"}, instead: `use type = "host"`},
	{in: "VolumeRequest", field: "MountOptions", what: "mount_options"},

	{in: "Service", field: "Connect", what: "connect"},
	{in: "Service", field: "Identity", what: "service identity"},
	{in: "Service", field: "Cluster", what: "service cluster %s", only: []string{"", "default"}},
	{in: "Service", field: "AddressMode", what: "service address_mode %s", not: []string{"alloc", "alloc_ipv6", "driver"}, instead: `use address_mode = "host": tasks share the network of their node`},
	{in: "Service", field: "TaggedAddresses", what: "service tagged_addresses", carried: true, instead: "they need Consul; use address for the one that others are to use"},
	{in: "Service", field: "Weights", what: "service weights", carried: true, instead: "they need Consul"},
	{in: "Service", field: "Kind", what: "service kind", instead: "it belongs to connect"},
	{in: "ServiceCheck", field: "Type", what: "check type %s", not: []string{"grpc", "script"}, instead: `use type = "http" or "tcp"`},
	{in: "ServiceCheck", field: "Command", what: "check command", instead: `use type = "http" or "tcp"`},
	{in: "ServiceCheck", field: "Args", what: "check args", instead: `use type = "http" or "tcp"`},
	{in: "ServiceCheck", field: "GRPCService", what: "check grpc_service", instead: `use type = "http" or "tcp"`},
	{in: "ServiceCheck", field: "GRPCUseTLS", what: "check grpc_use_tls", instead: `use type = "http" or "tcp"`},
	{in: "ServiceCheck", field: "AddressMode", what: "check address_mode %s", not: []string{"alloc", "alloc_ipv6", "driver"}, instead: "leave it out: a check asks where the task listens on its node"},
	{in: "ServiceCheck", field: "Advertise", what: "check advertise", instead: "leave it out: a check asks where the task listens on its node"},
	{in: "ServiceCheck", field: "Expose", what: "check expose", instead: "it belongs to connect"},

	{in: "Task", field: "Vault", what: "vault"},
	{in: "Task", field: "Consul", what: "consul"},
	{in: "Task", field: "Identity", what: "identity"},
	{in: "Task", field: "Identities", what: "identity"},
	{in: "Task", field: "Secrets", what: "secret"},
	{in: "Task", field: "Schedule", what: "schedule"},
	{in: "Task", field: "CSIPluginConfig", what: "csi_plugin"},
	{in: "Task", field: "ScalingPolicies", what: "scaling in a task", instead: "scaling in the group is supported"},
	{in: "Task", field: "Artifacts", what: "artifact", carried: true, instead: "put the files on the node, or into the image"},
	{in: "Task", field: "Templates", what: "template", carried: true, instead: "use env, or a file that is on the node"},
	{in: "Resources", field: "NUMA", what: "numa"},
	{in: "Resources", field: "SecretsMB", what: "resources secrets"},
}

// message is the summary of a refusal.
func (g *gap) message(value string) string {
	what := g.what
	if strings.Contains(what, "%s") {
		what = fmt.Sprintf(what, value)
	}
	return what + " is not supported by this version"
}

// whole finds the row that refuses a field as such, whatever it holds. A field
// whose zero value is harmless is judged by value instead.
func (t gapTable) whole(typ reflect.Type, index int) *gap {
	field := typ.Field(index)
	row := t.find(typ.Name(), field.Name)
	if row == nil || row.only != nil || row.not != nil || row.carried {
		return nil
	}
	if kind := deref(field.Type).Kind(); kind != reflect.Struct && kind != reflect.Slice {
		return nil
	}
	return row
}

// value finds the row that refuses what a field holds.
func (t gapTable) value(typ reflect.Type, index int, held reflect.Value) *gap {
	row := t.find(typ.Name(), typ.Field(index).Name)
	if row == nil || row.carried || row.allows(held) {
		return nil
	}
	return row
}

// named finds the row for a block that the api types do not know.
func (t gapTable) named(name string) *gap { return t.find("*", name) }

func (t gapTable) find(in, field string) *gap {
	for i := range t {
		if t[i].in == in && t[i].field == field {
			return &t[i]
		}
	}
	return nil
}

// allows reports whether a value asks for nothing that is missing.
func (g *gap) allows(held reflect.Value) bool {
	for held.Kind() == reflect.Pointer && !held.IsNil() && held.Elem().Kind() != reflect.Struct {
		held = held.Elem()
	}
	if g.only != nil {
		return slices.Contains(g.only, printable(held))
	}
	if g.not != nil {
		return !slices.Contains(g.not, printable(held))
	}
	return held.IsZero() || (held.Kind() == reflect.Slice && held.Len() == 0)
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
