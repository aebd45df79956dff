package httpapi

import (
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"

	"github.com/selfheal/selfheal/agent/state"
)

// maxMatches is how many matches a context shows; more are truncated. Fact of the
// Nomad API.
const maxMatches = 20

// source is one kind of thing that has an ID to search for by prefix.
type source struct {
	context contexts.Context
	ids     func(snap *state.Snapshot, ns, prefix string) iter.Seq[string]
}

// sources are the contexts of a prefix search. Kinds that do not exist yet match nothing.
var sources = []source{
	{contexts.Allocs, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.Allocs(nil, ns, p), func(a *state.Alloc) string { return a.ID })
	}},
	{contexts.Deployments, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.Deployments(nil, ns, p), func(d *api.Deployment) string { return d.ID })
	}},
	{contexts.Evals, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.Evals(nil, ns, p), func(e *api.Evaluation) string { return e.ID })
	}},
	{contexts.Jobs, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.Jobs(nil, ns, p), func(j *api.Job) string { return *j.ID })
	}},
	{contexts.Nodes, func(s *state.Snapshot, _, p string) iter.Seq[string] {
		return project(s.NodesByPrefix(nil, p), func(n *state.Node) string { return n.ID })
	}},
	{contexts.NodePools, func(s *state.Snapshot, _, p string) iter.Seq[string] {
		return project(s.NodePools(nil, p), func(n *api.NodePool) string { return n.Name })
	}},
	{contexts.Namespaces, func(s *state.Snapshot, _, p string) iter.Seq[string] {
		return project(s.Namespaces(nil, p), func(n *api.Namespace) string { return n.Name })
	}},
	{contexts.ScalingPolicies, none},
	{contexts.Plugins, none},
	{contexts.Variables, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.Variables(nil, ns, p), func(v *state.Variable) string { return v.Path })
	}},
	{contexts.Volumes, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.CSIVolumes(nil, ns, p), func(v *api.CSIVolume) string { return v.ID })
	}},
	{contexts.HostVolumes, func(s *state.Snapshot, ns, p string) iter.Seq[string] {
		return project(s.HostVolumes(nil, ns, p), func(v *api.HostVolume) string { return v.ID })
	}},
	{contexts.Quotas, none},
	{contexts.Recommendations, none},
}

func none(*state.Snapshot, string, string) iter.Seq[string] { return func(func(string) bool) {} }

// project maps a sequence.
func project[From, To any](seq iter.Seq[From], f func(From) To) iter.Seq[To] {
	return func(yield func(To) bool) {
		for v := range seq {
			if !yield(f(v)) {
				return
			}
		}
	}
}

// searchPrefix is PUT /v1/search: which IDs begin like this.
func searchPrefix(a *API, r *request) (any, error) {
	var body api.SearchRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if !knownContext(body.Context) {
		return nil, badRequest("invalid context %q", body.Context)
	}
	return a.read(r, func(snap *state.Snapshot, _ memdb.WatchSet) (any, uint64, error) {
		resp := &api.SearchResponse{Matches: map[contexts.Context][]string{}, Truncations: map[contexts.Context]bool{}}
		for _, src := range sources {
			if body.Context != src.context && body.Context != contexts.All && body.Context != "" {
				continue
			}
			where := a.reach(r, snap, src.context)
			if len(where) == 0 {
				if body.Context == src.context {
					return nil, 1, errDenied
				}
				continue
			}
			resp.Matches[src.context], resp.Truncations[src.context] = src.find(r, snap, where, body.Prefix)
		}
		index := snap.LastIndex()
		resp.LastIndex = index
		return resp, index, nil
	})
}

// find lists the things that begin with prefix, where the caller may look.
func (src source) find(r *request, snap *state.Snapshot, where []string, prefix string) (ids []string, more bool) {
	ids = []string{}
	for _, ns := range where {
		for id := range src.ids(snap, ns, prefix) {
			if !r.finds(src.context, ns, id) {
				continue
			}
			if len(ids) == maxMatches {
				return ids, true
			}
			ids = append(ids, id)
		}
	}
	return ids, false
}

func knownContext(c contexts.Context) bool {
	return c == "" || c == contexts.All || slices.ContainsFunc(sources, func(s source) bool { return s.context == c })
}
