package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
)

func aclVerbs() entries {
	return slices.Concat(entries{
		noun("acl", "Look after who may do what"),
		{name: "acl bootstrap", make: aclBootstrap},
		noun("acl policy", "Look after policies: what a token may do"),
		{name: "acl policy apply", make: aclPolicyApply},
		{name: "acl policy delete", make: aclPolicyDelete},
		{name: "acl policy info", make: aclPolicyInfo},
		{name: "acl policy list", make: func() verb { return aclPolicyList(false) }},
		{name: "acl policy self", make: func() verb { return aclPolicyList(true) }},
	}, aclTokenVerbs(), aclRoleVerbs(), aclMethodVerbs(), aclRuleVerbs(), entries{
		{name: "login", make: loginVerb},
	})
}

func aclBootstrap() verb {
	var o output
	return verb{
		args: "[FILE]", max: 1,
		short: "Make the first management token",
		long: `Makes the first token of a cluster with ACLs. It may do everything; keep it safe, and make others with less from it. Works once.

FILE ("-" is standard input) holds a UUID that becomes the secret; without one the servers choose it.`,
		flags:   o.rows(),
		predict: complete.PredictFiles("*"),
		run: func(s *session, args []string) error {
			secret := ""
			if len(args) == 1 {
				text, err := s.readAll(args[0])
				if err != nil {
					return fmt.Errorf("read secret: %w", err)
				}
				secret = strings.TrimSpace(string(text))
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			token, _, err := c.ACLTokens().BootstrapOpts(secret, nil)
			if err != nil {
				return fmt.Errorf("bootstrap ACLs: %w", err)
			}
			return result(s, o, token, showToken)
		},
	}
}

func aclPolicyApply() verb {
	var policy api.ACLPolicy
	var job api.JobACL
	return verb{
		args: "NAME FILE", min: 2, max: 2, predict: complete.PredictFiles("*.hcl"),
		short: "Make a policy, or replace one",
		long: `Makes the policy NAME from the rules in FILE ("-" is standard input).

With -job the policy belongs to the workloads of that job in -namespace: they have it without a token.`,
		flags: []flagRow{
			{"description", "TEXT", "What it is for.", &policy.Description, nil},
			{"job", "ID", "Attach it to the tasks of this job.", &job.JobID, nil},
			{"group", "NAME", "With -job: only to this group.", &job.Group, nil},
			{"task", "NAME", "With -group: only to this task.", &job.Task, nil},
		},
		run: func(s *session, args []string) error {
			switch {
			case job.JobID == "" && job.Group != "":
				return usagef("-group wants -job as well")
			case job.Group == "" && job.Task != "":
				return usagef("-task wants -group as well")
			}
			rules, err := s.readAll(args[1])
			if err != nil {
				return fmt.Errorf("read rules: %w", err)
			}
			policy.Name, policy.Rules = args[0], string(rules)
			if job.JobID != "" {
				job.Namespace = s.namespace()
				policy.JobACL = &job
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if _, err := c.ACLPolicies().Upsert(&policy, nil); err != nil {
				return fmt.Errorf("apply policy: %w", err)
			}
			s.printf("Successfully wrote %q ACL policy!\n", policy.Name)
			return nil
		},
	}
}

func aclPolicyDelete() verb {
	return deletion("NAME...", "Delete policies", "policy", func(_ *session, c *api.Client, name string) error {
		_, err := c.ACLPolicies().Delete(name, nil)
		return err
	})
}

func aclPolicyInfo() verb {
	return page[api.ACLPolicy]{
		args: "NAME", short: "Show a policy and its rules", what: "policy", list: "selfheal acl policy list",
		read: func(_ *session, c *api.Client, name string) (*api.ACLPolicy, error) {
			p, _, err := c.ACLPolicies().Info(name, nil)
			return p, err
		},
		show: func(p *printer, x *api.ACLPolicy) {
			p.pairs([2]string{"Name", x.Name}, [2]string{"Description", x.Description},
				[2]string{"CreateIndex", fmt.Sprint(x.CreateIndex)}, [2]string{"ModifyIndex", fmt.Sprint(x.ModifyIndex)})
			if j := x.JobACL; j != nil {
				p.section("Associated Workload")
				p.pairs([2]string{"Namespace", j.Namespace}, [2]string{"JobID", j.JobID}, [2]string{"Group", j.Group}, [2]string{"Task", j.Task})
			}
			p.section("Rules")
			p.printf("%s\n", strings.TrimRight(x.Rules, "\n"))
		},
	}.verb()
}

func aclPolicyList(self bool) verb {
	l := listing[api.ACLPolicyListStub]{
		short: "List policies", what: "policies", none: "No policies found",
		columns: []column[api.ACLPolicyListStub]{
			{"Name", func(_ *printer, x *api.ACLPolicyListStub) string { return x.Name }},
			{"Description", func(_ *printer, x *api.ACLPolicyListStub) string { return x.Description }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*api.ACLPolicyListStub, *api.QueryMeta, error) {
			return c.ACLPolicies().List(q)
		},
	}
	if self {
		l.short, l.long = "List the policies of the token that is used", "Lists the policies of the token or of the workload that asks."
		l.columns = append(l.columns,
			column[api.ACLPolicyListStub]{"Job ID", func(_ *printer, x *api.ACLPolicyListStub) string { return jobACL(x.JobACL).JobID }},
			column[api.ACLPolicyListStub]{"Group Name", func(_ *printer, x *api.ACLPolicyListStub) string { return jobACL(x.JobACL).Group }},
			column[api.ACLPolicyListStub]{"Task Name", func(_ *printer, x *api.ACLPolicyListStub) string { return jobACL(x.JobACL).Task }})
		l.read = func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*api.ACLPolicyListStub, *api.QueryMeta, error) {
			return c.ACLPolicies().Self(q)
		}
	}
	return l.verb()
}

func jobACL(j *api.JobACL) api.JobACL { return deref(j) }
