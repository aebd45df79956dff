//go:build linux

package cluster

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// patience is how long a writer waits for one answer. Servers hold a write while
	// a leader is elected, so it is longer than an election.
	patience = 5 * time.Second
	// doubt is how long a job rests after a write without an answer: what is still
	// under way must have landed, or be lost, before the next content follows.
	doubt = 2 * patience
	// jobsAWriter bounds the jobs of one writer, but for those that rest.
	jobsAWriter = 100
)

// Ledger registers jobs and keeps every registration that was acknowledged.
//
//	write 1 -> ok       the job must be there, content 1 or later
//	write 2 -> no answer  content 1 or 2, both are right
//	write 3 -> ok       content 3, whatever became of 2
//
// The content is a counter in the job's Meta, with a sum over it and the job's ID.
type Ledger struct {
	c                      *Cluster
	mu                     sync.Mutex
	entries                []*entry
	attempts, acknowledged atomic.Int64
}

// entry is one job. Only its writer changes it.
type entry struct {
	id               string
	attempted, acked int
	rest             time.Time
}

// NewLedger prepares writing to all servers of a cluster.
func NewLedger(c *Cluster) *Ledger {
	for _, s := range c.Servers {
		s.API() // made here, used by many
	}
	return &Ledger{c: c}
}

// Write registers jobs, one after the other, until the context ends. Many may
// write at the same time, each under a name of its own.
func (l *Ledger) Write(ctx context.Context, writer int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(writer)))
	var mine []*entry
	for ctx.Err() == nil {
		e := l.pick(&mine, writer, rng)
		e.attempted++
		l.attempts.Add(1)
		server := l.c.Servers[rng.IntN(len(l.c.Servers))]
		// The write is not cut short when the context ends: it has its answer or rests.
		one, cancel := context.WithTimeout(context.Background(), patience)
		_, _, err := server.client.Jobs().Register(ledgerJob(e.id, e.attempted), (&api.WriteOptions{}).WithContext(one))
		cancel()
		if err != nil {
			e.rest = time.Now().Add(doubt)
			time.Sleep(5 * time.Millisecond) // a dead server refuses at once
			continue
		}
		e.acked = e.attempted
		l.acknowledged.Add(1)
	}
}

// pick is a job that does not rest, or a new one.
func (l *Ledger) pick(mine *[]*entry, writer int, rng *rand.Rand) *entry {
	if n := len(*mine); n >= jobsAWriter || n > 0 && rng.IntN(4) > 0 {
		for range 20 {
			if e := (*mine)[rng.IntN(n)]; time.Now().After(e.rest) {
				return e
			}
		}
	}
	e := &entry{id: fmt.Sprintf("ledger-%d-%d", writer, len(*mine))}
	*mine = append(*mine, e)
	l.mu.Lock()
	l.entries = append(l.entries, e)
	l.mu.Unlock()
	return e
}

// Acknowledged counts the registrations that were acknowledged so far.
func (l *Ledger) Acknowledged() int { return int(l.acknowledged.Load()) }

// Attempts counts those that were tried.
func (l *Ledger) Attempts() int { return int(l.attempts.Load()) }

// Jobs counts the jobs that they were about.
func (l *Ledger) Jobs() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.entries) }

// Audit compares, on every server, what is stored with what was acknowledged, and
// returns one line for each registration that is lost, altered, or there twice.
// All servers run, and nobody writes any more.
func (l *Ledger) Audit() []string {
	l.c.T.Helper()
	l.c.WaitCaughtUp(30 * time.Second)
	var wrong []string
	for _, s := range l.c.Servers {
		for _, w := range l.auditOn(s.API()) {
			wrong = append(wrong, s.Name+": "+w)
		}
	}
	return wrong
}

