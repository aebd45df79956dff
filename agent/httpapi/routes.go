package httpapi

import "net/http"

// Methods of the table. PUT answers POST too; putOnly does not.
const (
	get     = http.MethodGet
	put     = http.MethodPut
	post    = http.MethodPost
	del     = http.MethodDelete
	putOnly = "PUT only"
)

// where says which agent answers.
type where uint8

const (
	here         where = iota // the agent that was asked
	anyServer                 // any server: what it says may be as old as its last contact
	leaderRead                // the leader, unless the client takes ?stale
	leaderWrite               // the leader
	leaderRepeat              // the leader; sent twice it does no harm
	leaderToken               // the leader; an idempotency token makes it harmless to send twice
	onNode                    // the agent of the allocation's node, or of ?node_id
	onAgent                   // the agent named by ?server_id or ?node_id
)

// right is what the caller must be allowed to do.
type right string

// Rights, named as Nomad's capabilities are where there is one.
const (
	anyone     right = "anonymous"
	valid      right = "a valid token, or none"
	identified right = "a token"
	management right = "management"
	nodeSelf   right = "node itself"

	listJobs       right = "list-jobs"
	readJob        right = "read-job"
	parseJob       right = "parse-job"
	submitJob      right = "submit-job"
	dispatchJob    right = "dispatch-job"
	scaleJob       right = "scale-job"
	readJobScaling right = "read-job-scaling"
	listScaling    right = "list-scaling-policies"
	readScaling    right = "read-scaling-policy"
	readLogs       right = "read-logs"
	readFS         right = "read-fs"
	allocLife      right = "alloc-lifecycle"
	allocExec      right = "alloc-exec"
	readService    right = "read-job, or a workload of the namespace"

	csiList            right = "csi-list-volume"
	csiRead            right = "csi-read-volume"
	csiWrite           right = "csi-write-volume"
	hostVolumeRead     right = "host-volume-read"
	hostVolumeCreate   right = "host-volume-create"
	hostVolumeRegister right = "host-volume-register"
	hostVolumeDelete   right = "host-volume-delete"
	volumeList         right = "csi-list-volume or host-volume-read"
	volumeWrite        right = "csi-write-volume or host-volume-create"
	pluginList         right = "plugin:list"
	pluginRead         right = "plugin:read"

	nodeRead   right = "node:read"
	nodeWrite  right = "node:write"
	memberRead right = "node:read, or an agent of the cluster"
	agentRead  right = "agent:read"
	agentWrite right = "agent:write"
	opRead     right = "operator:read"
	opWrite    right = "operator:write"

	poolList      right = "node_pool:read of any"
	poolRead      right = "node_pool:read"
	poolWrite     right = "node_pool:write"
	poolDrop      right = "node_pool:delete"
	poolNodesRead right = "node:read and node_pool:read"
	poolJobsRead  right = "list-jobs and node_pool:read"

	namespaceList right = "any capability in any namespace"
	namespaceRead right = "any capability in the namespace"
	searchAny     right = "anything that may be found"
	eventRead     right = "what the topics need"

	varList    right = "variables:list of any path"
	varRead    right = "variables:read"
	varWrite   right = "variables:write"
	varDestroy right = "variables:destroy"
)

// handler answers a request: nil is an empty 200, a value becomes JSON.
type handler func(*API, *request) (any, error)

// route is one row of the table.
type route struct {
	method string
	// path holds variables: {x} one segment, {x...} one or more.
	path  string
	right right
	where where
	do    handler
	// streams says that the request's body is read as it comes, and never held.
	streams bool
	// asks says that the handler asks allow itself, once it knows more of the request.
	asks bool
}

// routes is everything that the http port answers, by group;
// routes_enterprise.go lists what is refused.
func routes() []route {
	table := []route{}
	for _, group := range [][]route{
		jobRoutes, nodeNounRoutes, allocRoutes, serverRoutes, clientRoutes, agentRoutes, operatorRoutes,
		healRoutes,
		aclRoutes,
		variableRoutes, rootKeyRoutes, identityRoutes,
		toldRoutes, volumeRoutes,
		enterpriseRoutes(),
	} {
		table = append(table, group...)
	}
	return table
}

