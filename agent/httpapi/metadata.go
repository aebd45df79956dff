package httpapi

import "github.com/hashicorp/nomad/api"

// Metadata is what the node tells of itself and what operators add to it.
type Metadata interface {
	NodeMeta() *api.NodeMetaResponse
	ApplyNodeMeta(change map[string]*string) (*api.NodeMetaResponse, error)
}

// nodeMetaRead is GET /v1/client/metadata (?node_id).
func nodeMetaRead(a *API, _ *request) (any, error) {
	if a.cfg.Metadata == nil {
		return nil, errNotClient
	}
	return a.cfg.Metadata.NodeMeta(), nil
}

// nodeMetaApply is PUT /v1/client/metadata: the node that the body names, or this
// one, adds what Meta says to its metadata; null takes a key away.
func nodeMetaApply(a *API, r *request) (any, error) {
	var body api.NodeMetaApplyRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if len(body.Meta) == 0 {
		return nil, badRequest("Meta is empty: name the keys to set, or to take away with null")
	}
	// Only the body says which node it is for.
	row := *r.row
	row.where = onNode
	r.row = &row
	if body.NodeID != "" {
		r.query.Set("node_id", body.NodeID)
	}
	if out, done, err := a.carry(r); done {
		return out, err
	}
	if a.cfg.Metadata == nil {
		return nil, errNotClient
	}
	return a.cfg.Metadata.ApplyNodeMeta(body.Meta)
}
