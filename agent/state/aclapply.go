package state

import (
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

// applyBootstrapACL stores the first management token.
func applyBootstrapACL(t *tx, c *BootstrapACL) any {
	if c.Token == nil || c.Token.AccessorID == "" || c.Token.SecretID == "" {
		return invalidf("bootstrap ACLs: the token has no accessor or no secret")
	}
	if last := t.ACLBootstrapIndex(); last != 0 && c.Reset != last {
		return invalidf("ACL bootstrap already done (reset index: %d)", last)
	}
	if err := t.putToken(c.Token); err != nil {
		return err
	}
	t.insert(tableACLBootstrap, &aclBootstrap{t.index})
	t.tables[tableACLBootstrap] = struct{}{}
	return nil
}

// each applies one step to every element and stops at the first refusal.
func each[T any](all []T, step func(T) error) any {
	for _, v := range all {
		if err := step(v); err != nil {
			return err
		}
	}
	return nil
}

func applyUpsertACLPolicies(t *tx, c *UpsertACLPolicies) any { return each(c.Policies, t.putPolicy) }

func (t *tx) putPolicy(p *api.ACLPolicy) error {
	if p == nil || p.Name == "" {
		return invalidf("upsert ACL policy: the name is missing")
	}
	before, after := t.ACLPolicy(nil, p.Name), *p
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	if before != nil {
		after.CreateIndex = before.CreateIndex
	}
	put(t, TableACLPolicies, before, &after)
	return nil
}

func applyDeleteACLPolicies(t *tx, c *DeleteACLPolicies) any {
	return each(c.Names, func(name string) error {
		p := t.ACLPolicy(nil, name)
		if p == nil {
			return ErrNotFound{"ACL policy", name}
		}
		drop(t, TableACLPolicies, p)
		return nil
	})
}

func applyUpsertACLTokens(t *tx, c *UpsertACLTokens) any { return each(c.Tokens, t.putToken) }

// putToken creates a token, or changes what may change of one.
func (t *tx) putToken(token *api.ACLToken) error {
	if token == nil || token.AccessorID == "" || token.SecretID == "" {
		return invalidf("upsert ACL token: the accessor or the secret is missing")
	}
	if other := t.ACLTokenBySecret(nil, token.SecretID); other != nil && other.AccessorID != token.AccessorID {
		return conflictf("the secret is in use by another ACL token")
	}
	before, after := t.ACLToken(nil, token.AccessorID), *token
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	if before != nil {
		if before.Global != after.Global {
			return invalidf("cannot toggle global mode of ACL token %s", before.AccessorID)
		}
		after.SecretID, after.CreateTime, after.CreateIndex = before.SecretID, before.CreateTime, before.CreateIndex
		after.ExpirationTime, after.ExpirationTTL = before.ExpirationTime, before.ExpirationTTL
	}
	for _, link := range after.Roles {
		if link == nil || t.ACLRole(nil, link.ID) == nil {
			return invalidf("cannot find the role of ACL token %s: it was deleted meanwhile", after.AccessorID)
		}
	}
	put(t, TableACLTokens, before, &after)
	return nil
}

func applyDeleteACLTokens(t *tx, c *DeleteACLTokens) any {
	return each(c.AccessorIDs, func(id string) error {
		token := t.ACLToken(nil, id)
		if token == nil {
			return ErrNotFound{"ACL token", id}
		}
		drop(t, TableACLTokens, token)
		return nil
	})
}

func applyUpsertACLRoles(t *tx, c *UpsertACLRoles) any {
	return each(c.Roles, func(role *api.ACLRole) error {
		if role == nil || role.ID == "" || role.Name == "" {
			return invalidf("upsert ACL role: the ID or the name is missing")
		}
		for _, link := range role.Policies {
			if link == nil || t.ACLPolicy(nil, link.Name) == nil {
				return invalidf("cannot find policy %s", nameOf(link))
			}
		}
		if other := t.ACLRoleByName(nil, role.Name); other != nil && other.ID != role.ID {
			return invalidf("role with name %s already exists", role.Name)
		}
		t.putRole(role)
		return nil
	})
}

func nameOf(link *api.ACLRolePolicyLink) string {
	if link == nil {
		return ""
	}
	return link.Name
}

func (t *tx) putRole(role *api.ACLRole) {
	before, after := t.ACLRole(nil, role.ID), *role
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	if before != nil {
		after.CreateIndex = before.CreateIndex
	}
	put(t, TableACLRoles, before, &after)
}

func applyDeleteACLRoles(t *tx, c *DeleteACLRoles) any {
	return each(c.IDs, func(id string) error {
		role := t.ACLRole(nil, id)
		if role == nil {
			return ErrNotFound{"ACL role", id}
		}
		drop(t, TableACLRoles, role)
		return nil
	})
}

func applyUpsertACLAuthMethods(t *tx, c *UpsertACLAuthMethods) any {
	return each(c.Methods, func(m *api.ACLAuthMethod) error {
		if m == nil || m.Name == "" {
			return invalidf("upsert ACL auth method: the name is missing")
		}
		for other := range t.ACLAuthMethods(nil) {
			if m.Default && other.Default && other.Type == m.Type && other.Name != m.Name {
				return invalidf("default auth method for type %s already exists: %s", m.Type, other.Name)
			}
		}
		t.putAuthMethod(m)
		return nil
	})
}

func (t *tx) putAuthMethod(m *api.ACLAuthMethod) {
	before, after := t.ACLAuthMethod(nil, m.Name), *m
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	after.CreateTime, after.ModifyTime = t.time(), t.time()
	if before != nil {
		after.CreateIndex, after.CreateTime = before.CreateIndex, before.CreateTime
	}
	put(t, TableACLAuthMethods, before, &after)
}

func applyDeleteACLAuthMethods(t *tx, c *DeleteACLAuthMethods) any {
	return each(c.Names, func(name string) error {
		m := t.ACLAuthMethod(nil, name)
		if m == nil {
			return ErrNotFound{"ACL auth-method", name}
		}
		for _, rule := range slices.Collect(t.ACLBindingRules(nil, name)) {
			drop(t, TableACLBindingRules, rule)
		}
		drop(t, TableACLAuthMethods, m)
		return nil
	})
}

func applyUpsertACLBindingRules(t *tx, c *UpsertACLBindingRules) any {
	return each(c.Rules, func(r *api.ACLBindingRule) error {
		if r == nil || r.ID == "" {
			return invalidf("upsert ACL binding rule: the ID is missing")
		}
		if t.ACLAuthMethod(nil, r.AuthMethod) == nil {
			return invalidf("ACL auth method %q not found", r.AuthMethod)
		}
		t.putBindingRule(r)
		return nil
	})
}

func (t *tx) putBindingRule(r *api.ACLBindingRule) {
	before, after := t.ACLBindingRule(nil, r.ID), *r
	after.CreateIndex, after.ModifyIndex = t.index, t.index
	after.CreateTime, after.ModifyTime = t.time(), t.time()
	if before != nil {
		after.CreateIndex, after.CreateTime = before.CreateIndex, before.CreateTime
	}
	put(t, TableACLBindingRules, before, &after)
}

func applyDeleteACLBindingRules(t *tx, c *DeleteACLBindingRules) any {
	return each(c.IDs, func(id string) error {
		r := t.ACLBindingRule(nil, id)
		if r == nil {
			return ErrNotFound{"ACL binding rule", id}
		}
		drop(t, TableACLBindingRules, r)
		return nil
	})
}

func applyUpsertOneTimeToken(t *tx, c *UpsertOneTimeToken) any {
	if c.Token == nil || c.Token.OneTimeSecretID == "" {
		return invalidf("upsert one-time token: the secret is missing")
	}
	token := *c.Token
	token.CreateIndex, token.ModifyIndex = t.index, t.index
	t.insert(tableOneTime, &token)
	t.tables[tableOneTime] = struct{}{}
	return nil
}

func applyUseOneTimeToken(t *tx, c *UseOneTimeToken) any {
	token := t.OneTimeToken(c.Secret)
	if token == nil || !t.time().Before(token.ExpiresAt) {
		return ErrPermission{"one-time token is unknown, used or expired"}
	}
	t.dropOneTime(token)
	return token
}

func (t *tx) dropOneTime(token *api.OneTimeToken) {
	t.remove(tableOneTime, token)
	t.tables[tableOneTime] = struct{}{}
}

func applyExpireACLTokens(t *tx, c *ExpireACLTokens) any {
	left := c.Max
	for _, token := range slices.Collect(t.OneTimeTokens()) {
		if left > 0 && !t.time().Before(token.ExpiresAt) {
			t.dropOneTime(token)
			left--
		}
	}
	before := t.time().Add(-time.Duration(c.Keep))
	for _, token := range slices.Collect(t.ACLTokens(nil, "")) {
		if c.LocalOnly && token.Global {
			continue
		}
		if left > 0 && token.ExpirationTime != nil && !before.Before(*token.ExpirationTime) {
			drop(t, TableACLTokens, token)
			left--
		}
	}
	return nil
}

// applyReplicateACL copies rows as they are: the authoritative region has judged them.
func applyReplicateACL(t *tx, c *ReplicateACL) any {
	dropAll(t, c.Gone, TableACLTokens, func(id string) *api.ACLToken { return t.ACLToken(nil, id) })
	dropAll(t, c.Gone, TableACLBindingRules, func(id string) *api.ACLBindingRule { return t.ACLBindingRule(nil, id) })
	dropAll(t, c.Gone, TableACLAuthMethods, func(id string) *api.ACLAuthMethod { return t.ACLAuthMethod(nil, id) })
	dropAll(t, c.Gone, TableACLRoles, func(id string) *api.ACLRole { return t.ACLRole(nil, id) })
	dropAll(t, c.Gone, TableACLPolicies, func(id string) *api.ACLPolicy { return t.ACLPolicy(nil, id) })
	if err := each(c.Policies, t.putPolicy); err != nil {
		return err
	}
	for _, role := range c.Roles {
		if role == nil || role.ID == "" || role.Name == "" {
			return invalidf("replicate ACL roles: the ID or the name is missing")
		}
		if other := t.ACLRoleByName(nil, role.Name); other != nil && other.ID != role.ID {
			drop(t, TableACLRoles, other) // the name went over to another role
		}
		t.putRole(role)
	}
	for _, m := range c.AuthMethods {
		if m == nil || m.Name == "" {
			return invalidf("replicate ACL auth methods: the name is missing")
		}
		t.putAuthMethod(m)
	}
	for _, r := range c.BindingRules {
		if r == nil || r.ID == "" {
			return invalidf("replicate ACL binding rules: the ID is missing")
		}
		t.putBindingRule(r)
	}
	for _, token := range c.Tokens {
		if token == nil || token.AccessorID == "" || token.SecretID == "" {
			return invalidf("replicate ACL tokens: the accessor or the secret is missing")
		}
		if other := t.ACLTokenBySecret(nil, token.SecretID); other != nil && other.AccessorID != token.AccessorID {
			drop(t, TableACLTokens, other)
		}
		before, after := t.ACLToken(nil, token.AccessorID), *token
		after.CreateIndex, after.ModifyIndex = t.index, t.index
		put(t, TableACLTokens, before, &after)
	}
	return nil
}

// dropAll deletes the rows of a table that are to go and are there.
func dropAll[T any](t *tx, gone map[string][]string, table string, find func(id string) *T) {
	for _, id := range gone[table] {
		if row := find(id); row != nil {
			drop(t, table, row)
		}
	}
}
