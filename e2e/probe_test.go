//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// eventReader follows one server's event stream and comes back to where it was.
type eventReader struct {
	url string

	mu      sync.Mutex
	indexes []uint64
	jobs    map[string]int
	broken  string
}

func (r *eventReader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.follow(ctx)
		select { // the server is gone: it comes back, or the test ends
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *eventReader) follow(ctx context.Context) {
	r.mu.Lock()
	from := uint64(1)
	if n := len(r.indexes); n > 0 {
		from = r.indexes[n-1] + 1
	}
	r.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/event/stream?topic=*&index=%d", r.url, from), nil)
	if err != nil {
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		r.take(lines.Bytes())
	}
}

// take reads one line of the stream; a line that was cut off is read again.
func (r *eventReader) take(line []byte) {
	var got struct {
		Index  uint64
		Events []api.Event
		Error  string
	}
	if json.Unmarshal(line, &got) != nil || len(got.Events) == 0 && got.Error == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if got.Error != "" {
		r.broken = got.Error
		return
	}
	r.indexes = append(r.indexes, got.Index)
	for _, e := range got.Events {
		if e.Topic == api.TopicJob && e.Type == "JobRegistered" && e.Index == got.Index {
			r.jobs[e.Key]++
		}
	}
}

func (r *eventReader) seen() (indexes []uint64, jobs int, broken string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.indexes), len(r.jobs), r.broken
}

// While jobs are registered the leader is killed: every server's stream, also that of the
// killed one when it is back, has each index once and in order, and all the same.
func TestEventStreamOverAFailover(t *testing.T) {
	const jobs, killAt = 200, 80
	c := cluster.New(t, cluster.Options{Servers: 3})
	leader := c.Leader()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	readers := map[string]*eventReader{}
	for _, s := range c.Servers {
		r := &eventReader{url: s.URL(), jobs: map[string]int{}}
		readers[s.Name] = r
		go r.run(ctx) // ends with the test
	}
	for i := range jobs {
		if i == killAt {
			leader.Kill()
		}
		registerSurely(t, c, fmt.Sprintf("job-%d", i))
	}
	leader.Start()
	var want []uint64
	cluster.Eventually(t, 30*time.Second, "every stream has every job", func() error {
		want = nil
		for name, r := range readers {
			indexes, n, broken := r.seen()
			if want == nil {
				want = indexes
			}
			if n != jobs || broken != "" || !slices.Equal(indexes, want) {
				return fmt.Errorf("%s: %d jobs, %d indexes, %s", name, n, len(indexes), broken)
			}
		}
		return nil
	})
	for i := range want[1:] {
		if want[i+1] <= want[i] {
			t.Errorf("index %d follows %d", want[i+1], want[i])
		}
	}
}

// registerSurely registers a job that fits nowhere, as a client that tries again.
func registerSurely(t *testing.T, c *cluster.Cluster, id string) {
	t.Helper()
	job := api.NewServiceJob(id, id, "global", 50)
	job.Datacenters = []string{"nowhere"}
	job.AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(api.NewTask("t", "raw_exec").SetConfig("command", "/bin/true")))
	cluster.Eventually(t, 20*time.Second, "register "+id, func() error {
		_, _, err := c.Live().API().Jobs().Register(job, nil)
		return err
	})
}