var jobRoutes = []route{
	{method: get, path: "/v1/jobs", right: listJobs, where: leaderRead, do: jobsList},
	{method: put, path: "/v1/jobs", right: submitJob, where: leaderToken, do: jobRegister},
	{method: put, path: "/v1/jobs/parse", right: parseJob, where: here, do: jobsParse},
	{method: get, path: "/v1/jobs/statuses", right: listJobs, where: leaderRead, do: jobsStatuses},
	{method: put, path: "/v1/jobs/statuses", right: listJobs, where: leaderRead, do: jobsStatuses},
	{method: put, path: "/v1/validate/job", right: readJob, where: anyServer, do: jobValidate},
	{method: get, path: "/v1/job/{id...}", right: readJob, where: leaderRead, do: jobInfo},
	{method: put, path: "/v1/job/{id...}", right: submitJob, where: leaderToken, do: jobRegister},
	{method: del, path: "/v1/job/{id...}", right: submitJob, where: leaderToken, do: jobDeregister},
	{method: get, path: "/v1/job/{id...}/allocations", right: readJob, where: leaderRead, do: jobAllocations},
	{method: get, path: "/v1/job/{id...}/evaluations", right: readJob, where: leaderRead, do: jobEvaluations},
	{method: get, path: "/v1/job/{id...}/deployments", right: readJob, where: leaderRead, do: jobDeployments},
	{method: get, path: "/v1/job/{id...}/deployment", right: readJob, where: leaderRead, do: jobLatestDeployment},
	{method: get, path: "/v1/job/{id...}/versions", right: readJob, where: leaderRead, do: jobVersions},
	{method: get, path: "/v1/job/{id...}/summary", right: readJob, where: leaderRead, do: jobSummary},
	{method: get, path: "/v1/job/{id...}/services", right: readService, where: leaderRead, do: jobServices},
	{method: get, path: "/v1/job/{id...}/submission", right: readJob, where: leaderRead, do: jobSubmission},
	{method: get, path: "/v1/job/{id...}/scale", right: readJobScaling, where: leaderRead, do: jobScaleStatus},
	{method: put, path: "/v1/job/{id...}/scale", right: scaleJob, where: leaderToken, do: jobScale},
	{method: put, path: "/v1/job/{id...}/plan", right: submitJob, where: leaderRepeat, do: jobPlan},
	{method: put, path: "/v1/job/{id...}/evaluate", right: submitJob, where: leaderToken, do: jobEvaluate},
	{method: put, path: "/v1/job/{id...}/revert", right: submitJob, where: leaderToken, do: jobRevert},
	{method: put, path: "/v1/job/{id...}/stable", right: submitJob, where: leaderRepeat, do: jobStable},
	{method: put, path: "/v1/job/{id...}/dispatch", right: dispatchJob, where: leaderToken, do: jobDispatch},
	{method: put, path: "/v1/job/{id...}/periodic/force", right: submitJob, where: leaderToken, do: jobPeriodicForce},
	{method: get, path: "/v1/scaling/policies", right: listScaling, where: leaderRead, do: scalingPolicies},
	{method: get, path: "/v1/scaling/policy/{id}", right: readScaling, where: leaderRead, do: scalingPolicy},
}

var nodeNounRoutes = []route{
	{method: get, path: "/v1/nodes", right: nodeRead, where: leaderRead, do: nodesList},
	{method: get, path: "/v1/node/{id}", right: nodeRead, where: leaderRead, do: nodeInfo},
	{method: get, path: "/v1/node/{id}/allocations", right: nodeRead, where: leaderRead, do: nodeAllocations},
	{method: put, path: "/v1/node/{id}/drain", right: nodeWrite, where: leaderWrite, do: nodeDrain},
	{method: put, path: "/v1/node/{id}/eligibility", right: nodeWrite, where: leaderRepeat, do: nodeEligibility},
	{method: put, path: "/v1/node/{id}/evaluate", right: nodeWrite, where: leaderWrite, do: nodeEvaluate},
	{method: put, path: "/v1/node/{id}/purge", right: nodeWrite, where: leaderWrite, do: nodePurge},
	{method: get, path: "/v1/node/pools", right: poolList, where: leaderRead, do: poolsList},
	{method: put, path: "/v1/node/pools", right: poolWrite, where: leaderRepeat, do: poolUpsert},
	{method: get, path: "/v1/node/pool/{name}", right: poolRead, where: leaderRead, do: poolInfo},
	{method: put, path: "/v1/node/pool/{name}", right: poolWrite, where: leaderRepeat, do: poolUpsert},
	{method: del, path: "/v1/node/pool/{name}", right: poolDrop, where: leaderWrite, do: poolDelete},
	{method: get, path: "/v1/node/pool/{name}/nodes", right: poolNodesRead, where: leaderRead, do: poolNodes},
	{method: get, path: "/v1/node/pool/{name}/jobs", right: poolJobsRead, where: leaderRead, do: poolJobs},
}

