package httpapi

import (
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

func policyStub(p *api.ACLPolicy) *api.ACLPolicyListStub {
	return &api.ACLPolicyListStub{
		Name: p.Name, Description: p.Description, JobACL: p.JobACL, CreateIndex: p.CreateIndex, ModifyIndex: p.ModifyIndex,
	}
}

// holds reports whether a policy is one of the caller's.
func (c caller) holds(name string) bool {
	return c.acl.Management() || slices.ContainsFunc(c.policies, func(p *api.ACLPolicy) bool { return p.Name == name })
}

// aclPolicies is GET /v1/acl/policies: all, or the caller's own.
func aclPolicies(a *API, r *request) (any, error) {
	return a.listPolicies(r, func(p *api.ACLPolicy) bool { return r.caller.holds(p.Name) })
}

// aclPoliciesSelf is GET /v1/acl/policy/self: the policies that made the caller's rights.
func aclPoliciesSelf(a *API, r *request) (any, error) {
	return a.listPolicies(r, func(p *api.ACLPolicy) bool { return !r.rights().Management() && r.caller.holds(p.Name) })
}

func (a *API) listPolicies(r *request, keep func(*api.ACLPolicy) bool) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	l := list[*api.ACLPolicy, *api.ACLPolicyListStub]{
		at:   func(p *api.ACLPolicy) token { return byName(p.Name) },
		keep: keep, show: policyStub,
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.ACLPolicy], uint64) {
		return s.ACLPolicies(ws, r.prefix), s.Index(state.TableACLPolicies)
	})
}

// aclPolicy is GET /v1/acl/policy/:name, for management tokens and those that have it.
func aclPolicy(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if !r.caller.holds(r.vars["name"]) {
		return nil, errDenied
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		p := snap.ACLPolicy(ws, r.vars["name"])
		if p == nil {
			return nil, snap.Index(state.TableACLPolicies), notFound("ACL policy not found")
		}
		return p, p.ModifyIndex, nil
	})
}

// aclPolicyUpsert is PUT /v1/acl/policy/:name.
func aclPolicyUpsert(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	var p api.ACLPolicy
	if err := a.decode(r, &p); err != nil {
		return nil, err
	}
	if err := sameName("policy", p.Name, r.vars["name"]); err != nil {
		return nil, err
	}
	p.Name = r.vars["name"]
	if err := aclName(p.Name); err != nil {
		return nil, err
	}
	if err := aclDescription(p.Description); err != nil {
		return nil, err
	}
	if err := checkJobACL(p.JobACL); err != nil {
		return nil, err
	}
	if _, err := acl.Parse(p.Rules); err != nil {
		return nil, badRequest("%v", err)
	}
	_, err := apply[any](a, r, &state.UpsertACLPolicies{Policies: []*api.ACLPolicy{&p}})
	return nil, err
}

// checkJobACL refuses a policy that leaves out what its workload is in.
func checkJobACL(to *api.JobACL) error {
	switch {
	case to == nil:
		return nil
	case to.JobID == "" && (to.Namespace != "" || to.Group != "" || to.Task != ""):
		return badRequest("JobACL.JobID is missing: a policy is attached to a job, or to a group or task of one")
	case to.Task != "" && to.Group == "":
		return badRequest("JobACL.Group is missing: it must be given with JobACL.Task")
	}
	return nil
}

// aclPolicyDelete is DELETE /v1/acl/policy/:name.
func aclPolicyDelete(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	_, err := apply[any](a, r, &state.DeleteACLPolicies{Names: []string{r.vars["name"]}})
	return nil, err
}
