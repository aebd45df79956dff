package httpapi

import (
	"iter"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// maxDescription bounds the description of a namespace in characters.
const maxDescription = 256

// namespacesList is GET /v1/namespaces.
func namespacesList(a *API, r *request) (any, error) {
	l := list[*api.Namespace, *api.Namespace]{
		at:   func(n *api.Namespace) token { return byName(n.Name) },
		keep: func(n *api.Namespace) bool { return r.rights().AllowNamespaceAny(n.Name) },
		show: func(n *api.Namespace) *api.Namespace { return n },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.Namespace], uint64) {
		return s.Namespaces(ws, r.prefix), s.Index(state.TableNamespaces)
	})
}

// namespaceInfo is GET /v1/namespace/:name.
func namespaceInfo(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		n := snap.Namespace(ws, r.vars["name"])
		if n == nil {
			return nil, snap.Index(state.TableNamespaces), notFound("Namespace not found")
		}
		return n, n.ModifyIndex, nil
	})
}

// namespaceUpsert is PUT /v1/namespace and PUT /v1/namespace/:name.
func namespaceUpsert(a *API, r *request) (any, error) {
	var ns api.Namespace
	if err := a.decode(r, &ns); err != nil {
		return nil, err
	}
	switch name := r.vars["name"]; {
	case name != "" && ns.Name != name:
		return nil, badRequest("Namespace name %q does not match %q of the path", ns.Name, name)
	case !validName(ns.Name):
		return nil, badRequest("invalid name %q. Must match regex %s", ns.Name, namePattern)
	case len(ns.Description) > maxDescription:
		return nil, badRequest("description longer than %d", maxDescription)
	case ns.Quota != "":
		return nil, badRequest("Quota: %s", errEnterprise.Text)
	}
	_, err := apply[any](a, r, &state.UpsertNamespace{Namespace: &ns})
	return nil, err
}

// namespaceDelete is DELETE /v1/namespace/:name; it must be empty.
func namespaceDelete(a *API, r *request) (any, error) {
	name := r.vars["name"]
	if name == api.DefaultNamespace {
		return nil, badRequest("can not delete default namespace")
	}
	_, err := apply[any](a, r, &state.DeleteNamespace{Name: name})
	return nil, err
}