var allocRoutes = []route{
	{method: get, path: "/v1/allocations", right: readJob, where: leaderRead, do: allocsList},
	{method: get, path: "/v1/allocation/{id}", right: readJob, where: leaderRead, do: allocInfo},
	{method: put, path: "/v1/allocation/{id}/stop", right: allocLife, where: leaderWrite, do: allocStop},
	{method: get, path: "/v1/allocation/{id}/services", right: readJob, where: leaderRead, do: allocServices},
	{method: get, path: "/v1/allocation/{alloc}/checks", right: readJob, where: onNode, do: clientAllocChecks},
	{method: get, path: "/v1/evaluations", right: readJob, where: leaderRead, do: evalsList},
	{method: del, path: "/v1/evaluations", right: management, where: leaderWrite, do: evalsDelete},
	{method: get, path: "/v1/evaluations/count", right: readJob, where: leaderRead, do: evalsCount},
	{method: get, path: "/v1/evaluation/{id}", right: readJob, where: leaderRead, do: evalInfo},
	{method: get, path: "/v1/evaluation/{id}/allocations", right: readJob, where: leaderRead, do: evalAllocations},
	{method: get, path: "/v1/deployments", right: readJob, where: leaderRead, do: deploymentsList},
	{method: get, path: "/v1/deployment/{id}", right: readJob, where: leaderRead, do: deploymentInfo},
	{method: get, path: "/v1/deployment/allocations/{id}", right: readJob, where: leaderRead, do: deploymentAllocations},
	{method: put, path: "/v1/deployment/fail/{id}", right: submitJob, where: leaderWrite, do: deploymentFail},
	{method: put, path: "/v1/deployment/pause/{id}", right: submitJob, where: leaderWrite, do: deploymentPause},
	{method: put, path: "/v1/deployment/promote/{id}", right: submitJob, where: leaderWrite, do: deploymentPromote},
	{method: put, path: "/v1/deployment/allocation-health/{id}", right: submitJob, where: leaderWrite, do: deploymentAllocHealth},
}

var serverRoutes = []route{
	{method: get, path: "/v1/services", right: readService, where: leaderRead, do: servicesList},
	{method: get, path: "/v1/service/{name}", right: readService, where: leaderRead, do: serviceInfo},
	{method: del, path: "/v1/service/{name}/{id}", right: submitJob, where: leaderRepeat, do: serviceDelete},
	{method: get, path: "/v1/namespaces", right: namespaceList, where: leaderRead, do: namespacesList},
	{method: put, path: "/v1/namespace", right: management, where: leaderRepeat, do: namespaceUpsert},
	{method: get, path: "/v1/namespace/{name}", right: namespaceRead, where: leaderRead, do: namespaceInfo},
	{method: put, path: "/v1/namespace/{name}", right: management, where: leaderRepeat, do: namespaceUpsert},
	{method: del, path: "/v1/namespace/{name}", right: management, where: leaderWrite, do: namespaceDelete},
	{method: get, path: "/v1/event/stream", right: eventRead, where: anyServer, do: eventStream},
	{method: put, path: "/v1/search", right: searchAny, where: leaderRead, do: searchPrefix},
	{method: put, path: "/v1/search/fuzzy", right: searchAny, where: leaderRead, do: searchFuzzy},
	{method: get, path: "/v1/status/leader", right: anyone, where: anyServer, do: statusLeader},
	{method: get, path: "/v1/status/peers", right: anyone, where: anyServer, do: statusPeers},
	{method: get, path: "/v1/regions", right: anyone, where: here, do: regionsList},
	{method: putOnly, path: "/v1/system/gc", right: management, where: leaderRepeat, do: systemGC},
	{method: putOnly, path: "/v1/system/reconcile/summaries", right: management, where: leaderRepeat, do: systemReconcile},
}

