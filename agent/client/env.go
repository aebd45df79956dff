package client

import (
	"maps"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// nodeFacts is what a job file can refer to of its node.
type nodeFacts struct {
	attributes map[string]string // ${attr.NAME}
	meta       map[string]string // ${meta.NAME}
	names      map[string]string // ${node.NAME}: unique.id, unique.name, datacenter, region, class, pool
}

// factsOf reads them from the node as it is registered.
func factsOf(node *api.Node, region string) nodeFacts {
	return nodeFacts{
		attributes: node.Attributes,
		meta:       node.Meta,
		names: map[string]string{
			"unique.id":   node.ID,
			"unique.name": node.Name,
			"datacenter":  node.Datacenter,
			"region":      region,
			"class":       node.NodeClass,
			"pool":        node.NodePool,
		},
	}
}

// taskScope is everything that a task's environment is made of.
type taskScope struct {
	alloc  *nodeapi.Alloc
	job    *api.Job
	group  *api.TaskGroup
	spec   *api.Task
	dirs   taskDirs
	mounts []mount
	node   nodeFacts
	region string            // of the agent
	host   map[string]string // what a task inherits of the agent's own environment
}

// build makes the task's complete environment, and the lookup for every ${...} in
// the rest of its specification. Later parts win: the agent's environment, what
// Selfheal says (NOMAD_*), the task's meta, the task's env block.
func (s taskScope) build() (map[string]string, lookup) {
	env := maps.Clone(s.host)
	if env == nil {
		env = map[string]string{}
	}
	s.identity(env)
	s.resources(env)
	s.ports(env)
	for _, m := range s.mounts {
		env["SELFHEAL_VOLUME_"+envName(m.volume)] = m.source
	}
	look := references(s.node, env)
	s.meta(env, look)
	maps.Copy(env, interpolateStrings(s.spec.Env, look))
	return env, look
}

// identity says who and where the task is.
func (s taskScope) identity(env map[string]string) {
	env["NOMAD_ALLOC_ID"] = s.alloc.ID
	env["NOMAD_SHORT_ALLOC_ID"] = s.alloc.ID[:min(8, len(s.alloc.ID))]
	env["NOMAD_ALLOC_NAME"] = s.alloc.Name
	env["NOMAD_ALLOC_INDEX"] = allocIndex(s.alloc.Name)
	env["NOMAD_ALLOC_DIR"] = s.dirs.alloc
	env["NOMAD_TASK_DIR"] = s.dirs.local
	env["NOMAD_SECRETS_DIR"] = s.dirs.secrets
	env["NOMAD_TASK_NAME"] = s.spec.Name
	env["NOMAD_GROUP_NAME"] = s.alloc.TaskGroup
	env["NOMAD_JOB_ID"] = s.alloc.JobID
	env["NOMAD_JOB_NAME"] = text(s.job.Name, s.alloc.JobID)
	env["NOMAD_NAMESPACE"] = s.alloc.Namespace
	env["NOMAD_REGION"] = s.region
	env["NOMAD_DC"] = s.node.names["datacenter"]
	if parent := text(s.job.ParentID, ""); parent != "" {
		env["NOMAD_JOB_PARENT_ID"] = parent
	}
}

// allocIndex is the number in an allocation's name, "job.group[3]".
func allocIndex(name string) string {
	open := strings.LastIndexByte(name, '[')
	if open < 0 || !strings.HasSuffix(name, "]") {
		return "0"
	}
	return name[open+1 : len(name)-1]
}

// resources says what the task was granted: MHz and MB.
func (s taskScope) resources(env map[string]string) {
	cpu, memory, memoryMax := s.granted()
	env["NOMAD_CPU_LIMIT"] = strconv.FormatInt(cpu, 10)
	env["NOMAD_MEMORY_LIMIT"] = strconv.FormatInt(memory, 10)
	if memoryMax > 0 {
		env["NOMAD_MEMORY_MAX_LIMIT"] = strconv.FormatInt(memoryMax, 10)
	}
	if cores := s.cores(); len(cores) > 0 {
		env["NOMAD_CPU_CORES"] = cpuset(cores)
	}
}

// cores are those that are pinned for the task.
func (s taskScope) cores() []int { return coresOf(s.group, s.spec.Name, s.alloc.Cores) }

// granted is what the scheduler gave the task, or what its job file asks for.
func (s taskScope) granted() (cpu, memory, memoryMax int64) {
	if r := s.spec.Resources; r != nil {
		cpu, memory, memoryMax = number(r.CPU), number(r.MemoryMB), number(r.MemoryMaxMB)
	}
	if all := s.alloc.AllocatedResources; all != nil && all.Tasks[s.spec.Name] != nil {
		task := all.Tasks[s.spec.Name]
		cpu, memory, memoryMax = task.Cpu.CpuShares, task.Memory.MemoryMB, task.Memory.MemoryMaxMB
	}
	return cpu, memory, memoryMax
}

// ports says where the task is reached: those of the group under their label,
// those of single tasks under TASK_LABEL and, for the task's own, LABEL too.
func (s taskScope) ports(env map[string]string) {
	all := s.alloc.AllocatedResources
	if all == nil {
		return
	}
	for task, res := range all.Tasks {
		if res == nil {
			continue
		}
		for _, network := range res.Networks {
			for _, port := range append(append([]api.Port(nil), network.ReservedPorts...), network.DynamicPorts...) {
				mapping := api.PortMapping{Label: port.Label, Value: port.Value, To: port.To, HostIP: network.IP}
				setPort(env, task+"_"+port.Label, mapping)
				if task == s.spec.Name {
					setPort(env, port.Label, mapping)
				}
			}
		}
	}
	for _, mapping := range all.Shared.Ports {
		setPort(env, mapping.Label, mapping)
	}
}

// setPort sets the variables of one port. Without a network of its own a task sees
// the host's addresses; "to" tells it which port to listen on.
func setPort(env map[string]string, label string, m api.PortMapping) {
	host := strconv.Itoa(m.Value)
	inside := host
	if m.To > 0 {
		inside = strconv.Itoa(m.To)
	}
	for _, name := range []string{label, envName(label)} {
		env["NOMAD_PORT_"+name] = inside
		env["NOMAD_ALLOC_PORT_"+name] = inside
		env["NOMAD_HOST_PORT_"+name] = host
		env["NOMAD_IP_"+name] = m.HostIP
		env["NOMAD_HOST_IP_"+name] = m.HostIP
		env["NOMAD_ADDR_"+name] = net.JoinHostPort(m.HostIP, host)
		env["NOMAD_HOST_ADDR_"+name] = net.JoinHostPort(m.HostIP, host)
	}
}

// ownMeta begins the meta keys in which jobs carry what Selfheal adds to the model:
// they are no business of tasks.
const ownMeta = "selfheal."

// meta gives the merged meta of job, group and task, each key as it is written and
// in capitals.
func (s taskScope) meta(env map[string]string, look lookup) {
	for _, level := range []map[string]string{s.job.Meta, s.group.Meta, s.spec.Meta} {
		for key, value := range interpolateStrings(level, look) {
			if strings.HasPrefix(key, ownMeta) {
				continue
			}
			name := envName(key)
			env["NOMAD_META_"+strings.ToUpper(name)] = value
			env["NOMAD_META_"+name] = value
		}
	}
}

// envName replaces what shells do not take in the name of a variable.
func envName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, name)
}

