package consensus

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Server is a member of the raft configuration.
type Server struct {
	ID, Addr string
	Voter    bool
	Leader   bool // as far as this server knows
}

// Bootstrap makes the first configuration of a new cluster. Every one of the
// servers may call it, with the same list. A server with state refuses.
func (c *Consensus) Bootstrap(servers []Server) error {
	var conf raft.Configuration
	for _, s := range servers {
		conf.Servers = append(conf.Servers, raft.Server{ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Addr), Suffrage: suffrage(s.Voter)})
	}
	err := c.raft.BootstrapCluster(conf).Error()
	switch {
	case errors.Is(err, raft.ErrCantBootstrap):
		return fmt.Errorf("bootstrap: this server is part of a cluster already: %w", err)
	case err != nil:
		return fmt.Errorf("bootstrap: %w", c.explain(err))
	}
	return nil
}

func suffrage(voter bool) raft.ServerSuffrage {
	if voter {
		return raft.Voter
	}
	return raft.Nonvoter
}

// Configuration are the members, and the index of the last entry that changed
// them, as far as it was applied here.
func (c *Consensus) Configuration() ([]Server, uint64, error) {
	f := c.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, 0, fmt.Errorf("read raft configuration: %w", c.explain(err))
	}
	leader, _ := c.Leader()
	var out []Server
	for _, s := range f.Configuration().Servers {
		out = append(out, Server{
			ID: string(s.ID), Addr: string(s.Address), Voter: s.Suffrage == raft.Voter, Leader: string(s.ID) == leader,
		})
	}
	return out, c.members.Load(), nil
}

// AddVoter adds a server, or changes its address. Leader only, as all changes of members.
func (c *Consensus) AddVoter(ctx context.Context, id, addr string) error {
	return c.member(ctx, "add server", id, func() raft.Future {
		return c.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(addr), 0, timeout(ctx))
	})
}

// AddNonvoter adds a server that receives the log and has no vote.
func (c *Consensus) AddNonvoter(ctx context.Context, id, addr string) error {
	return c.member(ctx, "add server without vote", id, func() raft.Future {
		return c.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(addr), 0, timeout(ctx))
	})
}

// Remove removes a server. One that is no member is no error.
func (c *Consensus) Remove(ctx context.Context, id string) error {
	return c.member(ctx, "remove server", id, func() raft.Future {
		return c.raft.RemoveServer(raft.ServerID(id), 0, timeout(ctx))
	})
}

func (c *Consensus) member(ctx context.Context, what, id string, start func() raft.Future) error {
	if err := c.do(ctx, start); err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	return nil
}

// TransferLeadership hands leadership to the follower that is most up to date.
// Nothing is accepted meanwhile.
func (c *Consensus) TransferLeadership(ctx context.Context) error {
	if !c.IsLeader() {
		_, addr := c.Leader()
		return fmt.Errorf("transfer leadership: %w", ErrNotLeader{addr})
	}
	if err := c.do(ctx, c.raft.LeadershipTransfer); err != nil {
		return fmt.Errorf("transfer leadership: %w", err)
	}
	return nil
}

// TransferLeadershipTo hands leadership to a certain server.
func (c *Consensus) TransferLeadershipTo(ctx context.Context, id, addr string) error {
	err := c.do(ctx, func() raft.Future {
		return c.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(addr))
	})
	if err != nil {
		return fmt.Errorf("transfer leadership to %s: %w", id, err)
	}
	return nil
}
