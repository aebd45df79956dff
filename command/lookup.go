package command

import (
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// kind says how things of one kind are found by the beginning of their ID.
type kind[T any] struct {
	name string // "node"
	list string // the command that lists them
	find func(prefix string) ([]T, error)
	id   func(T) string
	line func(T) string // describes one beside its ID
	uuid bool           // servers look UUIDs up by whole bytes: an even number of digits
}

// one finds the thing that an ID or any unique beginning of it means.
func (k kind[T]) one(prefix string) (T, error) {
	var none T
	if prefix == "" {
		return none, usagef("a %s is wanted, not an empty name; %s lists them", k.name, k.list)
	}
	ask := prefix
	if k.uuid {
		if digits := strings.ReplaceAll(prefix, "-", ""); len(digits)%2 == 1 {
			ask = strings.TrimRight(prefix[:len(prefix)-1], "-")
		}
	}
	found, err := k.find(ask)
	if err != nil {
		return none, fmt.Errorf("look up %s: %w", k.name, err)
	}
	var match []T
	for _, f := range found {
		if k.id(f) == prefix {
			return f, nil
		}
		if strings.HasPrefix(k.id(f), prefix) {
			match = append(match, f)
		}
	}
	switch len(match) {
	case 0:
		return none, fmt.Errorf("no %s has the ID or prefix %q (%s lists them)", k.name, prefix, k.list)
	case 1:
		return match[0], nil
	}
	text := fmt.Sprintf("%q is the beginning of %d %ss; write more of it:", prefix, len(match), k.name)
	for i, m := range match {
		if i == 10 {
			text += fmt.Sprintf("\n  and %d more", len(match)-i)
			break
		}
		text += "\n  " + strings.TrimRight(k.id(m)+"  "+k.line(m), " ")
	}
	return none, fmt.Errorf("%s", text)
}

// jobID finds a job in the namespace of the session and returns its ID and namespace.
func (s *session) jobID(c *api.Client, prefix string) (id, namespace string, err error) {
	k := kind[*api.JobListStub]{
		name: "job", list: "selfheal job status",
		find: func(p string) ([]*api.JobListStub, error) {
			jobs, _, err := c.Jobs().List(&api.QueryOptions{Prefix: p, Namespace: s.namespace()})
			return jobs, err
		},
		id:   func(j *api.JobListStub) string { return j.ID },
		line: func(j *api.JobListStub) string { return j.Namespace + "  " + j.Status },
	}
	j, err := k.one(prefix)
	if err != nil {
		return "", "", err
	}
	if j.Namespace == "" {
		j.Namespace = s.namespace()
	}
	return j.ID, j.Namespace, nil
}

// nodeID finds a node by ID or, failing that, by its exact name.
func nodeID(c *api.Client, prefix string) (string, error) {
	k := kind[*api.NodeListStub]{
		name: "node", list: "selfheal node status", uuid: true,
		find: func(p string) ([]*api.NodeListStub, error) {
			if p == "" || strings.Trim(p, "0123456789abcdef-") != "" {
				return nil, nil // no ID begins like this
			}
			nodes, _, err := c.Nodes().PrefixList(p)
			return nodes, err
		},
		id:   func(n *api.NodeListStub) string { return n.ID },
		line: func(n *api.NodeListStub) string { return n.Name + "  " + n.Status },
	}
	n, err := k.one(prefix)
	if err == nil {
		return n.ID, nil
	}
	all, _, listErr := c.Nodes().List(nil)
	if listErr != nil {
		return "", fmt.Errorf("look up node: %w", listErr)
	}
	for _, n := range all {
		if n.Name == prefix {
			return n.ID, nil
		}
	}
	return "", err
}

// allocation finds an allocation, whole.
func (s *session) allocation(c *api.Client, prefix string) (*api.Allocation, error) {
	k := kind[*api.AllocationListStub]{
		name: "allocation", list: "selfheal job status JOB", uuid: true,
		find: func(p string) ([]*api.AllocationListStub, error) {
			allocs, _, err := c.Allocations().List(&api.QueryOptions{Prefix: p, Namespace: s.idNamespace()})
			return allocs, err
		},
		id:   func(a *api.AllocationListStub) string { return a.ID },
		line: func(a *api.AllocationListStub) string { return a.Name + "  " + a.ClientStatus },
	}
	stub, err := k.one(prefix)
	if err != nil {
		return nil, err
	}
	a, _, err := c.Allocations().Info(stub.ID, &api.QueryOptions{Namespace: stub.Namespace})
	if err != nil {
		return nil, fmt.Errorf("read allocation: %w", err)
	}
	return a, nil
}

func (s *session) evaluation(c *api.Client, prefix string) (*api.Evaluation, error) {
	k := kind[*api.Evaluation]{
		name: "evaluation", list: "selfheal eval list", uuid: true,
		find: func(p string) ([]*api.Evaluation, error) {
			evals, _, err := c.Evaluations().List(&api.QueryOptions{Prefix: p, Namespace: s.idNamespace()})
			return evals, err
		},
		id:   func(e *api.Evaluation) string { return e.ID },
		line: func(e *api.Evaluation) string { return e.JobID + "  " + e.Status },
	}
	stub, err := k.one(prefix)
	if err != nil {
		return nil, err
	}
	e, _, err := c.Evaluations().Info(stub.ID, &api.QueryOptions{Namespace: stub.Namespace})
	if err != nil {
		return nil, fmt.Errorf("read evaluation: %w", err)
	}
	return e, nil
}

func (s *session) deployment(c *api.Client, prefix string) (*api.Deployment, error) {
	k := kind[*api.Deployment]{
		name: "deployment", list: "selfheal deployment list", uuid: true,
		find: func(p string) ([]*api.Deployment, error) {
			ds, _, err := c.Deployments().List(&api.QueryOptions{Prefix: p, Namespace: s.idNamespace()})
			return ds, err
		},
		id:   func(d *api.Deployment) string { return d.ID },
		line: func(d *api.Deployment) string { return d.JobID + "  " + d.Status },
	}
	return k.one(prefix)
}

// idNamespace is where an ID is looked up: IDs are unique, so without a
// namespace given they are looked for in all.
func (s *session) idNamespace() string {
	if ns := s.or(s.flags.namespace, "NAMESPACE"); ns != "" {
		return ns
	}
	return api.AllNamespacesNamespace
}
