package command

import (
	"time"

	"github.com/hashicorp/nomad/api"
)

func ptr[T any](v T) *T { return &v }

func ago(d time.Duration) int64 { return at.Add(-d).UnixNano() }

// The IDs of the cluster that the tests look at.
const (
	nodeA   = "a1b2c3d4-0000-0000-0000-000000000001"
	nodeB   = "a1ffc3d4-0000-0000-0000-000000000002"
	alloc0  = "11111111-0000-0000-0000-000000000000"
	alloc1  = "12222222-0000-0000-0000-000000000000"
	eval0   = "e0000000-0000-0000-0000-000000000000"
	blocked = "eb000000-0000-0000-0000-000000000000"
	deploy0 = "d0000000-0000-0000-0000-000000000000"
)

// tooBig is why an allocation found no node.
func tooBig() *api.AllocationMetric {
	return &api.AllocationMetric{
		NodesEvaluated: 3, NodesFiltered: 1, NodesExhausted: 2, CoalescedFailures: 1,
		ConstraintFiltered: map[string]int{"${attr.kernel.name} = windows": 1},
		DimensionExhausted: map[string]int{"memory": 2},
	}
}

func webJob() *api.Job {
	return &api.Job{
		ID: ptr("web"), Name: ptr("web"), Namespace: ptr("default"), Type: ptr("service"), Priority: ptr(50), Datacenters: []string{"*"},
		NodePool: ptr("default"), Status: ptr("running"), Version: ptr(uint64(3)), SubmitTime: ptr(ago(time.Hour)), Stable: ptr(true), CreateIndex: ptr(uint64(5)),
		TaskGroups: []*api.TaskGroup{{Name: ptr("web"), Tasks: []*api.Task{{Name: "server"}}}},
	}
}

func webAlloc() *api.Allocation {
	return &api.Allocation{
		ID: alloc0, EvalID: eval0, Name: "web.web[0]", Namespace: "default", NodeID: nodeA, NodeName: "client-1", JobID: "web", Job: webJob(), TaskGroup: "web",
		ClientStatus: "running", DesiredStatus: "run", CreateTime: ago(65 * time.Minute), ModifyTime: ago(3 * time.Second),
		DeploymentID: deploy0, DeploymentStatus: &api.AllocDeploymentStatus{Healthy: ptr(true)}, PreviousAllocation: alloc1,
		AllocatedResources: &api.AllocatedResources{
			Tasks:  map[string]*api.AllocatedTaskResources{"server": {Cpu: api.AllocatedCpuResources{CpuShares: 100}, Memory: api.AllocatedMemoryResources{MemoryMB: 64}}},
			Shared: api.AllocatedSharedResources{DiskMB: 300, Ports: []api.PortMapping{{Label: "http", Value: 20001, HostIP: "192.0.2.7"}}},
		},
		TaskStates: map[string]*api.TaskState{"server": {State: "running", Restarts: 1, StartedAt: at.Add(-time.Minute), Events: []*api.TaskEvent{
			{Type: "Received", Time: ago(65 * time.Minute), DisplayMessage: "Task received by client"},
			{Type: "Terminated", Time: ago(2 * time.Minute), DisplayMessage: "Exit Code: 1"},
			{Type: "Started", Time: ago(time.Minute), DisplayMessage: "Task started by client"},
		}}},
		Metrics: &api.AllocationMetric{NodesEvaluated: 2, ScoreMetaData: []*api.NodeScoreMeta{{NodeID: nodeA, NormScore: 0.5, Scores: map[string]float64{"binpack": 0.5}}}},
	}
}

func webDeployment(status string, healthy int) *api.Deployment {
	return &api.Deployment{
		ID: deploy0, JobID: "web", Namespace: "default", JobVersion: 3, JobCreateIndex: 5, Status: status, StatusDescription: "Deployment is " + status,
		TaskGroups: map[string]*api.DeploymentState{"web": {DesiredTotal: 2, PlacedAllocs: 2, HealthyAllocs: healthy}},
	}
}

func webEval(status string) *api.Evaluation {
	return &api.Evaluation{
		ID: eval0, Namespace: "default", JobID: "web", Status: status, Type: "service", Priority: 50, TriggeredBy: "job-register",
		DeploymentID: deploy0, CreateTime: ago(time.Minute), ModifyTime: ago(time.Minute),
	}
}

