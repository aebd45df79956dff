package httpapi

import (
	"cmp"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// registrations collects service registrations as a list that is never null.
func registrations(seq iter.Seq[*state.Service]) []*api.ServiceRegistration {
	out := []*api.ServiceRegistration{}
	for s := range seq {
		out = append(out, &s.ServiceRegistration)
	}
	return out
}

// servicesList is GET /v1/services: names and tags by namespace.
func servicesList(a *API, r *request) (any, error) {
	match, err := newFilter(r.filter)
	if err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		tags := map[string]map[string]map[string]bool{} // namespace, service, tag
		for s := range visible(r, serviceSpace, snap.Services(ws, r.namespace)) {
			ok, err := match(&s.ServiceRegistration)
			if err != nil {
				return nil, 1, err
			}
			if !ok || !strings.HasPrefix(s.ServiceName, r.prefix) {
				continue
			}
			if tags[s.Namespace] == nil {
				tags[s.Namespace] = map[string]map[string]bool{}
			}
			if tags[s.Namespace][s.ServiceName] == nil {
				tags[s.Namespace][s.ServiceName] = map[string]bool{}
			}
			for _, t := range s.Tags {
				tags[s.Namespace][s.ServiceName][t] = true
			}
		}
		out := []*api.ServiceRegistrationListStub{}
		for _, ns := range slices.Sorted(maps.Keys(tags)) {
			stub := &api.ServiceRegistrationListStub{Namespace: ns}
			for _, name := range slices.Sorted(maps.Keys(tags[ns])) {
				stub.Services = append(stub.Services, &api.ServiceRegistrationStub{
					ServiceName: name, Tags: slices.Sorted(maps.Keys(tags[ns][name])),
				})
			}
			out = append(out, stub)
		}
		return out, snap.Index(state.TableServices), nil
	})
}

// serviceInfo is GET /v1/service/:name: first the instances whose checks pass, or
// that have none, then the others, each by ID. With ?choose=N|key it picks N of
// them, well or not, the same ones for the same key as long as they live.
func serviceInfo(a *API, r *request) (any, error) {
	n, key, err := parseChoose(r.query.Get("choose"))
	if err != nil {
		return nil, err
	}
	l := list[*state.Service, *api.ServiceRegistration]{
		at: func(s *state.Service) token {
			if s.Failing {
				return byName("~", s.Namespace, s.ID) // behind every namespace's name
			}
			return byName(s.Namespace, s.ID)
		},
		show: func(s *state.Service) *api.ServiceRegistration { return &s.ServiceRegistration },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*state.Service], uint64) {
		picked := visible(r, serviceSpace, s.ServicesByName(ws, r.namespace, r.vars["name"]))
		if n > 0 {
			picked = slices.Values(choose(slices.Collect(picked), n, key))
		}
		return picked, s.Index(state.TableServices)
	})
}

func parseChoose(s string) (n int, key string, err error) {
	if s == "" {
		return 0, "", nil
	}
	number, key, ok := strings.Cut(s, "|")
	n, err = strconv.Atoi(number)
	if !ok || err != nil || n < 1 || key == "" {
		return 0, "", badRequest("Invalid value for \"choose\": %q is not of the form N|key", s)
	}
	return n, key, nil
}

// choose picks n registrations by rendezvous hashing: each gets a score from the
// key and its ID, the highest win.
func choose(all []*state.Service, n int, key string) []*state.Service {
	score := func(s *state.Service) uint64 {
		h := fnv.New64a()
		h.Write([]byte(key + "\x00" + s.ID))
		return h.Sum64()
	}
	slices.SortFunc(all, func(x, y *state.Service) int {
		return cmp.Or(cmp.Compare(score(y), score(x)), strings.Compare(x.ID, y.ID))
	})
	return all[:min(n, len(all))]
}

// serviceDelete is DELETE /v1/service/:name/:id. A registration that a living
// allocation stands behind is back with the next report of its node.
func serviceDelete(a *API, r *request) (any, error) {
	s := a.cfg.State.Snapshot().Service(nil, r.vars["id"])
	if s == nil || s.ServiceName != r.vars["name"] || s.Namespace != r.namespace {
		return nil, notFound("service registration not found")
	}
	_, err := apply[any](a, r, &state.DeleteServices{IDs: []string{s.ID}})
	return nil, err
}
