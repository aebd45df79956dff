package leader

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Apply makes a world the log of a leader.
func (w *world) Apply(_ context.Context, data []byte) (any, uint64, error) {
	w.index++
	return w.store.Apply(w.index, data), w.index, nil
}

// elsewhere is the authoritative region of a test.
type elsewhere struct {
	answers chan func() (*state.ReplicateACL, uint64, error)
	asked   []uint64
}

func (e *elsewhere) Fetch(ctx context.Context, index uint64) (*state.ReplicateACL, uint64, error) {
	e.asked = append(e.asked, index)
	select {
	case f := <-e.answers:
		return f()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

func TestReplicationCopiesWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := &elsewhere{answers: make(chan func() (*state.ReplicateACL, uint64, error))}
		l := &Leader{log: hclog.NewNullLogger(), cfg: Config{State: w.store, Log: w, ACL: ACL{Source: e}}}
		p := &replicator{l, l.log}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.run(ctx) }()
		local := &api.ACLToken{AccessorID: "local", SecretID: "s0"}
		stray := &api.ACLToken{AccessorID: "stray", SecretID: "s1", Global: true}
		w.apply(&state.UpsertACLTokens{Tokens: []*api.ACLToken{local, stray}})
		at := time.Now()
		rows := &state.ReplicateACL{
			Policies: []*api.ACLPolicy{{Name: "a", Rules: "1", ModifyIndex: 70}},
			Tokens:   []*api.ACLToken{{AccessorID: "global", SecretID: "s2", Global: true, ExpirationTime: &at}},
		}
		answer := func(rows *state.ReplicateACL, index uint64, err error) {
			e.answers <- func() (*state.ReplicateACL, uint64, error) { return rows, index, err }
			synctest.Wait()
		}
		answer(rows, 70, nil)
		snap := w.store.Snapshot()
		if snap.ACLPolicy(nil, "a") == nil || snap.ACLToken(nil, "global") == nil || snap.ACLToken(nil, "stray") != nil || snap.ACLToken(nil, "local") == nil {
			t.Error("the state is not like the source's")
		}
		before := w.index
		again := *rows.Tokens[0]
		utc := at.UTC()
		again.ExpirationTime, again.CreateIndex = &utc, 99
		answer(&state.ReplicateACL{Policies: rows.Policies, Tokens: []*api.ACLToken{&again}}, 71, nil)
		if w.index != before {
			t.Errorf("%d entries for nothing new", w.index-before)
		}
		answer(nil, 0, errors.New("no leader"))
		time.Sleep(2 * replicateAgain)
		answer(&state.ReplicateACL{}, 72, nil)
		if w.store.Snapshot().ACLPolicy(nil, "a") != nil || w.store.Snapshot().ACLToken(nil, "local") == nil {
			t.Error("what is gone there is still here, or what is local went")
		}
		synctest.Wait()
		if !slices.Equal(e.asked, []uint64{0, 70, 71, 0, 72}) {
			t.Errorf("asked %v", e.asked)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestReplicationInSmallEntries(t *testing.T) {
	w := newWorld(t)
	from := &state.ReplicateACL{Policies: []*api.ACLPolicy{{Name: "a"}}}
	for i := range 2*replicateBatch + 1 {
		from.Tokens = append(from.Tokens, &api.ACLToken{AccessorID: string(rune('a' + i)), SecretID: string(rune('A' + i)), Global: true})
	}
	parts := missing(w.store.Snapshot(), from)
	if len(parts) != 3 || len(parts[0].Policies) != 1 || len(parts[0].Tokens) != replicateBatch-1 {
		t.Errorf("%d parts", len(parts))
	}
}
