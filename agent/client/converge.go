package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// restore prepares what an earlier agent journaled. It runs again as soon as Run
// does; what has to be started anew waits until servers have confirmed it.
func (c *Client) restore(content journaled) {
	for id, rec := range content.allocs {
		job := content.jobs[rec.Alloc.JobRef]
		a, err := newAlloc(c.shared, rec.Alloc, job, false)
		if err != nil {
			c.log.Error("an allocation in the journal cannot be taken up again", "alloc", id, "err", err)
			continue
		}
		c.allocs[id] = a
		c.restored = append(c.restored, func(ctx context.Context) { a.resume(ctx, rec, content.tasks) })
	}
}

// poll asks for changes, and makes them so, until ctx ends.
func (c *Client) poll(ctx context.Context) {
	var backoff nodeapi.Backoff
	var index uint64
	cut := false // no server could be reached since the last answer
	for {
		resp, err := c.cfg.Servers.Allocs(ctx, nodeapi.AllocsRequest{
			NodeID: c.cfg.NodeID, Index: index, Wait: c.pollWait(), Jobs: c.jobRefs(),
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil && resp.Index == 0 {
			err = errNoIndex
		}
		if err == nil {
			backoff.Reset()
			if !resp.NoLeader { // it may be cut off from the others, and we with it
				if cut {
					c.reconnected()
				}
				cut = false
				c.touch()
			}
			index = max(index, resp.Index)
			c.converge(ctx, resp)
			continue
		}
		c.log.Warn("polling for allocations failed, will go on trying", "err", err)
		var refusal *nodeapi.Error
		switch {
		case !errors.As(err, &refusal):
			cut = true
		case refusal.Unknown():
			index = 0
			c.disowned()
		}
		c.refused(err)
		if !sleep(ctx, backoff.Next()) {
			return
		}
	}
}

// errNoIndex: such an answer could not be told from "run nothing".
var errNoIndex = errors.New("the server's answer has no index")

// disowned: the servers do not know this node. Whatever they say next, also with a
// state that began anew and counts from 1, is newer than what it has.
func (c *Client) disowned() {
	for _, a := range c.all() {
		a.send(func() {
			forgotten := *a.want
			forgotten.AllocModifyIndex = 0
			a.want = &forgotten
		})
	}
}

// reconnected: no server could be reached, and a second is enough for them to have
// given the node up. It says again that it is there and what its allocations do.
func (c *Client) reconnected() {
	c.log.Info("servers answer again", "node", c.cfg.NodeID, "after", c.alone().Round(time.Millisecond))
	c.register.again()
	for _, a := range c.all() {
		a.send(func() { a.changed = true })
	}
}

// alone is how long no server with a leader has answered.
func (c *Client) alone() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.contact)
}

// pollWait is how long servers may hold the next poll: the answer is also the sign
// of life that stop_on_client_after counts from.
func (c *Client) pollWait() time.Duration {
	wait := c.cfg.PollWait
	for _, limit := range c.isolationLimits() {
		wait = min(wait, limit/4)
	}
	return wait
}

// converge makes what servers say so: known allocations are updated, new ones
// begin, and what servers have forgotten is destroyed.
func (c *Client) converge(ctx context.Context, resp *nodeapi.AllocsResponse) {
	c.mu.Lock()
	for _, job := range resp.Jobs {
		c.jobs[refOf(job)] = job
	}
	c.mu.Unlock()
	for _, want := range resp.Allocs {
		c.take(ctx, want)
	}
	wanted := make(map[string]bool, len(resp.IDs))
	for _, id := range resp.IDs {
		wanted[id] = true
	}
	first := !isClosed(c.confirmed)
	for _, a := range c.all() {
		if wanted[a.id] {
			if first {
				a.send(a.confirm)
			}
			continue
		}
		a.send(func() {
			// A server that lags behind has not heard of the newest allocations.
			if a.want.AllocModifyIndex <= resp.Index {
				a.destroy("the servers no longer have it")
			}
		})
	}
	if first || len(resp.Jobs) > 0 {
		c.forgetJobs()
	}
	if first {
		close(c.confirmed)
	}
}

// refOf is the reference under which allocations name this version of the job.
func refOf(job *api.Job) nodeapi.JobRef {
	ref := nodeapi.JobRef{Namespace: text(job.Namespace, api.DefaultNamespace), ID: text(job.ID, "")}
	set(&ref.Version, job.Version)
	set(&ref.CreateIndex, job.CreateIndex)
	return ref
}

// take updates or begins one allocation.
func (c *Client) take(ctx context.Context, want *nodeapi.Alloc) {
	c.mu.Lock()
	a, job := c.allocs[want.ID], c.jobs[want.JobRef]
	c.mu.Unlock()
	if a != nil {
		a.send(func() { a.update(want, job) })
		return
	}
	if want.DesiredStatus != api.AllocDesiredStatusRun || terminalStatus(want.ClientStatus) {
		c.disown(want)
		return
	}
	a, err := newAlloc(c.shared, want, job, true)
	if err != nil {
		c.log.Error("an allocation cannot be run", "alloc", want.ID, "err", err)
		c.reporter.set(nodeapi.AllocStatus{
			ID: want.ID, ClientStatus: api.AllocClientStatusFailed, ClientDescription: err.Error(),
		}, false)
		return
	}
	c.mu.Lock()
	c.allocs[want.ID] = a // before its directory is there, which adopt would not know
	count := len(c.allocs)
	c.mu.Unlock()
	a.begin(ctx)
	c.cfg.Metrics.SetGauge("client.allocs", float64(count))
	if count > c.cfg.GC.MaxAllocs {
		c.collectSoon()
	}
}

// disown tells the servers of an allocation that is to stop, and of which nothing is
// known here (any more), that it has.
func (c *Client) disown(want *nodeapi.Alloc) {
	if terminalStatus(want.ClientStatus) {
		return
	}
	c.reporter.set(nodeapi.AllocStatus{
		ID: want.ID, ClientStatus: api.AllocClientStatusComplete,
		ClientDescription: "The node does not run it", TaskStates: want.TaskStates,
	}, false)
}

// removed: an allocation and its directory are gone.
func (c *Client) removed(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.allocs, id)
	c.cfg.Metrics.SetGauge("client.allocs", float64(len(c.allocs)))
}

// all are the present allocations.
func (c *Client) all() []*alloc {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.allocs))
}

// find is the allocation of an ID.
func (c *Client) find(id string) (*alloc, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.allocs[id]
	if a == nil || !c.running {
		return nil, unknownAlloc(id)
	}
	return a, nil
}

// jobRefs names the jobs that servers need not send again.
func (c *Client) jobRefs() []nodeapi.JobRef {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.jobs))
}

// forgetJobs drops the versions of jobs that no allocation has.
func (c *Client) forgetJobs() {
	used := map[nodeapi.JobRef]bool{}
	for _, a := range c.all() {
		a.call(func() error { //nolint:errcheck // one that is gone uses nothing
			used[a.want.JobRef] = true
			return nil
		})
	}
	var records []record
	c.mu.Lock()
	for ref := range c.jobs {
		if !used[ref] {
			delete(c.jobs, ref)
			records = append(records, record{bucket: bucketJobs, key: jobKey(ref)})
		}
	}
	c.mu.Unlock()
	if len(records) == 0 {
		return
	}
	if err := c.journal.write(records...); err != nil {
		c.log.Error("forgetting jobs failed", "err", err)
	}
}
