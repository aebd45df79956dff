package command

import (
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"
	"github.com/posener/complete"
)

// completedKinds are the words of usage lines whose IDs the servers can complete.
var completedKinds = map[string]contexts.Context{
	"JOB": contexts.Jobs, "ALLOC": contexts.Allocs, "NODE": contexts.Nodes, "EVAL": contexts.Evals, "DEPLOYMENT": contexts.Deployments,
	"ID": contexts.All, "VOLUME": contexts.HostVolumes, "PLUGIN": contexts.Plugins,
}

// completePatience is how long a person at a Tab key waits for an agent.
const completePatience = 2 * time.Second

// predictIDs completes the first argument of a verb, when that is an ID, by asking
// the agent of the environment. An agent that does not answer completes nothing.
func (s *session) predictIDs(args string) complete.Predictor {
	word, _, _ := strings.Cut(strings.Trim(args, "[]."), " ")
	kind, ok := completedKinds[strings.Trim(word, "[].")]
	if !ok {
		return nil
	}
	return complete.PredictFunc(func(a complete.Args) []string {
		s.patience = completePatience
		c, err := s.client()
		if err != nil {
			return nil
		}
		found, _, err := c.Search().PrefixSearch(a.Last, kind, &api.QueryOptions{Namespace: s.idNamespace(), AllowStale: true})
		if err != nil || found == nil {
			return nil
		}
		var out []string
		for _, ids := range found.Matches {
			out = append(out, ids...)
		}
		return out
	})
}
