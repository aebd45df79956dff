package jobspec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// gap is a field of the Nomad job that this version refuses to run. Parse carries
// it; Validate refuses the job and names the field. To support a field, delete its row.
type gap struct {
	in      string   // api type
	field   string   // Go field of that type
	what    string   // how messages call it; %s stands for the value
	only    []string // values that are supported; nil: the field itself is refused unless zero
	not     []string // values that are refused, where Validate knows the others
	instead string   // advice, may be empty
}

type gapTable []gap

// gaps are the refused fields.
var gaps = gapTable{
	{in: "Job", field: "Multiregion", what: "multiregion", instead: "submit the job to each region"},

	{in: "TaskGroup", field: "Consul", what: "consul"},
	{in: "NetworkResource", field: "Mode", what: "network mode %s", only: []string{"", "host"}, instead: `use mode = "host"`},
	{in: "NetworkResource", field: "DNS", what: "network dns", instead: "tasks use the resolver of their node"},
	{in: "NetworkResource", field: "CNI", what: "network cni"},
	{in: "NetworkResource", field: "Hostname", what: "network hostname"},
	{in: "NetworkResource", field: "Device", what: "network device", instead: "the node chooses the interface (network_interface)"},
	{in: "NetworkResource", field: "CIDR", what: "network cidr"},
	{in: "NetworkResource", field: "IP", what: "network ip"},
	{in: "VolumeRequest", field: "Type", what: "volume type %s", only: []string{"", "host"}, instead: `use type = "host"`},
	{in: "VolumeRequest", field: "MountOptions", what: "mount_options"},

	{in: "Service", field: "Connect", what: "connect"},
	{in: "Service", field: "Identity", what: "service identity"},
	{in: "Service", field: "Cluster", what: "service cluster %s", only: []string{"", "default"}},
	{in: "Service", field: "AddressMode", what: "service address_mode %s", not: []string{"alloc", "alloc_ipv6", "driver"}, instead: `use address_mode = "host": tasks share the network of their node`},
	{in: "Service", field: "TaggedAddresses", what: "service tagged_addresses", instead: "they need Consul; use address for the one that others are to use"},
	{in: "Service", field: "Weights", what: "service weights", instead: "they need Consul"},
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
	{in: "WorkloadIdentity", field: "ExtraClaims", what: "identity extra_claims"},
	{in: "WorkloadIdentity", field: "ServiceName", what: "identity service_name", instead: "leave it out: services have no identity of their own yet"},
	{in: "Task", field: "Secrets", what: "secret"},
	{in: "Task", field: "Schedule", what: "schedule"},
	{in: "Task", field: "CSIPluginConfig", what: "csi_plugin"},
	{in: "Task", field: "ScalingPolicies", what: "scaling in a task", instead: "scaling in the group is supported"},
	{in: "Task", field: "Artifacts", what: "artifact", instead: "put the files on the node, or into the image"},
	{in: "Task", field: "Templates", what: "template", instead: "use env, or a file that is on the node"},
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
