package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

func aclTokenVerbs() entries {
	return entries{
		noun("acl token", "Look after tokens"),
		{name: "acl token create", make: aclTokenCreate},
		{name: "acl token update", make: aclTokenUpdate},
		{name: "acl token delete", make: aclTokenDelete},
		{name: "acl token info", make: aclTokenInfo},
		{name: "acl token list", make: aclTokenList},
		{name: "acl token self", make: aclTokenSelf},
	}
}

// tokenFlags describe a token that is made or changed.
type tokenFlags struct {
	name, kind                   string
	global                       bool
	policies, roleIDs, roleNames []string
	ttl                          time.Duration
}

func (f *tokenFlags) rows() []flagRow {
	return []flagRow{
		{"name", "NAME", "What a person calls it.", &f.name, nil},
		{"type", "TYPE", "client (default), or management, which may do everything.", oneOf(&f.kind, "client", "management"), nil},
		{"global", "", "Valid in every region.", &f.global, nil},
		{"policy", "NAME", "It has this policy; may be repeated.", &f.policies, nil},
		{"role-id", "ID", "It has the role with this ID; may be repeated.", &f.roleIDs, nil},
		{"role-name", "NAME", "It has the role of this name; may be repeated.", &f.roleNames, nil},
	}
}

func (f *tokenFlags) roles() []*api.ACLTokenRoleLink {
	var out []*api.ACLTokenRoleLink
	for _, id := range f.roleIDs {
		out = append(out, &api.ACLTokenRoleLink{ID: id})
	}
	for _, name := range f.roleNames {
		out = append(out, &api.ACLTokenRoleLink{Name: name})
	}
	return out
}

func aclTokenCreate() verb {
	var f tokenFlags
	var o output
	return verb{
		short: "Make a token",
		long:  "Makes a token. Its secret is shown here and by acl token info; who holds it may do what its policies and roles allow.",
		flags: concat(f.rows(), o.rows(), []flagRow{{"ttl", "DURATION", "It expires after this long.", &f.ttl, nil}}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if f.kind == "" {
				f.kind = "client"
			}
			token, _, err := c.ACLTokens().Create(&api.ACLToken{
				Name: f.name, Type: f.kind, Global: f.global, Policies: f.policies, Roles: f.roles(), ExpirationTTL: f.ttl,
			}, nil)
			if err != nil {
				return fmt.Errorf("create token: %w", err)
			}
			return result(s, o, token, showToken)
		},
	}
}

func aclTokenUpdate() verb {
	var f tokenFlags
	var o output
	return verb{
		args: "ACCESSOR", min: 1, max: 1,
		short: "Change a token",
		long:  "Changes what is given and leaves the rest. Policies and roles that are given replace those that the token has.",
		flags: concat(f.rows(), o.rows()),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			token, _, err := c.ACLTokens().Info(args[0], nil)
			if err != nil {
				return fmt.Errorf("read token: %w", err)
			}
			if token == nil {
				return fmt.Errorf("read token: %w", errEmpty)
			}
			if f.name != "" {
				token.Name = f.name
			}
			if f.kind != "" {
				token.Type = f.kind
			}
			token.Global = token.Global || f.global
			if len(f.policies) > 0 {
				token.Policies = f.policies
			}
			if roles := f.roles(); len(roles) > 0 {
				token.Roles = roles
			}
			token, _, err = c.ACLTokens().Update(token, nil)
			if err != nil {
				return fmt.Errorf("update token: %w", err)
			}
			return result(s, o, token, showToken)
		},
	}
}

func aclTokenDelete() verb {
	return deletion("ACCESSOR...", "Delete tokens", "token", func(_ *session, c *api.Client, name string) error {
		_, err := c.ACLTokens().Delete(name, nil)
		return err
	})
}

func aclTokenInfo() verb {
	return page[api.ACLToken]{
		args: "ACCESSOR", short: "Show a token", what: "token", list: "selfheal acl token list",
		read: func(_ *session, c *api.Client, id string) (*api.ACLToken, error) {
			t, _, err := c.ACLTokens().Info(id, nil)
			return t, err
		},
		show: showToken,
	}.verb()
}

func aclTokenSelf() verb {
	return page[api.ACLToken]{
		short: "Show the token that is used", what: "token",
		read: func(s *session, c *api.Client, _ string) (*api.ACLToken, error) {
			t, _, err := c.ACLTokens().Self(nil)
			return t, err
		},
		show: showToken,
	}.verb()
}

// showToken is the page about a token, secret included.
func showToken(p *printer, t *api.ACLToken) {
	expires := ""
	if t.ExpirationTime != nil {
		expires = utc(*t.ExpirationTime)
	}
	rows := [][2]string{
		{"Accessor ID", t.AccessorID}, {"Secret ID", t.SecretID}, {"Name", t.Name}, {"Type", t.Type},
		{"Global", fmt.Sprint(t.Global)}, {"Create Time", utc(t.CreateTime)}, {"Expiry Time", expires},
		{"Create Index", fmt.Sprint(t.CreateIndex)}, {"Modify Index", fmt.Sprint(t.ModifyIndex)},
	}
	if t.Type == "management" {
		rows = append(rows, [2]string{"Policies", "n/a"}, [2]string{"Roles", "n/a"})
		p.pairs(rows...)
		return
	}
	p.pairs(append(rows, [2]string{"Policies", fmt.Sprint(t.Policies)})...)
	p.section("Roles")
	if len(present(t.Roles)) == 0 {
		p.printf("<none>\n")
		return
	}
	lines := []string{row("ID", "Name")}
	for _, r := range present(t.Roles) {
		lines = append(lines, row(r.ID, r.Name))
	}
	p.table(lines)
}

func aclTokenList() verb {
	type stub = api.ACLTokenListStub
	return listing[stub]{
		short: "List tokens, without their secrets", what: "tokens", none: "No tokens found",
		columns: []column[stub]{
			{"Name", func(_ *printer, x *stub) string { return x.Name }},
			{"Type", func(_ *printer, x *stub) string { return x.Type }},
			{"Global", func(_ *printer, x *stub) string { return fmt.Sprint(x.Global) }},
			{"Accessor ID", func(_ *printer, x *stub) string { return x.AccessorID }},
			{"Expired", func(p *printer, x *stub) string {
				return fmt.Sprint(x.ExpirationTime != nil && x.ExpirationTime.Before(p.time()))
			}},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*stub, *api.QueryMeta, error) {
			return c.ACLTokens().List(q)
		},
	}.verb()
}

// policyNames are the names behind a role's links.
func policyNames(links []*api.ACLRolePolicyLink) string {
	var names []string
	for _, l := range present(links) {
		names = append(names, l.Name)
	}
	return strings.Join(names, ",")
}
