package command

import (
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

// foresee adds the answers to what-if questions: client-1 does not drain, client-2 does.
func foresee(answers map[string]any) {
	lack := "needs 200 MHz more cpu on node client-2"
	answers["GET /v1/node/"+nodeA+"/drain-plan"] = &healapi.DrainPlan{
		NodeID: nodeA, NodeName: "client-1", Nowhere: 1,
		Moves: []healapi.DrainMove{
			{AllocID: alloc0, Name: "web.web[0]", JobID: "web", TaskGroup: "web", JobType: "service", FromNodeID: nodeA, FromNodeName: "client-1", ToNodeID: nodeB, ToNodeName: "client-2"},
			{AllocID: "7c0e0f77-0000-4000-8000-000000000001", Name: "web.web[1]", JobID: "web", TaskGroup: "web", JobType: "service", FromNodeID: nodeA, FromNodeName: "client-1", Hint: lack},
			{AllocID: "7c0e0f77-0000-4000-8000-000000000002", Name: "monitor.agent[0]", JobID: "monitor", TaskGroup: "agent", JobType: "system", FromNodeID: nodeA, FromNodeName: "client-1", Ends: true},
			{AllocID: "7c0e0f77-0000-4000-8000-000000000003", Name: "report.r[0]", JobID: "report", TaskGroup: "r", JobType: "batch", FromNodeID: nodeA, FromNodeName: "client-1", Ends: true},
		},
	}
	answers["GET /v1/node/"+nodeB+"/drain-plan"] = &healapi.DrainPlan{NodeID: nodeB, NodeName: "client-2", Fits: true}
	answers["GET /v1/heal/resilience"] = &healapi.Resilience{
		Single: healapi.Coverage{Total: 5, Examined: 5, Survived: 4, Exhaustive: true},
		Pair:   healapi.Coverage{Total: 10, Examined: 8, Survived: 5},
		Nodes: []healapi.NodeLoss{
			{NodeID: nodeA, NodeName: "client-1", Allocs: 4, Examined: true, Unplaced: []healapi.Unplaced{
				{Namespace: "default", JobID: "web", TaskGroup: "web", Count: 1, Hint: lack},
				{Namespace: "team", JobID: "db", TaskGroup: "db", Count: 2, Hint: "remove constraint ${node.class} = large"},
			}},
			{NodeID: nodeB, NodeName: "client-2", Allocs: 1, Examined: true, Survives: true},
		},
		WorstPair: &healapi.Loss{NodeNames: []string{"client-1", "client-2"}, Unplaced: []healapi.Unplaced{{Namespace: "default", JobID: "web", TaskGroup: "web", Count: 5, Hint: lack}}},
	}
	answers["GET /v1/node/"+nodeB] = &api.Node{ID: nodeB, Name: "client-2", Status: "ready"}
	answers["PUT /v1/heal/resilience"] = &healapi.Resilience{AnyOne: true, Single: healapi.Coverage{Total: 5, Examined: 5, Survived: 5, Exhaustive: true}}
	cfg := healapi.DefaultRebalance()
	answers["GET /v1/heal/rebalance"] = turns{
		&healapi.Rebalance{Config: cfg, Algorithm: "binpack"},
		&healapi.Rebalance{
			Config: cfg, Algorithm: "spread",
			Skews:    []healapi.Skew{{Datacenter: "dc1", NodePool: "default", MostUsedNode: "client-1", LeastUsedNode: "client-2", MostUsedShare: 0.9, LeastUsedShare: 0.3}},
			Moving:   []healapi.Move{{AllocID: alloc0, Name: "web.web[0]", FromNodeName: "client-1", ToNodeName: "client-2", Mode: "on", Reason: "node client-1 is 90 % used, client-2 30 %"}},
			Proposed: []healapi.Move{{AllocID: alloc1, Name: "web.web[1]", FromNodeName: "client-1", ToNodeName: "client-2", Mode: "propose", Reason: "2 of its group are on its node, 0 there"}},
		},
	}
	cfg.Mode = healapi.ModeOn
	answers["PUT /v1/heal/rebalance"] = &healapi.RebalanceSet{Config: cfg}
	answers["PUT /v1/job/web/plan"] = &api.JobPlanResponse{
		JobModifyIndex: 12, Diff: &api.JobDiff{Type: "None", ID: "web"},
		Annotations: &api.PlanAnnotations{DesiredTGUpdates: map[string]*api.DesiredUpdates{"web": {Ignore: 2}}},
	}
}
