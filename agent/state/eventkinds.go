package state

import "github.com/hashicorp/nomad/api"

// eventFacts is what a subscriber may filter by.
type eventFacts struct {
	namespace, key string
	filter         []string
}

// eventKind says how a table's rows appear on the event stream.
type eventKind struct {
	topic api.Topic
	field string // the payload's key
	facts func(row any) eventFacts
	// show gives the row as it may be seen, nil as it is.
	show func(row any) any
	// types by command; "" is the default, gone is used when the row was deleted.
	types map[Type]string
	usual string
	gone  string
}

func (k eventKind) typeOf(cmd Type, ch Change) string {
	if ch.After == nil && k.gone != "" {
		return k.gone
	}
	if t := k.types[cmd]; t != "" {
		return t
	}
	return k.usual
}

// eventKinds by table; tables that are not here are not on the stream.
var eventKinds = map[string]eventKind{
	TableJobs: {
		topic: api.TopicJob, field: "Job", usual: "JobRegistered", gone: "JobDeregistered",
		types: map[Type]string{TypeDeregisterJob: "JobDeregistered"},
		facts: func(row any) eventFacts {
			j := row.(*api.Job)
			return eventFacts{namespace: *j.Namespace, key: *j.ID}
		},
	},
	TableNodes: {
		topic: api.TopicNode, field: "Node", usual: "NodeEvent", gone: "NodeDeregistration",
		types: map[Type]string{
			TypeRegisterNode: "NodeRegistration", TypeNodeEligibility: "NodeEligibility", TypeNodeDrain: "NodeDrain",
		},
		facts: func(row any) eventFacts { return eventFacts{key: row.(*Node).ID} },
		show:  func(row any) any { return &row.(*Node).Node }, // without the secret
	},
	TableAllocs: {
		topic: api.TopicAllocation, field: "Allocation", usual: "AllocationUpdated",
		types: map[Type]string{TypeApplyPlans: "PlanResult", TypeTransitionAllocs: "AllocationUpdateDesiredStatus"},
		facts: func(row any) eventFacts {
			a := row.(*Alloc)
			return eventFacts{a.Namespace, a.ID, []string{a.JobID, a.DeploymentID}}
		},
	},
	TableEvals: {
		topic: api.TopicEvaluation, field: "Evaluation", usual: "EvaluationUpdated",
		facts: func(row any) eventFacts {
			e := row.(*api.Evaluation)
			return eventFacts{e.Namespace, e.ID, []string{e.JobID, e.DeploymentID}}
		},
	},
	TableDeployments: {
		topic: api.TopicDeployment, field: "Deployment", usual: "DeploymentStatusUpdate",
		types: map[Type]string{TypeUpdateAllocs: "DeploymentAllocHealth", TypeUpdateNodes: "DeploymentAllocHealth"},
		facts: func(row any) eventFacts {
			d := row.(*api.Deployment)
			return eventFacts{d.Namespace, d.ID, []string{d.JobID}}
		},
	},
	TableServices: {
		topic: api.TopicService, field: "Service", usual: "ServiceRegistration", gone: "ServiceDeregistration",
		facts: func(row any) eventFacts {
			s := row.(*Service)
			return eventFacts{s.Namespace, s.ID, []string{s.JobID, s.ServiceName}}
		},
		show: func(row any) any { return &row.(*Service).ServiceRegistration },
	},
	TableVariables: {
		topic: "Variable", field: "Variable", usual: "VariableUpserted", gone: "VariableDeleted",
		facts: variableEventFacts,
	},
	TableNodePools: {
		topic: api.TopicNodePool, field: "NodePool", usual: "NodePoolUpserted", gone: "NodePoolDeleted",
		facts: func(row any) eventFacts { return eventFacts{key: row.(*api.NodePool).Name} },
	},
	TableCSIVolumes: {
		topic: "CSIVolume", field: "Volume", usual: "CSIVolumeRegistered", gone: "CSIVolumeDeregistered",
		facts: func(row any) eventFacts {
			v := row.(*api.CSIVolume)
			return eventFacts{v.Namespace, v.ID, []string{v.Name, v.PluginID}}
		},
		show: func(row any) any { return ShownCSIVolume(row.(*api.CSIVolume)) },
	},
	TableHostVolumes: {
		topic: "HostVolume", field: "Volume", usual: "HostVolumeRegistered", gone: "HostVolumeDeleted",
		facts: func(row any) eventFacts {
			v := row.(*api.HostVolume)
			return eventFacts{v.Namespace, v.ID, []string{v.Name, v.NodeID}}
		},
	},
	TableACLTokens: {
		topic: "ACLToken", field: "ACLToken", usual: "ACLTokenUpserted", gone: "ACLTokenDeleted",
		facts: func(row any) eventFacts { return eventFacts{key: row.(*api.ACLToken).AccessorID} },
		show:  withoutSecret,
	},
	TableACLPolicies: {
		topic: "ACLPolicy", field: "ACLPolicy", usual: "ACLPolicyUpserted", gone: "ACLPolicyDeleted",
		facts: func(row any) eventFacts { return eventFacts{key: row.(*api.ACLPolicy).Name} },
	},
	TableACLRoles: {
		topic: "ACLRole", field: "ACLRole", usual: "ACLRoleUpserted", gone: "ACLRoleDeleted",
		facts: func(row any) eventFacts { return eventFacts{key: row.(*api.ACLRole).ID} },
	},
	TableACLAuthMethods: {
		topic: "ACLAuthMethod", field: "AuthMethod", usual: "ACLAuthMethodUpserted", gone: "ACLAuthMethodDeleted",
		facts: func(row any) eventFacts { return eventFacts{key: row.(*api.ACLAuthMethod).Name} },
		show:  withoutClientSecret,
	},
	TableACLBindingRules: {
		topic: "ACLBindingRule", field: "BindingRule", usual: "ACLBindingRuleUpserted", gone: "ACLBindingRuleDeleted",
		facts: func(row any) eventFacts {
			r := row.(*api.ACLBindingRule)
			return eventFacts{key: r.ID, filter: []string{r.AuthMethod}}
		},
	},
}
