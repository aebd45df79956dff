package command

import (
	"fmt"

	"github.com/hashicorp/nomad/api"
)

func aclRuleVerbs() entries {
	return entries{
		noun("acl binding-rule", "Look after rules: who logs in gets what"),
		{name: "acl binding-rule create", make: aclRuleCreate},
		{name: "acl binding-rule update", make: aclRuleUpdate},
		{name: "acl binding-rule delete", make: aclRuleDelete},
		{name: "acl binding-rule info", make: aclRuleInfo},
		{name: "acl binding-rule list", make: aclRuleList},
	}
}

// ruleFlags describe a binding rule.
type ruleFlags struct{ description, selector, kind, name string }

func (f *ruleFlags) rows() []flagRow {
	return []flagRow{
		{"description", "TEXT", "What it is for.", &f.description, nil},
		{"selector", "EXPRESSION", "Only for logins whose claims match; without one, for all.", &f.selector, nil},
		{"bind-type", "TYPE", "What is given: role, policy or management.", oneOf(&f.kind, api.ACLBindingRuleBindTypeRole, api.ACLBindingRuleBindTypePolicy, api.ACLBindingRuleBindTypeManagement), nil},
		{"bind-name", "NAME", "The role or policy; may refer to claims, as in \"team-${value.team}\".", &f.name, nil},
	}
}

// set changes a rule as the flags say.
func (f *ruleFlags) set(r *api.ACLBindingRule) error {
	for field, value := range map[*string]string{&r.Description: f.description, &r.Selector: f.selector, &r.BindType: f.kind, &r.BindName: f.name} {
		if value != "" {
			*field = value
		}
	}
	switch {
	case r.BindType == "":
		return usagef("-bind-type is wanted: role, policy or management")
	case r.BindType == api.ACLBindingRuleBindTypeManagement && r.BindName != "":
		return usagef("-bind-name makes no sense with -bind-type management")
	case r.BindType != api.ACLBindingRuleBindTypeManagement && r.BindName == "":
		return usagef("-bind-type %s wants -bind-name", r.BindType)
	}
	return nil
}

func aclRuleCreate() verb {
	var f ruleFlags
	var o output
	var method string
	return verb{
		short: "Make a binding rule",
		flags: concat(f.rows(), o.rows(), []flagRow{{"auth-method", "NAME", "For logins through this auth method.", &method, nil}}),
		run: func(s *session, args []string) error {
			if method == "" {
				return usagef("-auth-method is wanted; selfheal acl auth-method list shows them")
			}
			r := &api.ACLBindingRule{AuthMethod: method}
			if err := f.set(r); err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if r, _, err = c.ACLBindingRules().Create(r, nil); err != nil {
				return fmt.Errorf("create binding rule: %w", err)
			}
			return result(s, o, r, showRule)
		},
	}
}

func aclRuleUpdate() verb {
	var f ruleFlags
	var o output
	return verb{
		args: "ID", min: 1, max: 1,
		short: "Change a binding rule",
		long:  "Changes what is given and leaves the rest.",
		flags: concat(f.rows(), o.rows()),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			r, _, err := c.ACLBindingRules().Get(args[0], nil)
			if err != nil {
				return fmt.Errorf("read binding rule: %w", err)
			}
			if r == nil {
				return fmt.Errorf("read binding rule: %w", errEmpty)
			}
			if f.kind == api.ACLBindingRuleBindTypeManagement {
				r.BindName = ""
			}
			if err := f.set(r); err != nil {
				return err
			}
			if r, _, err = c.ACLBindingRules().Update(r, nil); err != nil {
				return fmt.Errorf("update binding rule: %w", err)
			}
			return result(s, o, r, showRule)
		},
	}
}

func aclRuleDelete() verb {
	return deletion("ID...", "Delete binding rules", "binding rule", func(_ *session, c *api.Client, id string) error {
		_, err := c.ACLBindingRules().Delete(id, nil)
		return err
	})
}

func aclRuleInfo() verb {
	return page[api.ACLBindingRule]{
		args: "ID", short: "Show a binding rule", what: "binding rule", list: "selfheal acl binding-rule list",
		read: func(_ *session, c *api.Client, id string) (*api.ACLBindingRule, error) {
			r, _, err := c.ACLBindingRules().Get(id, nil)
			return r, err
		},
		show: showRule,
	}.verb()
}

func showRule(p *printer, r *api.ACLBindingRule) {
	p.pairs([2]string{"ID", r.ID}, [2]string{"Description", r.Description}, [2]string{"Auth Method", r.AuthMethod},
		[2]string{"Selector", r.Selector}, [2]string{"Bind Type", r.BindType}, [2]string{"Bind Name", r.BindName},
		[2]string{"Create Time", utc(r.CreateTime)}, [2]string{"Modify Time", utc(r.ModifyTime)},
		[2]string{"Create Index", fmt.Sprint(r.CreateIndex)}, [2]string{"Modify Index", fmt.Sprint(r.ModifyIndex)})
}

func aclRuleList() verb {
	type stub = api.ACLBindingRuleListStub
	return listing[stub]{
		short: "List binding rules", what: "binding rules", none: "No ACL binding rules found",
		columns: []column[stub]{
			{"ID", func(_ *printer, x *stub) string { return x.ID }},
			{"Description", func(_ *printer, x *stub) string { return x.Description }},
			{"Auth Method", func(_ *printer, x *stub) string { return x.AuthMethod }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*stub, *api.QueryMeta, error) {
			return c.ACLBindingRules().List(q)
		},
	}.verb()
}
