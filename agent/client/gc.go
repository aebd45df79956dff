package client

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// GC says how long ended allocations keep their directories. Servers end it too:
// what they have forgotten is removed at once.
type GC struct {
	// Every is how often the disk is looked at; 0 is one minute.
	Every time.Duration
	// MaxAllocs is how many allocations, running ones included, may be there before
	// ended ones go, the oldest first; 0 is 50.
	MaxAllocs int
	// DiskPercent is how full the disk, and its inodes, may be before ended
	// allocations go; 0 is 80.
	DiskPercent float64
	// MaxAge is how long an ended allocation stays at most; 0 is for ever.
	MaxAge time.Duration
}

func (g GC) withDefaults() GC {
	if g.Every == 0 {
		g.Every = time.Minute
	}
	if g.MaxAllocs == 0 {
		g.MaxAllocs = 50
	}
	if g.DiskPercent == 0 {
		g.DiskPercent = 80
	}
	return g
}

// ended is an ended allocation, as the collector sees it.
type ended struct {
	id string
	at time.Time
}

// surplus picks which ended allocations go, the oldest first: those that are too
// old, those beyond the greatest number, and one when the disk is too full (the next
// look will tell whether that was enough).
func (g GC) surplus(all []ended, total int, diskFull bool, now time.Time) []ended {
	all = slices.SortedFunc(slices.Values(all), func(a, b ended) int { return a.at.Compare(b.at) })
	n := 0
	if g.MaxAge > 0 {
		for n < len(all) && now.Sub(all[n].at) > g.MaxAge {
			n++
		}
	}
	n = max(n, total-g.MaxAllocs)
	if diskFull {
		n = max(n, 1)
	}
	return all[:min(n, len(all))]
}

// collectSoon asks for a collection without waiting for the next look.
func (c *Client) collectSoon() {
	select {
	case c.collect <- struct{}{}:
	default:
	}
}

// collectLoop removes what is too much.
func (c *Client) collectLoop(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.GC.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-c.collect:
		case <-ctx.Done():
			return
		}
		for c.collectOnce(ctx) && ctx.Err() == nil {
		}
	}
}

// collectOnce removes a round of ended allocations, and tells whether the disk asks
// for another.
func (c *Client) collectOnce(ctx context.Context) bool {
	all, total := c.ended()
	full := diskFull(c.cfg.AllocDir, c.cfg.GC.DiskPercent)
	goners := c.cfg.GC.surplus(all, total, full, time.Now())
	for _, goner := range goners {
		if a, err := c.find(goner.id); err == nil {
			a.send(func() { a.destroy("collected") })
			select {
			case <-a.done:
			case <-ctx.Done():
				return false
			}
		}
	}
	return full && len(goners) > 0
}

// ended lists the ended allocations of whose end the servers know, and counts all.
// To forget one that they still take for running would be to run it again.
func (c *Client) ended() ([]ended, int) {
	var out []ended
	all := c.all()
	for _, a := range all {
		a.call(func() error { //nolint:errcheck // one that is gone needs no collection
			if a.terminal() && c.reporter.said(a.id) {
				out = append(out, ended{a.id, a.endedAt()})
			}
			return nil
		})
	}
	return out, len(all)
}

// diskFull tells whether the file system of dir is used beyond percent.
func diskFull(dir string, percent float64) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Blocks == 0 {
		return false
	}
	used := 100 * float64(fs.Blocks-fs.Bfree) / float64(fs.Blocks)
	inodes := 0.0
	if fs.Files > 0 {
		inodes = 100 * float64(fs.Files-fs.Ffree) / float64(fs.Files)
	}
	return used > percent || inodes > percent
}

// GC removes every ended allocation with its directory.
func (c *Client) GC() error {
	all, _ := c.ended()
	for _, goner := range all {
		if err := c.GCAlloc(goner.id); err != nil {
			return err
		}
	}
	return nil
}

// GCAlloc removes one ended allocation with its directory; one that still runs is
// refused.
func (c *Client) GCAlloc(id string) error {
	a, err := c.find(id)
	if err != nil {
		return err
	}
	err = a.call(func() error {
		if !a.terminal() {
			return badRequest("allocation %q still runs: stop it first", id)
		}
		a.destroy("collected by request")
		return nil
	})
	if err != nil {
		return err
	}
	<-a.done
	return nil
}
