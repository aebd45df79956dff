package httpapi

import (
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// minFuzzy is the shortest text of a fuzzy search: fact of the Nomad API.
const minFuzzy = 2

// fuzzyContexts are what a fuzzy search may be narrowed to; a search in jobs looks
// into their groups, tasks and what those run, too.
var fuzzyContexts = map[contexts.Context][]contexts.Context{
	contexts.Jobs: {contexts.Jobs, contexts.Groups, contexts.Services, contexts.Tasks, contexts.Images, contexts.Commands, contexts.Classes},
	contexts.All:  nil,
	"":            nil,
}

// fuzzy collects matches of a text anywhere in a name.
type fuzzy struct {
	text string
	only map[contexts.Context]bool // nil: all
	resp *api.FuzzySearchResponse
}

// searchFuzzy is PUT /v1/search/fuzzy.
func searchFuzzy(a *API, r *request) (any, error) {
	var body api.FuzzySearchRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if len(body.Text) < minFuzzy {
		return nil, badRequest("fuzzy search query must be at least %d characters, got %d", minFuzzy, len(body.Text))
	}
	narrow, grouped := fuzzyContexts[body.Context]
	if !grouped && !knownContext(body.Context) {
		return nil, badRequest("invalid context %q", body.Context)
	}
	if !grouped {
		narrow = []contexts.Context{body.Context}
		if len(a.reach(r, a.cfg.State.Snapshot(), body.Context)) == 0 {
			return nil, errDenied
		}
	}
	return a.read(r, func(snap *state.Snapshot, _ memdb.WatchSet) (any, uint64, error) {
		f := &fuzzy{text: strings.ToLower(body.Text), resp: &api.FuzzySearchResponse{
			Matches: map[contexts.Context][]api.FuzzyMatch{}, Truncations: map[contexts.Context]bool{},
		}}
		if len(narrow) > 0 {
			f.only = map[contexts.Context]bool{}
			for _, c := range narrow {
				f.only[c] = true
			}
		}
		f.search(a, r, snap, body.Text)
		index := snap.LastIndex()
		f.resp.LastIndex = index
		return f.resp, index, nil
	})
}

// search looks through everything that has a name; what has only an ID matches by prefix.
func (f *fuzzy) search(a *API, r *request, snap *state.Snapshot, prefix string) {
	for range a.reach(r, snap, contexts.Nodes) {
		for n := range snap.Nodes(nil) {
			f.match(contexts.Nodes, n.Name, n.ID)
		}
	}
	for p := range snap.NodePools(nil, "") {
		if r.finds(contexts.NodePools, "", p.Name) {
			f.match(contexts.NodePools, p.Name)
		}
	}
	for n := range snap.Namespaces(nil, "") {
		if r.finds(contexts.Namespaces, "", n.Name) {
			f.match(contexts.Namespaces, n.Name)
		}
	}
	for _, ns := range a.reach(r, snap, contexts.Allocs) {
		for row := range snap.Allocs(nil, ns, "") {
			f.match(contexts.Allocs, row.Name(), row.Namespace, row.ID)
		}
	}
	for _, ns := range r.spaces(snap, acl.ReadJob) { // a job's parts match too
		for job := range snap.Jobs(nil, ns, "") {
			f.job(job)
		}
	}
	for _, ns := range a.reach(r, snap, contexts.Evals) {
		for e := range snap.Evals(nil, ns, prefix) {
			f.add(contexts.Evals, e.ID)
		}
	}
	for _, ns := range a.reach(r, snap, contexts.Deployments) {
		for d := range snap.Deployments(nil, ns, prefix) {
			f.add(contexts.Deployments, d.ID)
		}
	}
}

// job looks into a job: the scope of what it finds is the path to it.
func (f *fuzzy) job(job *api.Job) {
	f.match(contexts.Jobs, value(job.Name), *job.Namespace, *job.ID)
	for _, g := range job.TaskGroups {
		group := value(g.Name)
		f.match(contexts.Groups, group, *job.Namespace, *job.ID)
		for _, s := range g.Services {
			f.match(contexts.Services, s.Name, *job.Namespace, *job.ID, group)
		}
		for _, t := range g.Tasks {
			f.match(contexts.Tasks, t.Name, *job.Namespace, *job.ID, group)
			for _, s := range t.Services {
				f.match(contexts.Services, s.Name, *job.Namespace, *job.ID, group, t.Name)
			}
			for key, context := range map[string]contexts.Context{
				"image": contexts.Images, "command": contexts.Commands, "class": contexts.Classes,
			} {
				if v, ok := t.Config[key].(string); ok {
					f.match(context, v, *job.Namespace, *job.ID, group, t.Name)
				}
			}
		}
	}
}

func (f *fuzzy) match(c contexts.Context, name string, scope ...string) {
	if strings.Contains(strings.ToLower(name), f.text) {
		f.add(c, name, scope...)
	}
}

func (f *fuzzy) add(c contexts.Context, id string, scope ...string) {
	if f.only != nil && !f.only[c] {
		return
	}
	if len(f.resp.Matches[c]) >= maxMatches {
		f.resp.Truncations[c] = true
		return
	}
	f.resp.Matches[c] = append(f.resp.Matches[c], api.FuzzyMatch{ID: id, Scope: scope})
	f.resp.Truncations[c] = false
}
