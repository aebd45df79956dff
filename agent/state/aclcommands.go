package state

import "github.com/hashicorp/nomad/api"

// The log commands of access control.
const (
	TypeBootstrapACL Type = iota + 30
	TypeUpsertACLPolicies
	TypeDeleteACLPolicies
	TypeUpsertACLTokens
	TypeDeleteACLTokens
	TypeUpsertACLRoles
	TypeDeleteACLRoles
	TypeUpsertACLAuthMethods
	TypeDeleteACLAuthMethods
	TypeUpsertACLBindingRules
	TypeDeleteACLBindingRules
	TypeUpsertOneTimeToken
	TypeUseOneTimeToken
	TypeExpireACLTokens
	TypeReplicateACL
)

// BootstrapACL stores the first management token, once. Reset is the index of the last
// bootstrap, by which an operator with access to a server's disk shows that it may be
// done again; 0 otherwise. Result: error or nil.
type BootstrapACL struct {
	Token *api.ACLToken
	Reset uint64 `json:",omitempty"`
}

// UpsertACLPolicies creates or changes policies, whose rules are valid. Result: error or nil.
type UpsertACLPolicies struct{ Policies []*api.ACLPolicy }

// DeleteACLPolicies deletes policies. Tokens and roles keep their names, which grant
// nothing until there is such a policy again. Result: error or nil.
type DeleteACLPolicies struct{ Names []string }

// UpsertACLTokens creates tokens, or changes the name, policies and roles of those whose
// accessor is known. Result: error or nil.
type UpsertACLTokens struct{ Tokens []*api.ACLToken }

// DeleteACLTokens deletes tokens by accessor. Result: error or nil.
type DeleteACLTokens struct{ AccessorIDs []string }

// UpsertACLRoles creates or changes roles. Names are unique, and the policies must exist.
// Result: error or nil.
type UpsertACLRoles struct{ Roles []*api.ACLRole }

// DeleteACLRoles deletes roles by ID. Result: error or nil.
type DeleteACLRoles struct{ IDs []string }

// UpsertACLAuthMethods creates or changes auth methods. At most one of a type is the
// default. Result: error or nil.
type UpsertACLAuthMethods struct{ Methods []*api.ACLAuthMethod }

// DeleteACLAuthMethods deletes auth methods and their binding rules. Result: error or nil.
type DeleteACLAuthMethods struct{ Names []string }

// UpsertACLBindingRules creates or changes binding rules, whose auth method must exist.
// Result: error or nil.
type UpsertACLBindingRules struct{ Rules []*api.ACLBindingRule }

// DeleteACLBindingRules deletes binding rules by ID. Result: error or nil.
type DeleteACLBindingRules struct{ IDs []string }

// UpsertOneTimeToken stores a one-time token. Result: error or nil.
type UpsertOneTimeToken struct{ Token *api.OneTimeToken }

// UseOneTimeToken takes a one-time token out of the state: of several who try, one
// gets it. Result: *api.OneTimeToken.
type UseOneTimeToken struct{ Secret string }

// ExpireACLTokens deletes what expired before the entry's time: one-time tokens at once,
// tokens Keep ns later, at most Max in all. LocalOnly leaves global tokens. Result: error or nil.
type ExpireACLTokens struct {
	Keep      int64
	Max       int
	LocalOnly bool `json:",omitempty"`
}

// ReplicateACL makes rows of this region like those of the authoritative one: it stores
// the rows that are given, and deletes those whose identity Gone lists by table.
// Result: error or nil.
type ReplicateACL struct {
	Policies     []*api.ACLPolicy      `json:",omitempty"`
	Roles        []*api.ACLRole        `json:",omitempty"`
	AuthMethods  []*api.ACLAuthMethod  `json:",omitempty"`
	BindingRules []*api.ACLBindingRule `json:",omitempty"`
	Tokens       []*api.ACLToken       `json:",omitempty"`
	Gone         map[string][]string   `json:",omitempty"`
}

// The Type methods tie each command to its number.
func (*BootstrapACL) Type() Type          { return TypeBootstrapACL }
func (*UpsertACLPolicies) Type() Type     { return TypeUpsertACLPolicies }
func (*DeleteACLPolicies) Type() Type     { return TypeDeleteACLPolicies }
func (*UpsertACLTokens) Type() Type       { return TypeUpsertACLTokens }
func (*DeleteACLTokens) Type() Type       { return TypeDeleteACLTokens }
func (*UpsertACLRoles) Type() Type        { return TypeUpsertACLRoles }
func (*DeleteACLRoles) Type() Type        { return TypeDeleteACLRoles }
func (*UpsertACLAuthMethods) Type() Type  { return TypeUpsertACLAuthMethods }
func (*DeleteACLAuthMethods) Type() Type  { return TypeDeleteACLAuthMethods }
func (*UpsertACLBindingRules) Type() Type { return TypeUpsertACLBindingRules }
func (*DeleteACLBindingRules) Type() Type { return TypeDeleteACLBindingRules }
func (*UpsertOneTimeToken) Type() Type    { return TypeUpsertOneTimeToken }
func (*UseOneTimeToken) Type() Type       { return TypeUseOneTimeToken }
func (*ExpireACLTokens) Type() Type       { return TypeExpireACLTokens }
func (*ReplicateACL) Type() Type          { return TypeReplicateACL }