var clientRoutes = []route{
	{method: get, path: "/v1/client/fs/ls/{alloc}", right: readFS, where: onNode, do: fsList},
	{method: get, path: "/v1/client/fs/stat/{alloc}", right: readFS, where: onNode, do: fsStat},
	{method: get, path: "/v1/client/fs/readat/{alloc}", right: readFS, where: onNode, do: fsReadAt},
	{method: get, path: "/v1/client/fs/cat/{alloc}", right: readFS, where: onNode, do: fsCat},
	{method: get, path: "/v1/client/fs/stream/{alloc}", right: readFS, where: onNode, do: fsStream},
	{method: get, path: "/v1/client/fs/logs/{alloc}", right: readLogs, where: onNode, do: fsLogs},
	{method: get, path: "/v1/client/allocation/{alloc}/stats", right: readJob, where: onNode, do: clientAllocStats},
	{method: get, path: "/v1/client/allocation/{alloc}/checks", right: readJob, where: onNode, do: clientAllocChecks},
	{method: get, path: "/v1/client/allocation/{alloc}/exec", right: allocExec, where: here, do: clientAllocExec, asks: true},
	{method: put, path: "/v1/client/allocation/{alloc}/restart", right: allocLife, where: onNode, do: clientAllocRestart},
	{method: put, path: "/v1/client/allocation/{alloc}/signal", right: allocLife, where: onNode, do: clientAllocSignal},
	{method: get, path: "/v1/client/allocation/{alloc}/gc", right: submitJob, where: onNode, do: clientAllocGC},
	{method: get, path: "/v1/client/stats", right: nodeRead, where: onNode, do: clientStats},
	{method: get, path: "/v1/client/gc", right: nodeWrite, where: onNode, do: clientGC},
}

var agentRoutes = []route{
	{method: get, path: "/v1/agent/self", right: agentRead, where: here, do: agentSelf},
	{method: get, path: "/v1/agent/members", right: memberRead, where: here, do: agentMembers},
	{method: get, path: "/v1/agent/servers", right: agentRead, where: here, do: agentServers},
	{method: put, path: "/v1/agent/servers", right: agentWrite, where: here, do: agentSetServers},
	{method: get, path: "/v1/agent/health", right: anyone, where: here, do: agentHealth},
	{method: put, path: "/v1/agent/join", right: agentWrite, where: here, do: agentJoin},
	{method: put, path: "/v1/agent/force-leave", right: agentWrite, where: here, do: agentForceLeave},
	{method: get, path: "/v1/agent/keyring/list", right: agentRead, where: here, do: keyringList},
	{method: put, path: "/v1/agent/keyring/install", right: agentWrite, where: here, do: keyringChange},
	{method: put, path: "/v1/agent/keyring/use", right: agentWrite, where: here, do: keyringChange},
	{method: put, path: "/v1/agent/keyring/remove", right: agentWrite, where: here, do: keyringChange},
	{method: get, path: "/v1/agent/schedulers", right: agentRead, where: here, do: agentSchedulers},
	{method: get, path: "/v1/agent/schedulers/config", right: agentRead, where: here, do: agentSchedulersConfig},
	{method: put, path: "/v1/agent/schedulers/config", right: agentWrite, where: here, do: agentSetSchedulersConfig},
	{method: put, path: "/v1/agent/reload", right: agentWrite, where: here, do: agentReload},
	{method: get, path: "/v1/agent/monitor", right: agentRead, where: onAgent, do: agentMonitor},
	{method: get, path: "/v1/agent/host", right: agentRead, where: onAgent, do: agentHost},
	{method: get, path: "/v1/agent/pprof/{profile}", right: agentWrite, where: onAgent, do: agentPprof},
	{method: get, path: "/v1/metrics", right: anyone, where: here, do: metrics},
}

var operatorRoutes = []route{
	{method: get, path: "/v1/operator/raft/configuration", right: opRead, where: leaderRead, do: raftConfiguration},
	{method: del, path: "/v1/operator/raft/peer", right: opWrite, where: leaderWrite, do: raftRemovePeer},
	{method: put, path: "/v1/operator/raft/transfer-leadership", right: opWrite, where: leaderWrite, do: raftTransfer},
	{method: get, path: "/v1/operator/autopilot/configuration", right: opRead, where: leaderRead, do: autopilotConfiguration},
	{method: get, path: "/v1/operator/autopilot/health", right: opRead, where: leaderRead, do: autopilotHealth},
	{method: get, path: "/v1/operator/scheduler/configuration", right: opRead, where: leaderRead, do: schedulerConfig},
	{method: put, path: "/v1/operator/scheduler/configuration", right: opWrite, where: leaderWrite, do: schedulerSetConfig},
	{method: get, path: "/v1/operator/snapshot", right: management, where: leaderRead, do: snapshotSave},
	{method: put, path: "/v1/operator/snapshot", right: management, where: leaderWrite, do: snapshotRestore, streams: true},
	{method: get, path: "/v1/operator/license", right: opRead, where: here, do: licenseGet},
}
