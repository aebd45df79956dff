package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// ErrNotLeader refuses what only a leader does. Nothing was done: it may be tried
// again at the leader.
type ErrNotLeader struct {
	// LeaderAddr is the leader's address as far as this server knows, "" if there is none.
	LeaderAddr string
}

// Error names the leader.
func (e ErrNotLeader) Error() string {
	if e.LeaderAddr == "" {
		return "no cluster leader"
	}
	return "not leader: the leader is " + e.LeaderAddr
}

// ErrLeadershipLost means that leadership was lost while an entry was being agreed
// on: whether it will be applied is unknown.
var ErrLeadershipLost = errors.New("leadership lost: the outcome is unknown")

// ErrShutdown means that this server's part has ended.
var ErrShutdown = errors.New("consensus is shut down")

// Apply has an entry agreed on and applied, and returns what the FSM answered and
// the entry's index. Concurrent calls share messages and disk writes. An error is
// ErrNotLeader (not applied), ErrLeadershipLost (unknown), ErrShutdown, or ctx's
// (unknown: it may still be applied).
func (c *Consensus) Apply(ctx context.Context, data []byte) (result any, index uint64, err error) {
	var f raft.ApplyFuture
	err = c.do(ctx, func() raft.Future {
		f = c.raft.Apply(data, timeout(ctx))
		return f
	})
	if err != nil {
		return nil, 0, fmt.Errorf("apply: %w", err)
	}
	return f.Response(), f.Index(), nil
}

// Barrier returns when everything that was agreed on before has been applied here.
// Leader only.
func (c *Consensus) Barrier(ctx context.Context) error {
	if err := c.do(ctx, func() raft.Future { return c.raft.Barrier(timeout(ctx)) }); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

// timeout is how long raft may take to accept a request, 0 for ever.
func timeout(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(end), time.Nanosecond)
}

// do has raft do something, waits for it or for ctx, and translates raft's errors.
//
// While raft runs it answers every request, if only with the loss of leadership;
// one that still waits in its queue when it stops is never answered. So Shutdown
// first waits for the requests that are open here.
func (c *Consensus) do(ctx context.Context, start func() raft.Future) error {
	c.gate.RLock()
	if c.closing {
		c.gate.RUnlock()
		return ErrShutdown
	}
	c.open.Add(1)
	c.gate.RUnlock()
	f := start()
	if ctx.Done() == nil {
		defer c.open.Done()
		return c.explain(f.Error())
	}
	done := make(chan error, 1)
	go func() { // ends when raft answers; Shutdown waits for it
		defer c.open.Done()
		done <- f.Error()
	}()
	select {
	case err := <-done:
		return c.explain(err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain translates raft's errors.
func (c *Consensus) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		_, addr := c.Leader()
		if c.IsLeader() {
			addr = "" // it is giving leadership away
		}
		return ErrNotLeader{addr}
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrAbortedByRestore):
		return ErrLeadershipLost
	case errors.Is(err, raft.ErrRaftShutdown):
		return ErrShutdown
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return context.DeadlineExceeded
	}
	return err
}
