package agent

import (
	"context"
	"slices"
	"strings"

	"github.com/selfheal/selfheal/agent/gossip"
)

// bootstrapPeers decides whether the first servers have all met. It returns
// them, in the order in which each of them computes it, once exactly expect
// alive servers of the region expect the same number.
//
// Every one of them then bootstraps with the same configuration, which raft
// allows, so that none has to be first. A server whose log already holds a
// configuration never asks.
func bootstrapPeers(members []gossip.Member, region string, expect int) []gossip.Member {
	var peers []gossip.Member
	for _, m := range members {
		if !m.Server || m.Region != region || m.Status != gossip.Alive {
			continue
		}
		if m.Expect == 0 { // it belongs to a cluster that exists, which will take us in
			return nil
		}
		if m.Expect != expect {
			return nil
		}
		peers = append(peers, m)
	}
	if len(peers) != expect {
		return nil
	}
	slices.SortFunc(peers, func(a, b gossip.Member) int { return strings.Compare(a.ID, b.ID) })
	return peers
}

// watchBootstrap bootstraps the group as soon as the expected servers have met;
// wake says that gossip changed.
func (s *server) watchBootstrap(ctx context.Context, wake <-chan struct{}) {
	for {
		led := s.leaders.changed()
		if _, leader := s.raft.Leader(); s.raft.HasState() || leader != "" { // it belongs to a cluster
			s.settled()
			return
		}
		if peers := bootstrapPeers(s.gossip.Members(), s.region, s.expect); peers != nil {
			if err := s.bootstrap(peers); err != nil {
				s.log.Error("bootstrap", "err", err)
			} else {
				s.log.Info("bootstrapped the cluster", "servers", len(peers))
				s.settled()
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-led:
		}
	}
}
