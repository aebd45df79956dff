package httpapi

import (
	"encoding/json"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// rule says who has a right. Management tokens have every one.
type rule struct {
	// any are capabilities: one of them suffices, in each namespace that the request is about.
	any []string
	// workload gives the right to identities of workloads too, in their own namespace.
	workload bool
	// check has to agree too, where the right is not, or not only, a matter of namespaces.
	check func(*API, *request) bool
}

func in(capabilities ...string) rule { return rule{any: capabilities} }

func has(allow func(*acl.ACL, acl.Access) bool, want acl.Access) rule {
	return rule{check: func(_ *API, r *request) bool { return allow(r.rights(), want) }}
}

// rules is who has which right; a right that is not here nobody has.
var rules = map[right]rule{
	anyone:     {check: func(*API, *request) bool { return true }},
	valid:      {check: func(*API, *request) bool { return true }},
	identified: {check: func(_ *API, r *request) bool { return r.caller.token != nil || r.caller.claims != nil }},
	management: {check: func(*API, *request) bool { return false }},
	nodeSelf:   {check: func(a *API, r *request) bool { return r.fromPeer }}, // the handler checks the node's secret

	listJobs:       in(acl.ListJobs),
	readJob:        in(acl.ReadJob),
	parseJob:       in(acl.ParseJob),
	submitJob:      in(acl.SubmitJob),
	dispatchJob:    in(acl.DispatchJob),
	scaleJob:       in(acl.ScaleJob, acl.SubmitJob),
	readJobScaling: in(acl.ReadJobScaling, acl.ReadJob),
	listScaling:    in(acl.ListScalingPolicies),
	readScaling:    in(acl.ReadScalingPolicy),
	readLogs:       in(acl.ReadLogs, acl.ReadFS),
	readFS:         in(acl.ReadFS),
	allocLife:      in(acl.AllocLifecycle),
	allocExec:      {check: mayExec},
	readService:    {any: []string{acl.ReadJob}, workload: true},

	csiList:            in(acl.CSIListVolume),
	csiRead:            in(acl.CSIReadVolume),
	csiWrite:           in(acl.CSIWriteVolume),
	hostVolumeRead:     in(acl.HostVolumeRead),
	hostVolumeCreate:   in(acl.HostVolumeCreate),
	hostVolumeRegister: in(acl.HostVolumeRegister),
	hostVolumeDelete:   in(acl.HostVolumeDelete),
	volumeList:         in(acl.CSIListVolume, acl.HostVolumeRead),
	volumeWrite:        in(acl.CSIWriteVolume, acl.HostVolumeCreate),
	pluginList:         has((*acl.ACL).AllowPlugin, acl.List),
	pluginRead:         has((*acl.ACL).AllowPlugin, acl.Read),

	nodeRead:   has((*acl.ACL).AllowNode, acl.Read),
	nodeWrite:  has((*acl.ACL).AllowNode, acl.Write),
	agentRead:  has((*acl.ACL).AllowAgent, acl.Read),
	agentWrite: has((*acl.ACL).AllowAgent, acl.Write),
	opRead:     has((*acl.ACL).AllowOperator, acl.Read),
	opWrite:    has((*acl.ACL).AllowOperator, acl.Write),
	// A joining agent asks a server's cluster port who the members are, before it knows any token.
	memberRead: {check: func(_ *API, r *request) bool { return r.fromPeer || r.rights().AllowNode(acl.Read) }},

	poolList:  {check: func(_ *API, r *request) bool { return r.rights().AllowNodePoolSomewhere(acl.PoolRead) }},
	poolRead:  pool(acl.PoolRead),
	poolWrite: pool(acl.PoolWrite),
	poolDrop:  pool(acl.PoolDelete),
	poolNodesRead: {check: func(a *API, r *request) bool {
		return r.rights().AllowNode(acl.Read) && pool(acl.PoolRead).check(a, r)
	}},
	poolJobsRead: {any: []string{acl.ListJobs, acl.ReadJob}, check: pool(acl.PoolRead).check},

	namespaceList: {check: func(a *API, r *request) bool { return a.namespacesSeen(r) }},
	namespaceRead: {check: func(_ *API, r *request) bool { return r.rights().AllowNamespaceAny(r.vars["name"]) }},
	searchAny:     {check: func(a *API, r *request) bool { return a.maySearch(r) }},
	eventRead:     {check: mayWatch},

	varList:    {check: mayVariables}, // the handler asks for each
	varRead:    variable(acl.VariableRead),
	varWrite:   variable(acl.VariableWrite),
	varDestroy: variable(acl.VariableDestroy),
}

// variable is a right to the variable of the path.
func variable(verb string) rule {
	return rule{check: func(a *API, r *request) bool {
		namespaces, _ := a.namespacesOf(r)
		for _, ns := range namespaces {
			if !r.mayVariable(ns, r.vars["path"], verb) {
				return false
			}
		}
		return true
	}}
}

// pool is a right to the node pool of the path, or of the body.
func pool(capability string) rule {
	return rule{check: func(a *API, r *request) bool {
		name := r.vars["name"]
		if name == "" {
			var body struct{ Name string }
			if b, err := r.body(a.cfg.Limits); err != nil || json.Unmarshal(b, &body) != nil {
				return r.rights().AllowNodePool("*", capability)
			}
			name = body.Name
		}
		return r.rights().AllowNodePool(name, capability)
	}}
}

// allows reports whether the caller of a request, who is known, has the right. A rule
// that says nothing allows nothing.
func (u rule) allows(a *API, r *request) bool {
	if r.rights().Management() {
		return true
	}
	if u.check != nil && !u.check(a, r) {
		return false
	}
	if u.any == nil {
		return u.check != nil
	}
	namespaces, known := a.namespacesOf(r)
	if !known { // say the same of what is not there as of what may not be seen
		return someOf(u.any, r.rights().AllowEverywhere)
	}
	for _, ns := range namespaces {
		if ns == state.AllNamespaces {
			if !someOf(u.any, r.rights().AllowSomewhere) && !(u.workload && r.caller.claims != nil) {
				return false
			}
			continue
		}
		own := u.workload && r.caller.claims != nil && r.caller.claims.Namespace == ns
		if !own && !someOf(u.any, func(c string) bool { return r.may(ns, c) }) {
			return false
		}
	}
	return true
}

func someOf(capabilities []string, allowed func(string) bool) bool {
	for _, c := range capabilities {
		if allowed(c) {
			return true
		}
	}
	return false
}

// subjects says, by the beginning of a path, which namespaces a request is about when
// that is not for the request to say: those of the thing that it names. known false:
// there is no such thing.
var subjects = []struct {
	prefix string
	of     func(*API, *request) (namespaces []string, known bool)
}{
	{"/v1/allocation/", allocSubject},
	{"/v1/client/fs/", allocSubject},
	{"/v1/client/allocation/", allocSubject},
	{"/v1/evaluation/", func(a *API, r *request) ([]string, bool) {
		if e := a.cfg.State.Snapshot().Eval(nil, r.vars["id"]); e != nil {
			return []string{e.Namespace}, true
		}
		return nil, false
	}},
	{"/v1/deployment/", func(a *API, r *request) ([]string, bool) {
		if d := a.cfg.State.Snapshot().Deployment(nil, r.vars["id"]); d != nil {
			return []string{d.Namespace}, true
		}
		return nil, false
	}},
	{"/v1/scaling/policy/", func(a *API, r *request) ([]string, bool) {
		if p := findPolicy(a.cfg.State.Snapshot(), nil, r.vars["id"]); p != nil {
			return []string{p.Namespace}, true
		}
		return nil, false
	}},
}

// inBody are the writes that carry a job or a variable, whose namespace may stand in it.
var inBody = map[string]bool{
	"/v1/var/{path...}": true,
	"/v1/jobs":          true, "/v1/job/{id...}": true, "/v1/job/{id...}/plan": true, "/v1/validate/job": true,
}

// namespacesOf are the namespaces that a request is about, all of which the caller
// needs its right in.
func (a *API) namespacesOf(r *request) (namespaces []string, known bool) {
	for _, s := range subjects {
		if len(r.row.path) > len(s.prefix) && r.row.path[:len(s.prefix)] == s.prefix {
			return s.of(a, r)
		}
	}
	if r.row.method != put || !inBody[r.row.path] {
		return []string{r.namespace}, true
	}
	var body struct { // of the types that the handlers decode: a null undoes a name
		Namespace string
		Job       *struct{ Namespace *string }
	}
	if b, err := r.body(a.cfg.Limits); err == nil {
		_ = json.Unmarshal(b, &body) // the handler says what is wrong with it
	}
	inJob := ""
	if body.Job != nil {
		inJob = value(body.Job.Namespace)
	}
	for _, ns := range []string{r.query.Get("namespace"), body.Namespace, inJob} {
		if ns != "" {
			namespaces = append(namespaces, ns)
		}
	}
	if len(namespaces) == 0 {
		namespaces = []string{api.DefaultNamespace}
	}
	return namespaces, true
}

// Owner is what an allocation's node knows of whose it is.
type Owner struct {
	Namespace string
	// Drivers are the drivers of its tasks by name.
	Drivers map[string]string
}

// owner says whose an allocation is, as this server or this node knows.
func (a *API) owner(allocID string) (Owner, bool) {
	if a.cfg.State != nil {
		snap := a.cfg.State.Snapshot()
		if row := snap.Alloc(nil, allocID); row != nil {
			o := Owner{Namespace: row.Namespace, Drivers: map[string]string{}}
			if job := snap.JobVersion(nil, row.Namespace, row.JobID, row.JobVersion); job != nil {
				if g := lookupGroup(job, row.Group); g != nil {
					for _, t := range g.Tasks {
						o.Drivers[t.Name] = t.Driver
					}
				}
			}
			return o, true
		}
	}
	if a.cfg.Owner != nil {
		return a.cfg.Owner(allocID)
	}
	return Owner{}, false
}

// allocOf is the ID of the allocation in a path.
func allocOf(r *request) string {
	if id := r.vars["alloc"]; id != "" {
		return id
	}
	return r.vars["id"]
}

func allocSubject(a *API, r *request) ([]string, bool) {
	o, known := a.owner(allocOf(r))
	return []string{o.Namespace}, known
}

// unisolated are the drivers whose tasks see the whole node.
var unisolated = map[string]bool{"raw_exec": true}

// mayExec: whoever runs a command in a task without isolation runs it on the node, and
// needs a capability that says so.
func mayExec(a *API, r *request) bool {
	o, known := a.owner(allocOf(r))
	if !known && r.vars["alloc"] == "" { // an action of a job without an allocation: the handler says so
		return r.may(r.namespace, acl.AllocExec)
	}
	if !known {
		return r.rights().AllowEverywhere(acl.AllocExec)
	}
	bare := unisolated[o.Drivers[r.query.Get("task")]]
	if r.query.Get("task") == "" {
		for _, d := range o.Drivers {
			bare = bare || unisolated[d]
		}
	}
	return r.may(o.Namespace, acl.AllocExec) && (!bare || r.may(o.Namespace, acl.AllocNodeExec))
}

// mayVariables reports whether a list of variables may show any.
func mayVariables(a *API, r *request) bool {
	if r.namespace != state.AllNamespaces {
		return r.rights().AllowVariables(r.namespace, r.caller.workload())
	}
	if r.caller.claims != nil {
		return true
	}
	for ns := range a.cfg.State.Snapshot().Namespaces(nil, "") {
		if r.rights().AllowVariables(ns.Name, nil) {
			return true
		}
	}
	return false
}

// namespacesSeen reports whether there is any namespace that the caller may see.
func (a *API) namespacesSeen(r *request) bool {
	for ns := range a.cfg.State.Snapshot().Namespaces(nil, "") {
		if r.rights().AllowNamespaceAny(ns.Name) {
			return true
		}
	}
	return false
}