// deniedEnv are the patterns of the agent's variables that no task inherits:
// credentials, and what tells the agent itself how to run. Option "env.denylist"
// replaces them.
var deniedEnv = []string{
	"CONSUL_TOKEN", "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_AUTH", "VAULT_TOKEN", "NOMAD_*", "SELFHEAL_*",
	"AWS_*", "AZURE_*", "ARM_*", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS", "GCLOUD_*",
	"ATLAS_TOKEN", "GITHUB_TOKEN", "*_SECRET", "*_SECRET_KEY", "*_PASSWORD",
	"NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_PID",
}

// hostEnv is what tasks inherit of the agent's environment ("NAME=value" each).
func hostEnv(environ []string, options map[string]string) map[string]string {
	denied := deniedEnv
	if list, ok := options["env.denylist"]; ok {
		denied = strings.Split(list, ",")
	}
	out := map[string]string{}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" || matchesAny(denied, name) {
			continue
		}
		out[name] = value
	}
	return out
}

// withProgram puts the directory of the agent's own program last on the PATH, so that
// a task can run what the program carries (selfheal demo-web) wherever it lies.
func withProgram(env map[string]string, program string) map[string]string {
	dir := filepath.Dir(program)
	if list := filepath.SplitList(env["PATH"]); !slices.Contains(list, dir) {
		env["PATH"] = strings.Join(append(list, dir), string(filepath.ListSeparator))
	}
	return env
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, err := path.Match(strings.TrimSpace(pattern), name); ok && err == nil {
			return true
		}
	}
	return false
}

// text is *s, or the fallback where the job file said nothing.
func text(s *string, fallback string) string {
	if s == nil {
		return fallback
	}
	return *s
}

func number(n *int) int64 {
	if n == nil {
		return 0
	}
	return int64(*n)
}
