package httpapi

import (
	"github.com/hashicorp/go-memdb"

	"github.com/selfheal/selfheal/agent/state"
)

// PathReplica is where the leaders of other regions read, on the cluster port, what
// holds in all regions. It takes a management token.
const PathReplica = "/v1/internal/acl/replica"

// aclReplica is GET PathReplica, a blocking query: everything of access control that all
// regions share, with its secrets, for who has a management token.
func aclReplica(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	return a.read(r, func(s *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		out := &state.ReplicateACL{}
		for p := range s.ACLPolicies(ws, "") {
			out.Policies = append(out.Policies, p)
		}
		for role := range s.ACLRoles(ws, "") {
			out.Roles = append(out.Roles, role)
		}
		for m := range s.ACLAuthMethods(ws) {
			out.AuthMethods = append(out.AuthMethods, m)
		}
		for b := range s.ACLBindingRules(ws, "") {
			out.BindingRules = append(out.BindingRules, b)
		}
		for t := range s.ACLTokens(ws, "") {
			if t.Global {
				out.Tokens = append(out.Tokens, t)
			}
		}
		return out, s.Index(state.TableACLPolicies, state.TableACLRoles, state.TableACLAuthMethods, state.TableACLBindingRules, state.TableACLTokens), nil
	})
}
