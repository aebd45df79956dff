package command

import (
	"time"

	"github.com/hashicorp/nomad/api"
)

// adminAnswers are what operators look at, beside the usual cluster.
func adminAnswers(a map[string]any) {
	expires := at.Add(-time.Minute)
	token := &api.ACLToken{
		AccessorID: "acc-1", SecretID: "sec-1", Name: "bob", Type: "client", Policies: []string{"readonly"}, CreateTime: at.Add(-time.Hour), ExpirationTime: &expires,
		Roles: []*api.ACLTokenRoleLink{{ID: "role-1", Name: "ops"}}, CreateIndex: 9, ModifyIndex: 9,
	}
	role := &api.ACLRole{ID: "role-1", Name: "ops", Policies: []*api.ACLRolePolicyLink{{Name: "readonly"}}, CreateIndex: 8, ModifyIndex: 8}
	method := &api.ACLAuthMethod{Name: "ci", Type: "JWT", TokenLocality: "local", MaxTokenTTL: time.Hour, Default: true,
		Config: &api.ACLAuthMethodConfig{JWKSURL: "https://ci/keys", BoundAudiences: []string{"nomad"}, OIDCClientSecret: "never shown", ClaimMappings: map[string]string{"sub": "user"}}}
	rule := &api.ACLBindingRule{ID: "rule-1", AuthMethod: "ci", BindType: "policy", BindName: "readonly", Selector: "value.user == bob"}
	volume := &api.HostVolume{ID: "v0000001-0000-0000-0000-000000000000", Name: "data", Namespace: "default", PluginID: "mkdir", NodeID: nodeA, NodePool: "default", State: "ready", CapacityBytes: 1 << 30, HostPath: "/x",
		RequestedCapabilities: []*api.HostVolumeCapability{{AccessMode: "single-node-writer", AttachmentMode: "file-system"}}}
	for path, answer := range map[string]any{
		"GET /v1/acl/policies":              []*api.ACLPolicyListStub{{Name: "readonly", Description: "read all"}},
		"GET /v1/acl/policy/readonly":       &api.ACLPolicy{Name: "readonly", Description: "read all", Rules: "node { policy = \"read\" }\n", JobACL: &api.JobACL{Namespace: "default", JobID: "web"}},
		"PUT /v1/acl/policy/p":              map[string]any{},
		"GET /v1/acl/tokens":                []*api.ACLTokenListStub{{AccessorID: "acc-1", Name: "bob", Type: "client", ExpirationTime: &expires}},
		"GET /v1/acl/token/acc-1":           token,
		"PUT /v1/acl/token/acc-1":           token,
		"PUT /v1/acl/token":                 token,
		"PUT /v1/acl/bootstrap":             &api.ACLToken{AccessorID: "acc-0", SecretID: "sec-0", Name: "Bootstrap Token", Type: "management", Global: true, CreateTime: at},
		"DELETE /v1/acl/token/acc-1":        map[string]any{},
		"GET /v1/acl/roles":                 []*api.ACLRoleListStub{{ID: "role-1", Name: "ops", Policies: role.Policies}},
		"GET /v1/acl/role/role-1":           role,
		"PUT /v1/acl/role/role-1":           role,
		"GET /v1/acl/auth-methods":          []*api.ACLAuthMethodListStub{{Name: "ci", Type: "JWT", Default: true}},
		"GET /v1/acl/auth-method/ci":        method,
		"GET /v1/acl/binding-rules":         []*api.ACLBindingRuleListStub{{ID: "rule-1", AuthMethod: "ci"}},
		"PUT /v1/acl/binding-rule":          rule,
		"PUT /v1/acl/login":                 token,
		"GET /v1/node/pools":                []*api.NodePool{{Name: "default", Description: "Default node pool."}, {Name: "gpu"}},
		"GET /v1/node/pool/gpu":             &api.NodePool{Name: "gpu", Meta: map[string]string{"owner": "ml"}, SchedulerConfiguration: &api.NodePoolSchedulerConfiguration{SchedulerAlgorithm: "spread"}},
		"GET /v1/node/pool/gpu/nodes":       []*api.NodeListStub{{ID: nodeA, Name: "client-1", NodePool: "gpu", Datacenter: "dc1", SchedulingEligibility: "eligible", Status: "ready"}},
		"GET /v1/client/metadata":           &api.NodeMetaResponse{Meta: map[string]string{"rack": "r2"}, Dynamic: map[string]*string{"rack": ptr("r2"), "old": nil}, Static: map[string]string{"rack": "r1"}},
		"POST /v1/client/metadata":          &api.NodeMetaResponse{},
		"GET /v1/scaling/policies":          []*api.ScalingPolicyListStub{{ID: "5ca1ab1e-0000-0000-0000-000000000000", Enabled: true, Type: "horizontal", Target: map[string]string{"Namespace": "default", "Job": "web", "Group": "web"}}},
		"GET /v1/volumes":                   []*api.HostVolumeStub{{ID: volume.ID, Name: "data", Namespace: "default", PluginID: "mkdir", NodeID: nodeA, NodePool: "default", State: "ready"}},
		"GET /v1/volume/host/" + volume.ID:  volume,
		"PUT /v1/volume/host/create":        &api.HostVolumeCreateResponse{Volume: volume},
		"GET /v1/operator/autopilot/health": refusal{429, `{"Healthy":false,"FailureTolerance":0,"Leader":"s1","Servers":[{"ID":"s1","Name":"server-1","Address":"10.0.0.1:4647","SerfStatus":"alive","Version":"0.1.0","Leader":true,"Voter":true,"LastContact":"0s","StableSince":"2026-11-20T11:00:00Z"}]}`},
		"GET /v1/operator/keyring/keys":     []*api.RootKeyMeta{{KeyID: "4e110000-0000-0000-0000-000000000000", State: api.RootKeyStateActive, CreateTime: ago(time.Hour)}},
		"DELETE /v1/operator/keyring/key/4e110000-0000-0000-0000-000000000000": map[string]any{},
		"GET /v1/agent/keyring/list": &api.KeyringResponse{Keys: map[string]int{"a2V5": 3}, NumNodes: 4},
		"PUT /v1/agent/keyring/use":  &api.KeyringResponse{Messages: map[string]string{"client-9": "did not answer"}},
		"GET /v1/evaluations/count":  &api.EvalCountResponse{Count: 2},
		"DELETE /v1/evaluations":     &api.EvalDeleteResponse{Count: 2},
	} {
		a[path] = answer
	}
}
