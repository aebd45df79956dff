package acl

import "strings"

// ACL is what a caller may do. It never changes. The nil ACL allows nothing.
type ACL struct {
	management bool
	namespaces labels
	// variables are by the label of their namespace, then by path.
	variables   map[string]labels
	pools       labels
	hostVolumes labels
	coarse      map[string]Access
}

// Everything is the ACL of management tokens, and of a cluster without access control.
var Everything = &ACL{management: true}

// Workload is the identity of a task: it may do a little without any policy.
type Workload struct{ Namespace, JobID, Group, Task string }

// Compile makes the rights that the policies grant together.
func Compile(policies ...*Policy) *ACL {
	a := &ACL{
		namespaces: labels{}, variables: map[string]labels{}, pools: labels{}, hostVolumes: labels{}, coarse: map[string]Access{},
	}
	denied := map[string]bool{}
	for _, p := range policies {
		for label, ns := range p.namespaces {
			a.namespaces.merge(label, ns.capabilities)
			if len(ns.variables) == 0 {
				continue
			}
			if a.variables[label] == nil {
				a.variables[label] = labels{}
			}
			for path, s := range ns.variables {
				a.variables[label].merge(path, s)
			}
		}
		for label, s := range p.pools {
			a.pools.merge(label, s)
		}
		for label, s := range p.hostVolumes {
			a.hostVolumes.merge(label, s)
		}
		for block, access := range p.coarse {
			a.coarse[block] = max(a.coarse[block], access)
			denied[block] = denied[block] || access == None
		}
	}
	for block := range denied {
		if denied[block] {
			a.coarse[block] = None
		}
	}
	return a
}

func (l labels) merge(label string, s set) {
	l.add(label, nil)
	for c := range s {
		l[label][c] = true
	}
}

// Management reports whether the caller may do everything.
func (a *ACL) Management() bool { return a != nil && a.management }

// AllowNamespace reports whether the caller has a capability in a namespace.
func (a *ACL) AllowNamespace(namespace, capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.namespaces.find(namespace).allows(capability)
}

// AllowNamespaceAny reports whether the caller has any right at all in a namespace,
// to variables too.
func (a *ACL) AllowNamespaceAny(namespace string) bool {
	if a == nil || a.management {
		return a != nil
	}
	s := a.namespaces.find(namespace)
	if s[Deny] {
		return false
	}
	return s.some() || len(a.paths(namespace)) > 0
}

// AllowSomewhere reports whether the caller has a capability in at least one namespace,
// which need not exist.
func (a *ACL) AllowSomewhere(capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	for _, s := range a.namespaces {
		if s.allows(capability) {
			return true
		}
	}
	return false
}

// AllowEverywhere reports whether the caller has a capability in every namespace,
// whatever its name: what may be said about a thing that does not exist.
func (a *ACL) AllowEverywhere(capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	if !a.namespaces["*"].allows(capability) {
		return false
	}
	for _, s := range a.namespaces {
		if !s.allows(capability) {
			return false
		}
	}
	return true
}

// paths are the rules for variables of the most specific namespace label that has any.
func (a *ACL) paths(namespace string) labels {
	with := labels{}
	for label := range a.variables {
		with[label] = set{label: true}
	}
	for label := range with.find(namespace) {
		return a.variables[label]
	}
	return nil
}

// AllowVariable reports whether the caller may do verb (VariableList, VariableRead,
// VariableWrite, VariableDestroy) to a variable. A workload, if there is one, may list
// and read what is meant for its job.
func (a *ACL) AllowVariable(namespace, path, verb string, w *Workload) bool {
	if a == nil || a.management {
		return a != nil
	}
	if a.namespaces.find(namespace)[Deny] {
		return false
	}
	rule := a.paths(namespace).find(path)
	return rule.allows(verb) || !rule[Deny] && w.owns(namespace, path) && (verb == VariableRead || verb == VariableList)
}

// AllowVariables reports whether a listing of a namespace's variables may show any.
func (a *ACL) AllowVariables(namespace string, w *Workload) bool {
	if a == nil || a.management {
		return a != nil
	}
	if a.namespaces.find(namespace)[Deny] {
		return false
	}
	for _, s := range a.paths(namespace) {
		if s.allows(VariableList) {
			return true
		}
	}
	return w != nil && w.Namespace == namespace
}

// owns reports whether a variable is meant for the workload's job, group or task.
func (w *Workload) owns(namespace, path string) bool {
	if w == nil || w.Namespace != namespace || w.JobID == "" {
		return false
	}
	own := "nomad/jobs"
	if path == own {
		return true
	}
	for _, part := range []string{w.JobID, w.Group, w.Task} {
		if part == "" {
			return false // a service's identity ends with its group
		}
		if own += "/" + part; path == own {
			return true
		}
	}
	return false
}

// AllowNode, and those that follow, report whether the caller has that access.
func (a *ACL) AllowNode(want Access) bool { return a.allows("node", want) }

// AllowAgent is the access to what concerns an agent itself.
func (a *ACL) AllowAgent(want Access) bool { return a.allows("agent", want) }

// AllowOperator is the access to what operators do.
func (a *ACL) AllowOperator(want Access) bool { return a.allows("operator", want) }

// AllowQuota is the access to quotas.
func (a *ACL) AllowQuota(want Access) bool { return a.allows("quota", want) }

// AllowPlugin is the access to plugins.
func (a *ACL) AllowPlugin(want Access) bool { return a.allows("plugin", want) }

func (a *ACL) allows(block string, want Access) bool {
	return a != nil && (a.management || want != None && a.coarse[block] >= want)
}

// AllowNodePool reports whether the caller has a capability (PoolRead, PoolWrite,
// PoolDelete) of a node pool.
func (a *ACL) AllowNodePool(pool, capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.pools.find(pool).allows(capability)
}

// AllowNodePoolSomewhere reports whether the caller has a capability of any pool.
func (a *ACL) AllowNodePoolSomewhere(capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	for _, s := range a.pools {
		if s.allows(capability) {
			return true
		}
	}
	return false
}

// AllowHostVolume reports whether the caller's jobs may mount a host volume so
// (MountReadOnly, MountReadWrite).
func (a *ACL) AllowHostVolume(name, capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.hostVolumes.find(name).allows(capability)
}

// LooksLikeIdentity reports whether a secret has the form of a signed identity (a JWT)
// and not that of a token.
func LooksLikeIdentity(secret string) bool { return strings.Count(secret, ".") == 2 }