// cluster is what a small cluster answers: a job, two nodes, three servers.
func cluster() map[string]any {
	alloc := webAlloc()
	stubs := []*api.AllocationListStub{
		alloc.Stub(),
		{ID: alloc1, Name: "web.web[1]", Namespace: "default", NodeID: nodeB, NodeName: "client-2", JobID: "web", JobVersion: 2, TaskGroup: "web", DesiredStatus: "stop", ClientStatus: "lost", CreateTime: ago(30 * time.Hour), ModifyTime: ago(65 * time.Minute)},
	}
	stubs[0].JobVersion, stubs[0].CreateIndex = 3, 20
	failed := webEval("complete")
	failed.FailedTGAllocs = map[string]*api.AllocationMetric{"web": tooBig()}
	failed.BlockedEval = blocked
	waiting := &api.Evaluation{ID: blocked, Namespace: "default", JobID: "web", Status: "blocked", Priority: 50, TriggeredBy: "queued-allocs", CreateIndex: 9}
	node := &api.Node{
		ID: nodeA, Name: "client-1", NodePool: "default", Datacenter: "dc1", HTTPAddr: "127.0.0.1:4646", SchedulingEligibility: "eligible", Status: "ready",
		Drivers:       map[string]*api.DriverInfo{"raw_exec": {Detected: true, Healthy: true}, "docker": {Detected: true, HealthDescription: "no daemon"}},
		NodeResources: &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: 4000}, Memory: api.NodeMemoryResources{MemoryMB: 8192}, Disk: api.NodeDiskResources{DiskMB: 20000}},
		Events:        []*api.NodeEvent{{Message: "Node registered", Subsystem: "Cluster", Timestamp: at.Add(-2 * time.Hour)}},
	}
	tags := func(port string) map[string]string {
		return map[string]string{"region": "global", "dc": "dc1", "build": "0.1.0", "raft_vsn": "3", "rpc_addr": "10.0.0.1:" + port, "port": port}
	}
	return map[string]any{
		"GET /v1/jobs":                                 []*api.JobListStub{{ID: "web", Namespace: "default", Type: "service", Priority: 50, Status: "running", SubmitTime: ago(time.Hour)}, {ID: "worker", Namespace: "default", Type: "batch", Periodic: true, Priority: 70, Status: "dead", Stop: true, SubmitTime: ago(50 * time.Hour)}},
		"GET /v1/job/web":                              webJob(),
		"GET /v1/job/web/summary":                      &api.JobSummary{JobID: "web", Summary: map[string]api.TaskGroupSummary{"web": {Running: 1, Queued: 2, Lost: 1}}},
		"GET /v1/job/web/allocations":                  stubs,
		"GET /v1/job/web/evaluations":                  []*api.Evaluation{failed, waiting},
		"GET /v1/job/web/deployment":                   webDeployment("running", 1),
		"GET /v1/job/web/deployments":                  []*api.Deployment{webDeployment("running", 1)},
		"GET /v1/job/web/versions":                     &api.JobVersionsResponse{Versions: []*api.Job{webJob()}},
		"GET /v1/nodes":                                []*api.NodeListStub{{ID: nodeA, Name: "client-1", NodePool: "default", Datacenter: "dc1", SchedulingEligibility: "eligible", Status: "ready"}, {ID: nodeB, Name: "client-2", NodePool: "default", Datacenter: "dc1", NodeClass: "big", Drain: true, SchedulingEligibility: "ineligible", Status: "down"}},
		"GET /v1/node/" + nodeA:                        node,
		"GET /v1/node/" + nodeA + "/allocations":       []*api.Allocation{alloc},
		"PUT /v1/node/" + nodeA + "/eligibility":       &api.NodeEligibilityUpdateResponse{},
		"PUT /v1/node/" + nodeA + "/drain":             &api.NodeDrainUpdateResponse{},
		"GET /v1/allocations":                          stubs,
		"GET /v1/allocation/" + alloc0:                 alloc,
		"GET /v1/evaluations":                          []*api.Evaluation{failed, waiting},
		"GET /v1/evaluation/" + eval0:                  failed,
		"GET /v1/evaluation/" + eval0 + "/allocations": stubs[:1],
		"GET /v1/deployments":                          []*api.Deployment{webDeployment("running", 1)},
		"GET /v1/deployment/" + deploy0:                webDeployment("running", 1),
		"GET /v1/agent/members": &api.ServerMembers{Members: []*api.AgentMember{
			{Name: "server-2.global", Addr: "10.0.0.1", Port: 5648, Status: "alive", Tags: tags("5647")},
			{Name: "server-1.global", Addr: "10.0.0.1", Port: 4648, Status: "alive", Tags: tags("4647")},
		}},
		"GET /v1/status/leader":               "\"10.0.0.1:4647\"",
		"GET /v1/operator/raft/configuration": &api.RaftConfiguration{Servers: []*api.RaftServer{{ID: "s1", Node: "server-1", Address: "10.0.0.1:4647", Leader: true, Voter: true, RaftProtocol: "3"}}},
		"GET /v1/services":                    []*api.ServiceRegistrationListStub{{Namespace: "default", Services: []*api.ServiceRegistrationStub{{ServiceName: "web", Tags: []string{"a", "b"}}}}},
		"GET /v1/namespaces":                  []*api.Namespace{{Name: "default", Description: "Default shared namespace"}},
		"PUT /v1/system/gc":                   nil,
		"PUT /v1/search":                      &api.SearchResponse{Matches: map[contextName][]string{"allocs": {alloc0}}},
		"PUT /v1/jobs":                        &api.JobRegisterResponse{EvalID: eval0, JobModifyIndex: 7},
		"PUT /v1/validate/job":                &api.JobValidateResponse{},
		"DELETE /v1/job/web":                  map[string]any{"EvalID": eval0},
	}
}
