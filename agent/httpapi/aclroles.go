package httpapi

import (
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// has reports whether a role is one of the caller's.
func (c caller) has(role string) bool {
	return c.acl.Management() || c.token != nil && slices.ContainsFunc(c.token.Roles, func(l *api.ACLTokenRoleLink) bool { return l.ID == role })
}

// aclRoles is GET /v1/acl/roles: all, or the caller's own.
func aclRoles(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	l := list[*api.ACLRole, *api.ACLRoleListStub]{
		at:   func(role *api.ACLRole) token { return byName(role.ID) },
		keep: func(role *api.ACLRole) bool { return r.caller.has(role.ID) },
		show: func(role *api.ACLRole) *api.ACLRoleListStub {
			return &api.ACLRoleListStub{
				ID: role.ID, Name: role.Name, Description: role.Description, Policies: role.Policies,
				CreateIndex: role.CreateIndex, ModifyIndex: role.ModifyIndex,
			}
		},
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.ACLRole], uint64) {
		return s.ACLRoles(ws, r.prefix), s.Index(state.TableACLRoles)
	})
}

// aclRole is GET /v1/acl/role/:id and GET /v1/acl/role/name/:name.
func aclRole(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		role := snap.ACLRole(ws, r.vars["id"])
		if name := r.vars["name"]; name != "" {
			role = snap.ACLRoleByName(ws, name)
		}
		switch {
		case !r.rights().Management() && (role == nil || !r.caller.has(role.ID)):
			return nil, 1, errDenied
		case role == nil:
			return nil, snap.Index(state.TableACLRoles), notFound("ACL role not found")
		}
		return role, role.ModifyIndex, nil
	})
}

// aclRoleCreate is PUT /v1/acl/role.
func aclRoleCreate(a *API, r *request) (any, error) {
	var role api.ACLRole
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &role); err != nil {
		return nil, err
	}
	if role.ID != "" {
		return nil, badRequest("cannot specify ID: send it to /v1/acl/role/%s", role.ID)
	}
	role.ID = newID()
	return a.putRole(r, &role)
}

// aclRoleUpdate is PUT /v1/acl/role/:id.
func aclRoleUpdate(a *API, r *request) (any, error) {
	var role api.ACLRole
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &role); err != nil {
		return nil, err
	}
	if err := sameName("role", role.ID, r.vars["id"]); err != nil {
		return nil, err
	}
	role.ID = r.vars["id"]
	if a.cfg.State.Snapshot().ACLRole(nil, role.ID) == nil {
		return nil, notFound("ACL role not found")
	}
	return a.putRole(r, &role)
}

func (a *API) putRole(r *request, role *api.ACLRole) (any, error) {
	if err := aclName(role.Name); err != nil {
		return nil, err
	}
	if err := aclDescription(role.Description); err != nil {
		return nil, err
	}
	role.Policies = slices.DeleteFunc(role.Policies, func(l *api.ACLRolePolicyLink) bool { return l == nil })
	var once []*api.ACLRolePolicyLink
	for _, l := range role.Policies {
		if !slices.ContainsFunc(once, func(o *api.ACLRolePolicyLink) bool { return o.Name == l.Name }) {
			once = append(once, l)
		}
	}
	if role.Policies = once; len(once) == 0 {
		return nil, badRequest("at least one policy should be specified")
	}
	if _, err := apply[any](a, r, &state.UpsertACLRoles{Roles: []*api.ACLRole{role}}); err != nil {
		return nil, err
	}
	return a.cfg.State.Snapshot().ACLRole(nil, role.ID), nil
}

// aclRoleDelete is DELETE /v1/acl/role/:id.
func aclRoleDelete(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	_, err := apply[any](a, r, &state.DeleteACLRoles{IDs: []string{r.vars["id"]}})
	return nil, err
}
