package state

import (
	"iter"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
)

// The tables of access control.
const (
	TableACLPolicies     = "acl_policies"      // *api.ACLPolicy
	TableACLTokens       = "acl_tokens"        // *api.ACLToken, with their secrets
	TableACLRoles        = "acl_roles"         // *api.ACLRole
	TableACLAuthMethods  = "acl_auth_methods"  // *api.ACLAuthMethod, with their secrets
	TableACLBindingRules = "acl_binding_rules" // *api.ACLBindingRule

	tableOneTime      = "acl_one_time"  // *api.OneTimeToken
	tableACLBootstrap = "acl_bootstrap" // *aclBootstrap, one row at most
)

// bySecret is the index that a request's token is found by.
const bySecret = "secret"

// aclBootstrap says that the first management token was made, and when.
type aclBootstrap struct{ Index uint64 }

// ACLPolicy is a policy, nil if there is none.
func (s *Snapshot) ACLPolicy(ws memdb.WatchSet, name string) *api.ACLPolicy {
	return one[api.ACLPolicy](s, ws, TableACLPolicies, byID, name)
}

// ACLPolicies are the policies whose name begins with prefix, by name.
func (s *Snapshot) ACLPolicies(ws memdb.WatchSet, prefix string) iter.Seq[*api.ACLPolicy] {
	return rows[api.ACLPolicy](s, ws, TableACLPolicies, byID+"_prefix", prefix)
}

// ACLToken is the token of an accessor, nil if there is none. It may have expired.
func (s *Snapshot) ACLToken(ws memdb.WatchSet, accessor string) *api.ACLToken {
	return one[api.ACLToken](s, ws, TableACLTokens, byID, accessor)
}

// ACLTokenBySecret is the token of a secret, nil if there is none. It may have expired.
func (s *Snapshot) ACLTokenBySecret(ws memdb.WatchSet, secret string) *api.ACLToken {
	return one[api.ACLToken](s, ws, TableACLTokens, bySecret, secret)
}

// ACLTokens are the tokens whose accessor begins with prefix, by accessor.
func (s *Snapshot) ACLTokens(ws memdb.WatchSet, prefix string) iter.Seq[*api.ACLToken] {
	return rows[api.ACLToken](s, ws, TableACLTokens, byID+"_prefix", prefix)
}

// ACLRole is a role, nil if there is none.
func (s *Snapshot) ACLRole(ws memdb.WatchSet, id string) *api.ACLRole {
	return one[api.ACLRole](s, ws, TableACLRoles, byID, id)
}

// ACLRoleByName is the role of that name, nil if there is none.
func (s *Snapshot) ACLRoleByName(ws memdb.WatchSet, name string) *api.ACLRole {
	return one[api.ACLRole](s, ws, TableACLRoles, byName, name)
}

// ACLRoles are the roles whose ID begins with prefix, by ID.
func (s *Snapshot) ACLRoles(ws memdb.WatchSet, prefix string) iter.Seq[*api.ACLRole] {
	return rows[api.ACLRole](s, ws, TableACLRoles, byID+"_prefix", prefix)
}

// ACLAuthMethod is an auth method, nil if there is none.
func (s *Snapshot) ACLAuthMethod(ws memdb.WatchSet, name string) *api.ACLAuthMethod {
	return one[api.ACLAuthMethod](s, ws, TableACLAuthMethods, byID, name)
}

// ACLAuthMethods are all auth methods, by name.
func (s *Snapshot) ACLAuthMethods(ws memdb.WatchSet) iter.Seq[*api.ACLAuthMethod] {
	return rows[api.ACLAuthMethod](s, ws, TableACLAuthMethods, byID)
}

// ACLBindingRule is a binding rule, nil if there is none.
func (s *Snapshot) ACLBindingRule(ws memdb.WatchSet, id string) *api.ACLBindingRule {
	return one[api.ACLBindingRule](s, ws, TableACLBindingRules, byID, id)
}

// ACLBindingRules are the binding rules of an auth method, "" of all, by ID.
func (s *Snapshot) ACLBindingRules(ws memdb.WatchSet, method string) iter.Seq[*api.ACLBindingRule] {
	all := rows[api.ACLBindingRule](s, ws, TableACLBindingRules, byID)
	return where(all, func(r *api.ACLBindingRule) bool { return method == "" || r.AuthMethod == method })
}

// OneTimeToken is a one-time token, nil if there is none. It may have expired.
func (s *Snapshot) OneTimeToken(secret string) *api.OneTimeToken {
	return one[api.OneTimeToken](s, nil, tableOneTime, byID, secret)
}

// OneTimeTokens are all one-time tokens.
func (s *Snapshot) OneTimeTokens() iter.Seq[*api.OneTimeToken] {
	return rows[api.OneTimeToken](s, nil, tableOneTime, byID)
}

// ACLBootstrapIndex is the index at which the first management token was made, 0 if
// none was yet.
func (s *Snapshot) ACLBootstrapIndex() uint64 {
	if b := one[aclBootstrap](s, nil, tableACLBootstrap, byID, ""); b != nil {
		return b.Index
	}
	return 0
}
