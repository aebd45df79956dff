package httpapi

import (
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// jobTagVersion is PUT /v1/job/:id/versions/:tag/tag: Version, or the present one
// with Latest, gets the name and is kept for as long as it has it.
func jobTagVersion(a *API, r *request) (any, error) {
	var body api.TagVersionRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	cmd := &state.TagVersion{Namespace: ns, ID: r.vars["id"], Name: r.vars["tag"], Description: body.Description}
	if !body.Latest || body.Version != 0 {
		cmd.Version = &body.Version
	}
	tag, err := apply[*api.JobVersionTag](a, r, cmd)
	if err != nil {
		return nil, err
	}
	return struct {
		api.JobVersionTag
		Index uint64
	}{*tag, r.index}, nil
}

// jobUntagVersion is DELETE /v1/job/:id/versions/:tag/tag.
func jobUntagVersion(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	if _, err := apply[any](a, r, &state.UntagVersion{Namespace: ns, ID: r.vars["id"], Name: r.vars["tag"]}); err != nil {
		return nil, err
	}
	return struct{ Index uint64 }{r.index}, nil
}
