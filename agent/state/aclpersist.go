package state

import "github.com/hashicorp/nomad/api"

// Kinds of records of access control; see saveHeader.
const (
	recACLPolicy byte = iota + 30
	recACLRole
	recACLToken
	recACLAuthMethod
	recACLBindingRule
	recOneTime
	recACLBootstrap
)

// saveACL writes the tables of access control. Secrets are in it: a saved state is to be
// kept like a management token.
func (s *Snapshot) saveACL(sv *saver) {
	saveRows[api.ACLPolicy](sv, s, recACLPolicy, TableACLPolicies)
	saveRows[api.ACLRole](sv, s, recACLRole, TableACLRoles)
	saveRows[api.ACLToken](sv, s, recACLToken, TableACLTokens)
	saveRows[api.ACLAuthMethod](sv, s, recACLAuthMethod, TableACLAuthMethods)
	saveRows[api.ACLBindingRule](sv, s, recACLBindingRule, TableACLBindingRules)
	saveRows[api.OneTimeToken](sv, s, recOneTime, tableOneTime)
	saveRows[aclBootstrap](sv, s, recACLBootstrap, tableACLBootstrap)
}

// withoutSecret is a token as the event stream shows it.
func withoutSecret(row any) any {
	token := *row.(*api.ACLToken)
	token.SecretID = ""
	return &token
}

// withoutClientSecret is an auth method as everyone but its owner may see it.
func withoutClientSecret(row any) any {
	m := *row.(*api.ACLAuthMethod)
	if m.Config != nil {
		cfg := *m.Config
		cfg.OIDCClientSecret, cfg.OIDCClientAssertion = "", nil
		m.Config = &cfg
	}
	return &m
}
