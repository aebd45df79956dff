package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// registrar says who the node is: at the start, when the node has changed, and when
// a server does not know it.
type registrar struct {
	c      *Client
	bootID string
	wake   chan struct{} // capacity 1: register again
	first  chan struct{} // closed after the first success

	mu    sync.Mutex
	asked uint64        // requests to register
	said  uint64        // those of them that a server has heard
	heard chan struct{} // closed when said grows
}

// again asks for a registration soon, and returns what heardBy waits for.
func (r *registrar) again() uint64 {
	r.mu.Lock()
	r.asked++
	n := r.asked
	r.mu.Unlock()
	defer r.poke()
	return n
}

func (r *registrar) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run registers whenever it is asked to, until a server accepts it.
func (r *registrar) run(ctx context.Context) {
	r.again()
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		if !r.register(ctx) {
			return
		}
	}
}

// register tries until a server accepts; false when ctx ended first.
func (r *registrar) register(ctx context.Context) bool {
	var backoff nodeapi.Backoff
	for {
		r.mu.Lock()
		asked := r.asked // what the node is from here on
		r.mu.Unlock()
		resp, err := r.c.cfg.Servers.Register(ctx, nodeapi.RegisterRequest{
			Node: r.c.Node(), SecretID: r.c.cfg.SecretID, BootID: r.bootID, RPCAddr: r.c.cfg.RPCAddr,
		})
		if err == nil {
			r.c.touch()
			r.c.log.Info("node registered", "node", r.c.cfg.NodeID, "index", resp.Index)
			if !isClosed(r.first) {
				close(r.first)
			}
			r.mu.Lock()
			r.said = asked
			close(r.heard)
			r.heard = make(chan struct{})
			r.mu.Unlock()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		r.c.log.Warn("registering the node failed, will go on trying", "err", err)
		select {
		case <-time.After(backoff.Next()):
		case <-ctx.Done():
			return false
		}
	}
}

// heardBy waits until a server has heard of the node as it was when again returned n,
// at most for limit.
func (r *registrar) heardBy(n uint64, limit time.Duration) {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		r.mu.Lock()
		said, heard := r.said, r.heard
		r.mu.Unlock()
		if said >= n {
			return
		}
		select {
		case <-heard:
		case <-late.C:
			return
		}
	}
}

// refused looks at a failed call: when the servers do not know the node (any more),
// it registers again.
func (c *Client) refused(err error) {
	var refusal *nodeapi.Error
	if errors.As(err, &refusal) && (refusal.Unknown() || refusal.Denied()) {
		c.register.again()
	}
}

// afterRegistration delays a loop until servers know the node.
func (c *Client) afterRegistration(loop func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-c.register.first:
			loop(ctx)
		case <-ctx.Done():
		}
	}
}

// refingerprint looks at the machine from time to time and registers what changed.
func (c *Client) refingerprint(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.FingerprintEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		facts, err := c.cfg.Fingerprint(ctx, c.fingerprintConfig())
		if err != nil {
			c.log.Debug("finding out about this machine was not complete", "err", err)
			continue // half of the facts must not replace all of them
		}
		if c.setNode(ctx, facts) {
			c.register.again()
		}
	}
}

// touch: a server has answered just now.
func (c *Client) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.contact = time.Now()
}
