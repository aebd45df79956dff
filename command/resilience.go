package command

import (
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
)

func foresightVerbs() entries {
	return entries{{name: "resilience", make: resilienceVerb}, {name: "rebalance", make: rebalanceVerb}}
}

func resilienceVerb() verb {
	var pairs bool
	var o output
	return verb{
		short: "Show which nodes can be lost with everything still placed",
		long: `Tries the loss of each node on the servers' picture of the cluster, as it would happen: what ran there is placed again, the most important job first. Nothing is changed. The servers bound the work; what they did not get to is said.

Exit code 0: any one node can be lost. 2: not known to be so.`,
		flags: append(o.rows(), flagRow{"pairs", "", "Try the loss of any two nodes at once, too.", &pairs, nil}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			path := "/v1/heal/resilience"
			if pairs {
				path += "?pairs=true"
			}
			var r healapi.Resilience
			if _, err := c.Raw().Query(path, &r, nil); err != nil {
				return fmt.Errorf("ask for resilience: %w", err)
			}
			if o.wanted() {
				err = o.print(s, r)
			} else {
				s.showResilience(&r, pairs)
			}
			if err == nil && !r.AnyOne {
				return exitError{code: ExitUnplaced}
			}
			return err
		},
	}
}

func (s *session) showResilience(r *healapi.Resilience, pairs bool) {
	s.printf("%s\n", sentence(resilienceLine(r)))
	rows := []string{row("Node", "Allocs", "Without a place", "What would place it")}
	for _, n := range r.Nodes {
		if !n.Examined || n.Survives {
			continue
		}
		for _, u := range n.Unplaced {
			rows = append(rows, row(n.NodeName, fmt.Sprint(n.Allocs), unplacedName(u), u.Hint))
		}
	}
	if len(rows) > 1 {
		s.section("Nodes that cannot be lost")
		s.table(rows)
	}
	if !pairs {
		return
	}
	s.printf("\n%s\n", sentence(pairLine(r)))
	if w := r.WorstPair; w != nil {
		s.section("Worst pair: " + strings.Join(w.NodeNames, " and "))
		rows := []string{row("Without a place", "What would place it")}
		for _, u := range w.Unplaced {
			rows = append(rows, row(unplacedName(u), u.Hint))
		}
		s.table(rows)
	}
}

// unplacedName is "2 of web/api", with the namespace in front when it is not the default.
func unplacedName(u healapi.Unplaced) string {
	job := u.JobID
	if u.Namespace != api.DefaultNamespace {
		job = u.Namespace + "/" + job
	}
	return fmt.Sprintf("%d of %s/%s", u.Count, job, u.TaskGroup)
}

// resilienceLine says in one line which nodes can be lost.
func resilienceLine(r *healapi.Resilience) string {
	var fatal []string
	for _, n := range r.Nodes {
		if n.Examined && !n.Survives {
			fatal = append(fatal, n.NodeName)
		}
	}
	limit := ""
	if !r.Single.Exhaustive {
		limit = fmt.Sprintf(" (%d of %d examined)", r.Single.Examined, r.Single.Total)
	}
	const most = 3
	switch n := len(fatal); {
	case n == 0 && r.AnyOne:
		return fmt.Sprintf("any one of %s can be lost", plural(r.Single.Total, "node"))
	case n == 0:
		return "no node was found that cannot be lost" + limit
	case n > most:
		return fmt.Sprintf("%d of %s cannot be lost: %s and %d more%s", n, plural(r.Single.Total, "node"), strings.Join(fatal[:most], ", "), n-most, limit)
	default:
		return fmt.Sprintf("%d of %s cannot be lost: %s%s", n, plural(r.Single.Total, "node"), strings.Join(fatal, ", "), limit)
	}
}

// pairLine says in one line whether any two nodes can be lost at once.
func pairLine(r *healapi.Resilience) string {
	p := r.Pair
	limit := ""
	if !p.Exhaustive {
		limit = fmt.Sprintf(" (%d examined)", p.Examined)
	}
	switch lost := p.Examined - p.Survived; {
	case r.AnyTwo:
		return "any two nodes can be lost at once"
	case lost == 0:
		return fmt.Sprintf("no pair was found that cannot be lost, of %d%s", p.Total, limit)
	default:
		return fmt.Sprintf("%d of %s cannot be lost at once%s", lost, plural(p.Total, "pair"), limit)
	}
}

// sayResilience adds a line about the present to a page. Servers that do not know the question
// are not asked twice, and nothing is said.
func (s *session) sayResilience(c *api.Client) {
	var r healapi.Resilience
	if _, err := c.Raw().Query("/v1/heal/resilience?brief=true", &r, nil); err == nil && r.Single.Total > 0 {
		s.say("\nResilience: %s", resilienceLine(&r))
	}
}

// planResilience is what a job plan says of the nodes that can be lost afterwards, "" when
// the servers do not know.
func planResilience(c *api.Client, job *api.Job) string {
	var r healapi.Resilience
	opts := &api.WriteOptions{Namespace: deref(job.Namespace)}
	if _, err := c.Raw().Write("/v1/heal/resilience?brief=true", healapi.ResilienceRequest{Job: job}, &r, opts); err != nil || r.Single.Total == 0 {
		return ""
	}
	return "After this change: " + resilienceLine(&r)
}

// sentence begins a text with a capital and ends it with a full stop.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }
