package leader

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
	"github.com/selfheal/selfheal/agent/state"
	"github.com/selfheal/selfheal/scheduler"
)

// DrainPlan says where everything on a node would go if it was drained now.
func (l *Leader) DrainPlan(ctx context.Context, nodeID string) (*healapi.DrainPlan, error) {
	var plan *scheduler.DrainPlan
	err := l.ask(ctx, func(e *evaluator) (work *scheduler.Inquiry) {
		work, plan = scheduler.Drain(e.cluster, e.source, []string{nodeID})
		return work
	})
	if err != nil {
		return nil, err
	}
	snap := l.cfg.State.Snapshot()
	out := &healapi.DrainPlan{
		NodeID: nodeID, NodeName: nodeName(snap, nodeID), Fits: plan.Nowhere == 0, Nowhere: plan.Nowhere,
		Moves: make([]healapi.DrainMove, len(plan.Moves)), LastIndex: snap.LastIndex(),
	}
	for i, m := range plan.Moves {
		a := m.Alloc
		out.Moves[i] = healapi.DrainMove{
			AllocID: a.ID, Name: allocName(a), Namespace: a.Namespace, JobID: a.Job, TaskGroup: a.Group, JobType: string(a.JobType),
			FromNodeID: a.NodeID, FromNodeName: nodeName(snap, a.NodeID),
			ToNodeID: m.NodeID, ToNodeName: nodeName(snap, m.NodeID), Ends: m.Ends,
		}
		if m.Metric != nil {
			out.Moves[i].Hint, out.Moves[i].Metric = m.Metric.Hint, raiseMetric(m.Metric)
		}
	}
	return out, nil
}

func allocName(a *scheduler.Alloc) string {
	row := state.Alloc{JobID: a.Job, Group: a.Group, Index: a.Index}
	return row.Name()
}

// nodeName is the name of a node, or what is left of its ID when it is gone.
func nodeName(snap *state.Snapshot, id string) string {
	if n := snap.Node(nil, id); n != nil {
		return n.Name
	}
	return id
}

// briefWork bounds a question that somebody asks in passing: about a second of one core.
const briefWork = 10_000_000

// ResilienceQuery is a question about the loss of nodes.
type ResilienceQuery struct {
	Pairs bool
	// Brief spends little, and lists only the nodes that cannot be lost.
	Brief bool
	// After is a job as it is to be, nil for no change: canonical and valid.
	After *api.Job
}

// Resilience says which nodes can be lost with everything still placed. The same question
// on the same state is answered once.
func (l *Leader) Resilience(ctx context.Context, query ResilienceQuery) (*healapi.Resilience, error) {
	release, err := l.takeTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var answer *resilienceAnswer
	err = l.ask(ctx, func(e *evaluator) (work *scheduler.Inquiry) {
		cfg := scheduler.DefaultResilience()
		cfg.Pairs = query.Pairs
		if query.Brief {
			cfg.Work = briefWork
		}
		answer = &resilienceAnswer{pairs: query.Pairs, brief: query.Brief, seen: e.seen}
		if query.After != nil {
			req := e.planned(e.l.cfg.State.Told(), query.After)
			cfg.First = &req
		} else if known := e.resilient.find(answer); known != nil {
			answer = known
			return nil
		}
		work, answer.found = scheduler.FindResilience(e.cluster, e.source, cfg)
		if query.After == nil {
			e.resilient = append(e.resilient, answer)
		}
		return work
	})
	if err != nil {
		return nil, err
	}
	answer.complete.Store(true)
	return raiseResilience(l.cfg.State.Snapshot(), answer.found, query.Brief), nil
}

// resilienceAnswer is an answer and the index of the last change that it knows.
type resilienceAnswer struct {
	pairs, brief bool
	seen         uint64
	complete     atomic.Bool // set by who asked
	found        *scheduler.Resilience
}

// resilienceAnswers are those of the present state.
type resilienceAnswers []*resilienceAnswer

// find returns the answer to the same question on the same state, nil for none, and forgets
// those of earlier states.
func (list *resilienceAnswers) find(q *resilienceAnswer) *resilienceAnswer {
	*list = slices.DeleteFunc(*list, func(a *resilienceAnswer) bool { return a.seen != q.seen })
	for _, a := range *list {
		if a.complete.Load() && a.pairs == q.pairs && a.brief == q.brief {
			return a
		}
	}
	return nil
}

func raiseResilience(snap *state.Snapshot, r *scheduler.Resilience, brief bool) *healapi.Resilience {
	out := &healapi.Resilience{
		AnyOne: r.Single.All(), AnyTwo: r.Pair.All(), Single: raiseCoverage(r.Single), Pair: raiseCoverage(r.Pair),
		Nodes: []healapi.NodeLoss{}, LastIndex: snap.LastIndex(),
	}
	for _, n := range r.Nodes {
		if brief && (n.Survives || !n.Examined) {
			continue
		}
		out.Nodes = append(out.Nodes, healapi.NodeLoss{
			NodeID: n.NodeID, NodeName: nodeName(snap, n.NodeID), Allocs: n.Allocs, Examined: n.Examined, Survives: n.Survives,
			Unplaced: raiseUnplaced(n.Unplaced),
		})
	}
	slices.SortStableFunc(out.Nodes, func(a, b healapi.NodeLoss) int {
		return cmp.Or(strings.Compare(a.NodeName, b.NodeName), strings.Compare(a.NodeID, b.NodeID))
	})
	if w := r.WorstPair; w != nil {
		out.WorstPair = &healapi.Loss{NodeIDs: w.NodeIDs, Unplaced: raiseUnplaced(w.Unplaced)}
		for _, id := range w.NodeIDs {
			out.WorstPair.NodeNames = append(out.WorstPair.NodeNames, nodeName(snap, id))
		}
	}
	return out
}

func raiseCoverage(v scheduler.Coverage) healapi.Coverage {
	return healapi.Coverage{Total: v.Total, Examined: v.Examined, Survived: v.Survived, Exhaustive: v.Exhaustive()}
}

func raiseUnplaced(list []scheduler.Unplaced) []healapi.Unplaced {
	var out []healapi.Unplaced
	for _, u := range list {
		out = append(out, healapi.Unplaced{Namespace: u.Namespace, JobID: u.Job, TaskGroup: u.Group, Count: u.Count, Hint: u.Hint})
	}
	return out
}
