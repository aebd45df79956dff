package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// peers are the servers of the consensus group and whether each votes.
func (s *sim) peers() (map[string]bool, error) {
	c, err := s.api().Operator().RaftGetConfiguration(nil)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, p := range c.Servers {
		out[p.ID] = p.Voter
	}
	return out, nil
}

// A server that joins gets the log at once and a vote once it was stable for the time
// that is set; a dead one is kept while MinQuorum needs it.
func TestAutopilotSettings(t *testing.T) {
	bubble(t, 3, 0, func(s *sim) {
		op := s.api().Operator()
		conf, _, err := op.AutopilotGetConfiguration(nil)
		if err != nil || conf.ServerStabilizationTime != 10*time.Second || !conf.CleanupDeadServers {
			s.t.Fatalf("%+v %v", conf, err)
		}
		conf.ServerStabilizationTime, conf.MinQuorum = 25*time.Second, 4
		if ok, _, err := op.AutopilotCASConfiguration(conf, nil); err != nil || !ok { // it was never set: index 0
			s.t.Fatalf("set: %v %v", ok, err)
		}
		if ok, _, err := op.AutopilotCASConfiguration(conf, nil); err != nil || ok {
			s.t.Fatalf("set again with an old index: %v %v", ok, err)
		}
		fourth := s.add(true)
		fourth.start()
		joined := s.eventually(10*time.Second, "the fourth gets the log", func() error {
			if peers, err := s.peers(); err != nil || len(peers) != 4 || peers[fourth.id.ID] {
				return fmt.Errorf("%v %v", peers, err)
			}
			return nil
		})
		voted := s.eventually(40*time.Second, "the fourth votes", func() error {
			if peers, err := s.peers(); err != nil || !peers[fourth.id.ID] {
				return fmt.Errorf("%v %v", peers, err)
			}
			return nil
		})
		if joined > 5*time.Second || voted < 20*time.Second {
			s.t.Errorf("it joined after %v and votes after %v more; 25 s are set", joined, voted)
		}
		if h, _, err := s.api().Operator().AutopilotServerHealth(nil); err != nil || !h.Healthy || len(h.Voters) != 4 || h.FailureTolerance != 1 {
			s.t.Errorf("health of four: %+v %v", h, err)
		}
		s.servers[1].die()
		time.Sleep(3 * time.Minute)
		if peers, err := s.peers(); err != nil || len(peers) != 4 {
			s.t.Errorf("a dead server was removed below the least quorum: %v %v", peers, err)
		}
		_, _, err = s.api().Operator().AutopilotServerHealth(nil)
		var refused api.UnexpectedResponseError
		if !errors.As(err, &refused) || refused.StatusCode() != 429 {
			s.t.Errorf("health with a dead server: %v", err)
		}
		conf, _, err = s.api().Operator().AutopilotGetConfiguration(nil)
		if err != nil || conf.MinQuorum != 4 || conf.ModifyIndex == 0 {
			s.t.Fatalf("%+v %v", conf, err)
		}
		conf.MinQuorum = 0
		if ok, _, err := s.api().Operator().AutopilotCASConfiguration(conf, nil); err != nil || !ok {
			s.t.Fatalf("set: %v %v", ok, err)
		}
		s.voters(3)
	})
}
