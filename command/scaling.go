package command

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func scalingVerbs() entries {
	return entries{
		noun("scaling", "Look at scaling policies"),
		noun("scaling policy", "Look at scaling policies"),
		{name: "scaling policy list", make: scalingPolicyList},
		{name: "scaling policy info", make: scalingPolicyInfo},
	}
}

// scalingTarget words what a policy scales.
func scalingTarget(target map[string]string) string {
	var parts []string
	for _, k := range []string{"Namespace", "Job", "Group", "Task"} {
		if target[k] != "" {
			parts = append(parts, k+":"+target[k])
		}
	}
	return strings.Join(parts, ", ")
}

func scalingPolicyList() verb {
	type stub = api.ScalingPolicyListStub
	var job, kind string
	return listing[stub]{
		short: "List scaling policies", what: "scaling policies", none: "No policies found",
		flags: []flagRow{
			{"job", "ID", "Only of this job.", &job, nil},
			{"type", "TYPE", "Only of this type, as in horizontal.", &kind, nil},
		},
		columns: []column[stub]{
			{"ID", func(p *printer, x *stub) string { return shortID(x.ID, p.verbose) }},
			{"Enabled", func(_ *printer, x *stub) string { return fmt.Sprint(x.Enabled) }},
			{"Type", func(_ *printer, x *stub) string { return x.Type }},
			{"Target", func(_ *printer, x *stub) string { return scalingTarget(x.Target) }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*stub, *api.QueryMeta, error) {
			for k, v := range map[string]string{"job": job, "type": kind} {
				if v != "" {
					q.Params[k] = v
				}
			}
			return c.Scaling().ListPolicies(q)
		},
	}.verb()
}

func scalingPolicyInfo() verb {
	return page[api.ScalingPolicy]{
		args: "ID", short: "Show a scaling policy", what: "scaling policy", list: "selfheal scaling policy list",
		read: func(s *session, c *api.Client, prefix string) (*api.ScalingPolicy, error) {
			k := kind[*api.ScalingPolicyListStub]{
				name: "scaling policy", list: "selfheal scaling policy list",
				find: func(string) ([]*api.ScalingPolicyListStub, error) {
					all, _, err := c.Scaling().ListPolicies(&api.QueryOptions{Namespace: s.idNamespace()})
					return present(all), err
				},
				id:   func(x *api.ScalingPolicyListStub) string { return x.ID },
				line: func(x *api.ScalingPolicyListStub) string { return scalingTarget(x.Target) },
			}
			stub, err := k.one(prefix)
			if err != nil {
				return nil, err
			}
			p, _, err := c.Scaling().GetPolicy(stub.ID, &api.QueryOptions{Namespace: stub.Target["Namespace"]})
			return p, err
		},
		show: func(p *printer, x *api.ScalingPolicy) {
			text, err := json.MarshalIndent(x.Policy, "", "  ")
			if err != nil || len(x.Policy) == 0 {
				text = []byte("<empty>")
			}
			p.pairs([2]string{"ID", shortID(x.ID, p.verbose)}, [2]string{"Enabled", fmt.Sprint(deref(x.Enabled))}, [2]string{"Type", x.Type},
				[2]string{"Target", scalingTarget(x.Target)}, [2]string{"Min", fmt.Sprint(deref(x.Min))}, [2]string{"Max", fmt.Sprint(deref(x.Max))})
			p.section("Policy")
			p.printf("%s\n", text)
		},
	}.verb()
}
