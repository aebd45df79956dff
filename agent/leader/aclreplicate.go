package leader

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// ACLSource is the authoritative region, where everything that holds in all regions is written.
type ACLSource interface {
	// Fetch gives everything that all regions share, and the index of it. With an index
	// above 0 it waits for something newer, for a while.
	Fetch(ctx context.Context, index uint64) (*state.ReplicateACL, uint64, error)
}

// Pauses of the copying while the authoritative region does not answer: the first is
// short, as a leader may just be changing there.
const (
	replicateAgain = time.Second
	replicateMost  = 30 * time.Second
)

// replicateBatch bounds the rows of one log entry.
const replicateBatch = 500

// replicator keeps this region's policies, roles, auth methods, binding rules and global
// tokens like those of the authoritative region. It has no memory: a new leader compares
// everything once.
type replicator struct {
	l   *Leader
	log hclog.Logger
}

func (p *replicator) run(ctx context.Context) error {
	if p.l.cfg.ACL.Source == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	index, pause := uint64(0), replicateAgain
	for {
		rows, at, err := p.l.cfg.ACL.Source.Fetch(ctx, index)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.log.Warn("the authoritative region does not say what access control is", "err", err, "again", pause)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			index, pause = 0, min(2*pause, replicateMost)
			continue
		}
		index, pause = at, replicateAgain
		for _, part := range missing(p.l.cfg.State.Snapshot(), rows) {
			if _, err := p.l.apply(ctx, part); err != nil {
				return fmt.Errorf("replicate access control: %w", err)
			}
		}
	}
}

// missing says what has to be written so that the state has the source's rows and no
// others, in entries of at most replicateBatch rows, what is referred to first.
func missing(snap *state.Snapshot, from *state.ReplicateACL) []*state.ReplicateACL {
	b := &batches{}
	var gone = map[string][]string{}
	policies := byKey(from.Policies, func(p *api.ACLPolicy) string { return p.Name })
	for p := range snap.ACLPolicies(nil, "") {
		drop(gone, state.TableACLPolicies, policies, p.Name)
	}
	for name, p := range policies {
		if !same(snap.ACLPolicy(nil, name), p) {
			b.next().Policies = append(b.next().Policies, p)
		}
	}
	roles := byKey(from.Roles, func(r *api.ACLRole) string { return r.ID })
	for r := range snap.ACLRoles(nil, "") {
		drop(gone, state.TableACLRoles, roles, r.ID)
	}
	for id, r := range roles {
		if !same(snap.ACLRole(nil, id), r) {
			b.next().Roles = append(b.next().Roles, r)
		}
	}
	methods := byKey(from.AuthMethods, func(m *api.ACLAuthMethod) string { return m.Name })
	for m := range snap.ACLAuthMethods(nil) {
		drop(gone, state.TableACLAuthMethods, methods, m.Name)
	}
	for name, m := range methods {
		if !same(snap.ACLAuthMethod(nil, name), m) {
			b.next().AuthMethods = append(b.next().AuthMethods, m)
		}
	}
	rules := byKey(from.BindingRules, func(r *api.ACLBindingRule) string { return r.ID })
	for r := range snap.ACLBindingRules(nil, "") {
		drop(gone, state.TableACLBindingRules, rules, r.ID)
	}
	for id, r := range rules {
		if !same(snap.ACLBindingRule(nil, id), r) {
			b.next().BindingRules = append(b.next().BindingRules, r)
		}
	}
	tokens := byKey(from.Tokens, func(t *api.ACLToken) string { return t.AccessorID })
	for t := range snap.ACLTokens(nil, "") {
		if t.Global {
			drop(gone, state.TableACLTokens, tokens, t.AccessorID)
		}
	}
	for id, t := range tokens {
		if !same(snap.ACLToken(nil, id), t) {
			b.next().Tokens = append(b.next().Tokens, t)
		}
	}
	if len(gone) > 0 {
		b.parts = append([]*state.ReplicateACL{{Gone: gone}}, b.parts...)
	}
	return b.parts
}

// batches collects rows for log entries.
type batches struct{ parts []*state.ReplicateACL }

// next is the entry that has room for one more row.
func (b *batches) next() *state.ReplicateACL {
	if n := len(b.parts); n > 0 {
		last := b.parts[n-1]
		if len(last.Policies)+len(last.Roles)+len(last.AuthMethods)+len(last.BindingRules)+len(last.Tokens) < replicateBatch {
			return last
		}
	}
	b.parts = append(b.parts, &state.ReplicateACL{})
	return b.parts[len(b.parts)-1]
}

func byKey[T any](rows []*T, key func(*T) string) map[string]*T {
	out := map[string]*T{}
	for _, r := range rows {
		if r != nil {
			out[key(r)] = r
		}
	}
	return out
}

// drop notes a row of the state that the source does not have.
func drop[T any](gone map[string][]string, table string, source map[string]*T, id string) {
	if source[id] == nil {
		gone[table] = append(gone[table], id)
	}
}

// same compares two rows but for what each region counts by itself.
func same[T any](have, want *T) bool {
	if have == nil || want == nil {
		return have == want
	}
	x, y := *have, *want
	for _, v := range []reflect.Value{reflect.ValueOf(&x).Elem(), reflect.ValueOf(&y).Elem()} {
		for _, name := range []string{"CreateIndex", "ModifyIndex"} {
			v.FieldByName(name).SetZero()
		}
		if _, isToken := any(*have).(api.ACLToken); isToken {
			normalise(v)
			continue
		}
		for _, name := range []string{"CreateTime", "ModifyTime"} { // of the entry that stored it
			if f := v.FieldByName(name); f.IsValid() {
				f.SetZero()
			}
		}
	}
	return reflect.DeepEqual(x, y)
}

// normalise makes the times of a token comparable: the same moment may be written in
// several ways.
func normalise(token reflect.Value) {
	at := token.FieldByName("CreateTime")
	at.Set(reflect.ValueOf(at.Interface().(time.Time).UTC().Round(0)))
	if end := token.FieldByName("ExpirationTime"); !end.IsNil() {
		t := end.Interface().(*time.Time).UTC().Round(0)
		end.Set(reflect.ValueOf(&t))
	}
}
