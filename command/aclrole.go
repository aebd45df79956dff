package command

import (
	"fmt"

	"github.com/hashicorp/nomad/api"
)

func aclRoleVerbs() entries {
	return entries{
		noun("acl role", "Look after roles: named sets of policies"),
		{name: "acl role create", make: aclRoleCreate},
		{name: "acl role update", make: aclRoleUpdate},
		{name: "acl role delete", make: aclRoleDelete},
		{name: "acl role info", make: aclRoleInfo},
		{name: "acl role list", make: aclRoleList},
	}
}

// roleFlags describe a role.
type roleFlags struct {
	name, description string
	policies          []string
}

func (f *roleFlags) rows() []flagRow {
	return []flagRow{
		{"name", "NAME", "What it is called.", &f.name, nil},
		{"description", "TEXT", "What it is for.", &f.description, nil},
		{"policy", "NAME", "It has this policy; may be repeated.", &f.policies, nil},
	}
}

func (f *roleFlags) links() []*api.ACLRolePolicyLink {
	var out []*api.ACLRolePolicyLink
	for _, p := range f.policies {
		out = append(out, &api.ACLRolePolicyLink{Name: p})
	}
	return out
}

func aclRoleCreate() verb {
	var f roleFlags
	var o output
	return verb{
		short: "Make a role",
		flags: concat(f.rows(), o.rows()),
		run: func(s *session, args []string) error {
			if f.name == "" || len(f.policies) == 0 {
				return usagef("a role wants a -name and at least one -policy")
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			role, _, err := c.ACLRoles().Create(&api.ACLRole{Name: f.name, Description: f.description, Policies: f.links()}, nil)
			if err != nil {
				return fmt.Errorf("create role: %w", err)
			}
			return result(s, o, role, showRole)
		},
	}
}

func aclRoleUpdate() verb {
	var f roleFlags
	var o output
	var whole bool
	return verb{
		args: "ID", min: 1, max: 1,
		short: "Change a role",
		long:  "Changes what is given and leaves the rest; policies are added to those that the role has. With -no-merge the role is only what is given.",
		flags: concat(f.rows(), o.rows(), []flagRow{{"no-merge", "", "Keep nothing of the role as it is.", &whole, nil}}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			role := &api.ACLRole{ID: args[0]}
			if whole && (f.name == "" || len(f.policies) == 0) {
				return usagef("-no-merge wants a -name and at least one -policy")
			}
			if !whole {
				if role, _, err = c.ACLRoles().Get(args[0], nil); err != nil {
					return fmt.Errorf("read role: %w", err)
				}
				if role == nil {
					return fmt.Errorf("read role: %w", errEmpty)
				}
			}
			if f.name != "" {
				role.Name = f.name
			}
			if f.description != "" {
				role.Description = f.description
			}
			for _, l := range f.links() {
				if !hasPolicy(role, l.Name) {
					role.Policies = append(role.Policies, l)
				}
			}
			if role, _, err = c.ACLRoles().Update(role, nil); err != nil {
				return fmt.Errorf("update role: %w", err)
			}
			return result(s, o, role, showRole)
		},
	}
}

func hasPolicy(role *api.ACLRole, name string) bool {
	for _, l := range present(role.Policies) {
		if l.Name == name {
			return true
		}
	}
	return false
}

func aclRoleDelete() verb {
	return deletion("ID...", "Delete roles", "role", func(_ *session, c *api.Client, id string) error {
		_, err := c.ACLRoles().Delete(id, nil)
		return err
	})
}

func aclRoleInfo() verb {
	var byName bool
	return page[api.ACLRole]{
		args: "ID", short: "Show a role", what: "role", list: "selfheal acl role list",
		flags: []flagRow{{"by-name", "", "ID is the name of the role.", &byName, nil}},
		read: func(_ *session, c *api.Client, id string) (*api.ACLRole, error) {
			get := c.ACLRoles().Get
			if byName {
				get = c.ACLRoles().GetByName
			}
			r, _, err := get(id, nil)
			return r, err
		},
		show: showRole,
	}.verb()
}

func showRole(p *printer, r *api.ACLRole) {
	p.pairs([2]string{"ID", r.ID}, [2]string{"Name", r.Name}, [2]string{"Description", r.Description},
		[2]string{"Policies", policyNames(r.Policies)},
		[2]string{"Create Index", fmt.Sprint(r.CreateIndex)}, [2]string{"Modify Index", fmt.Sprint(r.ModifyIndex)})
}

func aclRoleList() verb {
	type stub = api.ACLRoleListStub
	return listing[stub]{
		short: "List roles", what: "roles", none: "No ACL roles found",
		columns: []column[stub]{
			{"ID", func(_ *printer, x *stub) string { return x.ID }},
			{"Name", func(_ *printer, x *stub) string { return x.Name }},
			{"Description", func(_ *printer, x *stub) string { return x.Description }},
			{"Policies", func(_ *printer, x *stub) string { return policyNames(x.Policies) }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*stub, *api.QueryMeta, error) {
			return c.ACLRoles().List(q)
		},
	}.verb()
}