func (l *Ledger) auditOn(client *api.Client) (wrong []string) {
	stale := &api.QueryOptions{AllowStale: true}
	stored, _, err := client.Jobs().List(stale)
	if err != nil {
		return []string{"list jobs: " + err.Error()}
	}
	times := map[string]int{}
	for _, j := range stored {
		times[j.ID]++
	}
	known := map[string]bool{}
	for _, e := range l.entries {
		known[e.id] = true
		switch n := times[e.id]; {
		case n > 1:
			wrong = append(wrong, fmt.Sprintf("%s is there %d times", e.id, n))
		case n == 0 && e.acked > 0:
			wrong = append(wrong, fmt.Sprintf("%s is gone, content %d was acknowledged", e.id, e.acked))
		case n == 1:
			versions, _, _, err := client.Jobs().Versions(e.id, false, stale)
			if err != nil {
				return append(wrong, fmt.Sprintf("versions of %s: %v", e.id, err))
			}
			wrong = append(wrong, e.compare(versions)...)
		}
	}
	for id := range times {
		if !known[id] && id != caughtUp {
			wrong = append(wrong, id+" was never registered")
		}
	}
	return wrong
}

// compare holds the stored versions of a job, newest first, against the ledger.
func (e *entry) compare(versions []*api.Job) (wrong []string) {
	newer := 0
	for i, v := range versions {
		n, err := strconv.Atoi(v.Meta["counter"])
		switch {
		case err != nil || v.Meta["sum"] != sum(e.id, n):
			wrong = append(wrong, fmt.Sprintf("%s version %d: its content is %v", e.id, *v.Version, v.Meta))
		case i == 0 && (n < e.acked || n > e.attempted):
			wrong = append(wrong, fmt.Sprintf("%s has content %d, acknowledged was %d, tried %d", e.id, n, e.acked, e.attempted))
		case i > 0 && n >= newer:
			wrong = append(wrong, fmt.Sprintf("%s version %d has content %d, the one after it %d", e.id, *v.Version, n, newer))
		}
		newer = n
	}
	return wrong
}

func ledgerJob(id string, counter int) *api.Job {
	job := emptyJob(id)
	job.Meta = map[string]string{"counter": strconv.Itoa(counter), "sum": sum(id, counter)}
	return job
}

// emptyJob is a job with one group of count 0.
func emptyJob(id string) *api.Job {
	group := api.NewTaskGroup("g", 0)
	task := api.NewTask("t", "raw_exec")
	task.Config = map[string]any{"command": "/bin/true"}
	group.AddTask(task)
	job := api.NewServiceJob(id, id, "global", 50)
	job.Datacenters = []string{"*"}
	return job.AddTaskGroup(group)
}

func sum(id string, counter int) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", id, counter)
	return strconv.FormatUint(h.Sum64(), 16)
}

// caughtUp is the job by which WaitCaughtUp sees how far a server is.
const caughtUp = "caught-up"

// WaitCaughtUp waits until every server, asked for itself, knows what was written
// just now: it follows the leader, and the next may die.
func (c *Cluster) WaitCaughtUp(limit time.Duration) {
	c.T.Helper()
	mark := strconv.FormatInt(time.Now().UnixNano(), 36)
	job := emptyJob(caughtUp)
	job.Meta = map[string]string{"mark": mark}
	Eventually(c.T, limit, "a write is accepted", func() error {
		_, _, err := c.Live().API().Jobs().Register(job, nil)
		return err
	})
	for _, s := range c.Servers {
		Eventually(c.T, limit, s.Name+" has caught up", func() error {
			got, _, err := s.API().Jobs().Info(caughtUp, &api.QueryOptions{AllowStale: true})
			if err == nil && got.Meta["mark"] != mark {
				err = fmt.Errorf("it does not know the newest write")
			}
			return err
		})
	}
}

// Torture kills servers for a number of rounds while writers register jobs, then
// audits. It returns the ledger and what is wrong with what is stored.
func Torture(t testing.TB, c *Cluster, rounds int, seed uint64) (*Ledger, []string) {
	t.Helper()
	const writers = 4
	l, k := NewLedger(c), NewKiller(c, seed)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { l.Write(ctx, w, seed) })
	}
	for n := range rounds {
		before := l.Acknowledged()
		what := k.Round()
		Eventually(t, 30*time.Second, "writes are accepted again after "+what, func() error {
			if l.Acknowledged() == before {
				return fmt.Errorf("%d are acknowledged, as before round %d", before, n+1)
			}
			return nil
		})
	}
	cancel()
	wg.Wait()
	return l, l.Audit()
}
