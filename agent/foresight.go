package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/healapi"
	"github.com/selfheal/selfheal/agent/httpapi"
	"github.com/selfheal/selfheal/agent/leader"
)

// foresight answers what would happen with the leader's own decisions.
type foresight struct{ s *server }

func (f foresight) DrainPlan(ctx context.Context, nodeID string) (*healapi.DrainPlan, error) {
	out, err := f.s.leader.DrainPlan(ctx, nodeID)
	return out, notLeading(err)
}

func (f foresight) Resilience(ctx context.Context, pairs, brief bool, after *api.Job) (*healapi.Resilience, error) {
	out, err := f.s.leader.Resilience(ctx, leader.ResilienceQuery{Pairs: pairs, Brief: brief, After: after})
	return out, notLeading(err)
}

func (f foresight) Rebalance(ctx context.Context) (*healapi.Rebalance, error) {
	out, err := f.s.leader.Rebalance(ctx)
	return out, notLeading(err)
}

// notLeading puts the leader's error in the API's words: then the request is carried to the
// next leader.
func notLeading(err error) error {
	if errors.Is(err, leader.ErrNotLeading) {
		return fmt.Errorf("%w: %w", httpapi.ErrNotLeader, err)
	}
	return err
}
