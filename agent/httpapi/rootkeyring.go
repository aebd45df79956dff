package httpapi

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

var rootKeyRoutes = []route{
	{method: get, path: "/v1/operator/keyring/keys", right: management, where: leaderRead, do: rootKeysList},
	{method: put, path: "/v1/operator/keyring/rotate", right: management, where: leaderWrite, do: rootKeysRotate},
	{method: del, path: "/v1/operator/keyring/key/{id}", right: management, where: leaderWrite, do: rootKeyDelete},
	{method: get, path: "/.well-known/jwks.json", right: anyone, where: anyServer, do: jwks},
	{method: get, path: "/.well-known/openid-configuration", right: anyone, where: anyServer, do: openIDConfiguration},
}

// rootKeysList is GET /v1/operator/keyring/keys: the oldest first.
func rootKeysList(a *API, r *request) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		out := []*api.RootKeyMeta{}
		for k := range snap.RootKeys(ws) {
			meta := k.RootKeyMeta
			out = append(out, &meta)
		}
		slices.SortFunc(out, func(a, b *api.RootKeyMeta) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
		return out, snap.Index(state.TableRootKeys), nil
	})
}

// rootKeysRotate is PUT /v1/operator/keyring/rotate. The new key is active at once, or
// with publish_time (ns since 1970) from then on; full re-encrypts all variables.
func rootKeysRotate(a *API, r *request) (any, error) {
	full, err := r.flag("full", true)
	if err != nil {
		return nil, err
	}
	if algo := r.query.Get("algo"); algo != "" && algo != string(api.EncryptionAlgorithmAES256GCM) {
		return nil, badRequest("unknown algorithm %q: there is %s", algo, api.EncryptionAlgorithmAES256GCM)
	}
	var publish time.Time
	if v := r.query.Get("publish_time"); v != "" {
		ns, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err != nil || ns <= 0:
			return nil, badRequest("invalid publish_time %q: it is in nanoseconds since 1970", v)
		case full:
			return nil, badRequest("full and publish_time exclude each other: a key that is not active yet encrypts nothing")
		}
		publish = time.Unix(0, ns)
	}
	cmd, err := a.cfg.Secrets.Make(publish)
	if err != nil {
		return nil, err
	}
	cmd.Rekey = full
	key, err := apply[*state.RootKey](a, r, cmd)
	if err != nil {
		return nil, err
	}
	// The indexes are left out, as clients of this API know it: they wait for the list to
	// pass them, and it already has.
	meta := key.RootKeyMeta
	meta.CreateIndex, meta.ModifyIndex = 0, 0
	return struct{ Key *api.RootKeyMeta }{&meta}, nil
}

// rekeyBatch bounds the variables of one log entry; see agent/leader.
const rekeyBatch = 16

// rootKeyDelete is DELETE /v1/operator/keyring/key/:id. A key that is needed goes only
// with force, and even then what it encrypts is first given to the active key, as far as
// that can be done.
func rootKeyDelete(a *API, r *request) (any, error) {
	force, err := r.flag("force", true)
	if err != nil {
		return nil, err
	}
	id := r.vars["id"]
	for key := a.cfg.State.Snapshot().RootKey(nil, id); force && key != nil && key.State != api.RootKeyStateActive; {
		cmd, err := a.cfg.Secrets.Rekey(a.cfg.State.Snapshot(), id, rekeyBatch)
		if err != nil {
			a.log.Warn("variables are lost with the root key that an operator deletes", "key", id, "err", err)
		}
		if err != nil || cmd == nil {
			break
		}
		n, err := apply[int](a, r, cmd)
		if err != nil {
			return nil, err
		}
		if n == 0 { // they were written meanwhile, with the active key
			break
		}
	}
	_, err = apply[any](a, r, &state.DeleteRootKey{KeyID: id, Force: force})
	return nil, err
}

// jwks is GET /.well-known/jwks.json: the public keys of the cluster.
func jwks(a *API, _ *request) (any, error) {
	if a.cfg.JWKS == nil {
		return struct {
			Keys []json.RawMessage `json:"keys"`
		}{[]json.RawMessage{}}, nil
	}
	return a.cfg.JWKS(), nil
}

// openIDConfiguration is GET /.well-known/openid-configuration.
func openIDConfiguration(a *API, _ *request) (any, error) {
	var doc any
	if a.cfg.Discovery != nil {
		doc = a.cfg.Discovery()
	}
	if doc == nil {
		return nil, &Error{http.StatusNotFound, "OIDC Discovery endpoint disabled: set server { oidc_issuer }"}
	}
	return doc, nil
}
