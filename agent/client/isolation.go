package client

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/selfheal/selfheal/agent/driver"
)

const (
	// isolationTick is how often the node looks whether it has been alone for too long
	// for an allocation with stop_on_client_after.
	isolationTick = 250 * time.Millisecond
	// isolationIdle is the same while no allocation has that setting.
	isolationIdle = 5 * time.Second
	// confirmWithin is how long starts of a restarted agent wait for the servers' word.
	// Then the node behaves as one that was cut off while its tasks ran: what it had,
	// runs.
	confirmWithin = 30 * time.Second
)

// isolation stops, before the servers may replace them, the allocations that must
// not run on a node which no server reaches.
func (c *Client) isolation(ctx context.Context) {
	began := time.Now()
	var saved time.Time
	for {
		limits := c.isolationLimits()
		wait := isolationIdle
		if len(limits) > 0 {
			wait = isolationTick
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		c.mu.Lock()
		contact := c.contact
		c.mu.Unlock()
		if len(limits) > 0 && !contact.Equal(saved) {
			saved = contact
			if err := c.journal.write(put(bucketMeta, keyContact, contact)); err != nil {
				c.log.Error("journaling the contact with servers failed", "err", err)
			}
		}
		alone := time.Since(contact)
		for a, limit := range limits {
			if alone >= limit {
				a.send(func() { a.endNow("no server answered for stop_on_client_after") })
			}
		}
		if time.Since(began) >= confirmWithin && !isClosed(c.confirmed) {
			c.confirmAlone(limits)
		}
	}
}

// confirmAlone lets wait no longer what may run without servers.
func (c *Client) confirmAlone(limits map[*alloc]time.Duration) {
	for _, a := range c.all() {
		if _, must := limits[a]; !must {
			a.send(a.confirm)
		}
	}
}

// isolationLimits are the allocations with stop_on_client_after that still run.
func (c *Client) isolationLimits() map[*alloc]time.Duration {
	limits := map[*alloc]time.Duration{}
	for _, a := range c.all() {
		if limit := a.aloneFor.Load(); limit > 0 {
			limits[a] = time.Duration(limit)
		}
	}
	return limits
}

// handleSuffix names the file beside a task's state directory which says how to find
// the task should the journal be lost.
const handleSuffix = ".handle"

// rememberHandle writes it. It is not worth a sync: after a power failure there is
// no task to find.
func rememberHandle(stateDir string, handle driver.Handle) error {
	data, err := json.Marshal(handle)
	if err != nil {
		return err
	}
	return os.WriteFile(stateDir+handleSuffix, data, 0o600)
}

// forgetHandle removes it. The allocation's state directory goes with the allocation
// and not with its last task: the next task may be about to start in it.
func forgetHandle(stateDir string) { os.Remove(stateDir + handleSuffix) }

// adopt ends what nobody knows: once the servers have said what is to run here,
// tasks under supervisors without an allocation are stopped and directories without
// one removed. They are left by a journal that was lost.
func (c *Client) adopt(ctx context.Context) {
	defer close(c.adopted)
	select {
	case <-c.confirmed:
	case <-ctx.Done():
		return
	}
	for _, id := range c.unknownIn(c.shared.taskStateDir) {
		dir := filepath.Join(c.shared.taskStateDir, id)
		files, _ := filepath.Glob(filepath.Join(dir, "*"+handleSuffix))
		for _, file := range files {
			if err := c.endOrphan(ctx, file); err != nil {
				c.log.Error("ending a task without an allocation failed", "alloc", id, "err", err)
				continue
			}
			c.log.Warn("a task without an allocation was ended", "alloc", id, "file", file)
			os.Remove(file)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*"+handleSuffix)); len(left) == 0 {
			os.RemoveAll(dir)
		}
	}
	for _, id := range c.unknownIn(c.cfg.AllocDir) {
		if _, err := os.Stat(filepath.Join(c.shared.taskStateDir, id)); err == nil {
			continue // it may still run
		}
		if err := allocDir(filepath.Join(c.cfg.AllocDir, id)).destroy(); err != nil {
			c.log.Error("removing a directory without an allocation failed", "alloc", id, "err", err)
		}
	}
}

// unknownIn lists the entries of dir that are named like allocations and are none.
func (c *Client) unknownIn(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, entry := range entries {
		if _, err := c.find(entry.Name()); err != nil && entry.IsDir() && validAllocID(entry.Name()) {
			out = append(out, entry.Name())
		}
	}
	return out
}

// endOrphan stops the task that a handle file stands for.
func (c *Client) endOrphan(ctx context.Context, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var handle driver.Handle
	if err := json.Unmarshal(data, &handle); err != nil {
		return err
	}
	drv := c.drivers[handle.Driver]
	if drv == nil {
		return unknownDriver(handle.Driver)
	}
	task, err := recoverTask(ctx, drv, handle)
	if err != nil {
		if errors.Is(err, driver.ErrGone) {
			return nil
		}
		return err
	}
	if err := task.Stop(ctx, "", orphanTimeout); err != nil {
		return err
	}
	return task.Destroy()
}

// orphanTimeout is the kill_timeout of a task whose own is not known any more.
const orphanTimeout = 5 * time.Second
