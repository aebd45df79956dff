package httpapi

import (
	"cmp"
	"context"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// until gives the handler of a request a context that ends when its caller's token
// expires: a blocking query or a stream must not outlive the right to it. end frees it.
func (a *API) until(r *request) (end context.CancelFunc) {
	if !a.cfg.ACL.Enabled {
		return func() {}
	}
	ctx, cancel := context.WithCancel(r.Context())
	if at := r.caller.expires(); !at.IsZero() {
		ctx, cancel = context.WithDeadline(r.Context(), at)
	}
	r.Request = r.WithContext(ctx)
	r.onStream = func() {
		asked := *r                           // the handler goes on to use r
		go a.watchRights(ctx, cancel, &asked) // ends with ctx, which end ends
	}
	return cancel
}

// watchRights ends a stream when its caller loses the right to it, or gets another: a
// server sees at once what changes, another agent asks from time to time.
func (a *API) watchRights(ctx context.Context, lost context.CancelFunc, asked *request) {
	if a.cfg.State == nil {
		t := time.NewTicker(cmp.Or(a.cfg.ACL.TokenTTL, defaultTokenTTL))
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if a.allow(asked) != nil && ctx.Err() == nil {
				lost()
			}
		}
	}
	seen := !asked.caller.far // a follower may learn of the token later than it was asked
	for ctx.Err() == nil {
		_ = a.cfg.State.Block(ctx, 1, func(snap *state.Snapshot, ws memdb.WatchSet) (uint64, error) {
			watchCaller(snap, ws, asked.caller)
			who, err := a.resolveIn(snap, asked.secret())
			switch {
			case err != nil && !seen:
				return 1, nil
			case err != nil || seen && who.acl != asked.caller.acl:
				lost()
				return 2, nil
			}
			seen, asked.caller = true, who
			return 1, nil
		})
	}
}

// watchCaller adds to ws everything that a caller's rights hang on.
func watchCaller(snap *state.Snapshot, ws memdb.WatchSet, who caller) {
	if who.token != nil {
		snap.ACLToken(ws, who.token.AccessorID)
	}
	if who.claims != nil {
		snap.Alloc(ws, who.claims.AllocID)
	}
	snap.ACLPolicies(ws, "")
	snap.ACLRoles(ws, "")
}

// topicNeeds says what it takes to watch a topic; one that is not here is for
// management tokens, as is everything at once.
var topicNeeds = map[string]rule{
	"Job":        in(acl.ReadJob),
	"Evaluation": in(acl.ReadJob),
	"Allocation": in(acl.ReadJob),
	"Deployment": in(acl.ReadJob),
	"Service":    {any: []string{acl.ReadJob}, workload: true},
	"CSIVolume":  in(acl.CSIReadVolume),
	"HostVolume": in(acl.HostVolumeRead),
	"CSIPlugin":  has((*acl.ACL).AllowPlugin, acl.Read),
	"Node":       has((*acl.ACL).AllowNode, acl.Read),
	"NodePool":   {check: func(_ *API, r *request) bool { return r.rights().AllowNodePoolSomewhere(acl.PoolRead) }},
	"Variable":   {check: mayVariables},
}

// mayWatch reports whether the caller may watch all the topics that it asks for.
func mayWatch(a *API, r *request) bool {
	topics, err := parseTopics(r.query["topic"])
	if err != nil {
		return r.rights() != nil && (r.caller.token != nil || r.caller.claims != nil) // the handler says what is wrong
	}
	for topic := range topics {
		if !topicNeeds[topic].allows(a, r) {
			return false
		}
	}
	return len(topics) > 0
}

// mayKnow reports whether the caller may see this one event of a topic that it watches.
func (r *request) mayKnow(e event) bool {
	u := topicNeeds[string(e.Topic)]
	switch {
	case r.rights().Management():
		return true
	case e.Topic == api.TopicNodePool:
		return r.rights().AllowNodePool(e.Key, acl.PoolRead)
	case e.Topic == "Variable":
		return r.mayVariable(e.Namespace, e.Key, acl.VariableList)
	case u.any == nil:
		return u.check != nil
	}
	own := u.workload && r.caller.claims != nil && r.caller.claims.Namespace == e.Namespace
	return own || someOf(u.any, func(c string) bool { return r.may(e.Namespace, c) })
}
