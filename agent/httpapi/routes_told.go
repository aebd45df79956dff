package httpapi

// toldRoutes are what operators tell nodes, jobs and servers.
var toldRoutes = []route{
	{method: get, path: "/v1/client/metadata", right: nodeRead, where: onNode, do: nodeMetaRead},
	{method: put, path: "/v1/client/metadata", right: nodeWrite, where: here, do: nodeMetaApply},
	{method: put, path: "/v1/job/{id...}/versions/{tag}/tag", right: submitJob, where: leaderRepeat, do: jobTagVersion},
	{method: del, path: "/v1/job/{id...}/versions/{tag}/tag", right: submitJob, where: leaderWrite, do: jobUntagVersion},
	{method: get, path: "/v1/job/{id...}/actions", right: readJob, where: leaderRead, do: jobActions},
	{method: get, path: "/v1/job/{id...}/action", right: allocExec, where: here, do: jobActionExec, asks: true},
	{method: put, path: "/v1/job/{id...}/dispatch/payload", right: dispatchJob, where: leaderToken, do: jobDispatchPayload},
	{method: putOnly, path: "/v1/operator/autopilot/configuration", right: opWrite, where: leaderWrite, do: autopilotSet},
	{method: get, path: "/v1/operator/upgrade-check/vault-workload-identity", right: opRead, where: leaderRead, do: vaultUpgradeCheck},
	{method: get, path: "/v1/agent/monitor/export", right: agentRead, where: onAgent, do: agentMonitorExport},
	{method: get, path: "/v1/client/allocation/{alloc}/snapshot", right: readFS, where: onNode, do: clientAllocSnapshot},
}

// volumeRoutes are volumes of storage plugins and of nodes.
var volumeRoutes = []route{
	{method: get, path: "/v1/volumes", right: volumeList, where: leaderRead, do: volumesList},
	{method: put, path: "/v1/volumes", right: csiWrite, where: leaderRepeat, do: csiVolumeRegister},
	{method: get, path: "/v1/volumes/external", right: csiList, where: here, do: noPlugins},
	{method: get, path: "/v1/volumes/snapshot", right: csiList, where: here, do: noPlugins},
	{method: put, path: "/v1/volumes/snapshot", right: csiWrite, where: here, do: noPlugins},
	{method: del, path: "/v1/volumes/snapshot", right: csiWrite, where: here, do: noPlugins},
	{method: get, path: "/v1/volumes/claims", right: hostVolumeRead, where: leaderRead, do: claimsList},
	{method: del, path: "/v1/volumes/claim/{id}", right: hostVolumeDelete, where: leaderWrite, do: claimDelete},
	{method: get, path: "/v1/volume/csi/{id}", right: csiRead, where: leaderRead, do: csiVolumeInfo},
	{method: put, path: "/v1/volume/csi/{id}", right: csiWrite, where: leaderRepeat, do: csiVolumeRegister},
	{method: del, path: "/v1/volume/csi/{id}", right: csiWrite, where: leaderWrite, do: csiVolumeDeregister},
	{method: put, path: "/v1/volume/csi/{id}/create", right: csiWrite, where: here, do: noPlugins},
	{method: del, path: "/v1/volume/csi/{id}/detach", right: csiWrite, where: leaderRepeat, do: csiVolumeDetach},
	{method: del, path: "/v1/volume/csi/{id}/delete", right: csiWrite, where: here, do: noPlugins},
	{method: get, path: "/v1/volume/host/{id}", right: hostVolumeRead, where: leaderRead, do: volumeHostInfo},
	{method: del, path: "/v1/volume/host/{id}", right: hostVolumeDelete, where: leaderWrite, do: volumeHostDelete},
	{method: put, path: "/v1/volume/host/create", right: hostVolumeCreate, where: leaderWrite, do: volumeHostCreate},
	{method: put, path: "/v1/volume/host/register", right: hostVolumeRegister, where: leaderWrite, do: volumeHostRegister},
	{method: get, path: "/v1/plugins", right: pluginList, where: leaderRead, do: pluginsList},
	{method: get, path: "/v1/plugin/csi/{id}", right: pluginRead, where: leaderRead, do: pluginInfo},
}
