package command

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

// demoWatch looks at the demo's cluster through its API, and at its web servers.
type demoWatch struct {
	agents []*demoAgent

	mu    sync.Mutex
	ports map[string]string // host:port by allocation; it never changes
	nodes map[string]string // node IDs by name
}

// probeClient never keeps a connection: a kept one would not notice a restart.
var probeClient = &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// c asks the first server that runs: a visitor may kill any of them.
func (w *demoWatch) c() *api.Client {
	for _, a := range w.agents {
		if a.server && a.running() {
			return a.api
		}
	}
	return w.agents[0].api
}

// readyNodes counts the nodes that are ready.
func (w *demoWatch) readyNodes() int {
	nodes, _, err := w.c().Nodes().List(nil)
	if err != nil {
		return 0
	}
	ready := 0
	for _, n := range nodes {
		if n.Status == api.NodeStatusReady {
			ready++
		}
		w.mu.Lock()
		if w.nodes == nil {
			w.nodes = map[string]string{}
		}
		w.nodes[n.Name] = n.ID
		w.mu.Unlock()
	}
	return ready
}

func (w *demoWatch) nodeID(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[name]
}

// wanted are the job's allocations that should run.
func (w *demoWatch) wanted() []*api.AllocationListStub {
	all, _, err := w.c().Jobs().Allocations("web", false, nil)
	if err != nil {
		return nil
	}
	var out []*api.AllocationListStub
	for _, a := range all {
		if a.DesiredStatus == api.AllocDesiredStatusRun && live(a.ClientStatus) {
			out = append(out, a)
		}
	}
	sort.Slice(out, func(i, j int) bool { return allocIndex(out[i].Name) < allocIndex(out[j].Name) })
	return out
}

// live reports whether an allocation with this client status runs or may run.
func live(status string) bool {
	return status == api.AllocClientStatusRunning || status == api.AllocClientStatusPending || status == api.AllocClientStatusUnknown
}

// allocIndex is the number in a name such as web.web[4].
func allocIndex(name string) int {
	open := len(name) - 1
	for open > 0 && name[open] != '[' {
		open--
	}
	n, _ := strconv.Atoi(name[min(open+1, len(name)):max(open+1, len(name)-1)])
	return n
}

// address is where an allocation's web server listens; "" while that is not known.
func (w *demoWatch) address(id string) string {
	w.mu.Lock()
	addr := w.ports[id]
	w.mu.Unlock()
	if addr != "" {
		return addr
	}
	a, _, err := w.c().Allocations().Info(id, nil)
	if err != nil || a.AllocatedResources == nil {
		return ""
	}
	for _, p := range a.AllocatedResources.Shared.Ports {
		if p.Label == "http" {
			addr = net.JoinHostPort(p.HostIP, strconv.Itoa(p.Value))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ports == nil {
		w.ports = map[string]string{}
	}
	w.ports[id] = addr
	return addr
}

// answers asks one web server.
func (w *demoWatch) answers(ctx context.Context, id string) bool {
	addr := w.address(id)
	if addr == "" {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health", nil)
	if err != nil {
		return false
	}
	resp, err := probeClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// answering counts the wanted instances that answer HTTP.
func (w *demoWatch) answering(ctx context.Context) int {
	n := 0
	for _, a := range w.wanted() {
		if w.answers(ctx, a.ID) {
			n++
		}
	}
	return n
}

// anyURL is the page of one instance.
func (w *demoWatch) anyURL() string {
	for _, a := range w.wanted() {
		if addr := w.address(a.ID); addr != "" {
			return "http://" + addr
		}
	}
	return ""
}

// busiest is the client that runs most instances; of several the last, since
// the first is what people look at.
func (w *demoWatch) busiest() *demoAgent {
	count := map[string]int{}
	for _, a := range w.wanted() {
		count[a.NodeID]++
	}
	var best *demoAgent
	most := 0
	for _, a := range w.agents {
		if n := count[w.nodeID(a.name)]; !a.server && n >= most && n > 0 {
			best, most = a, n
		}
	}
	return best
}

// recovery measures how a job becomes whole again after a node died.
type recovery struct {
	w      *demoWatch
	node   string          // the dead node's ID
	lost   map[string]bool // its allocations
	events <-chan *api.Events
	begin  time.Time

	detected, placed, answering time.Duration // since begin; 0 not yet

	probing  map[string]bool
	answered chan string
	well     map[string]bool
}

// beginRecovery subscribes to what happens, before it happens.
func (w *demoWatch) beginRecovery(ctx context.Context, victim *demoAgent) (*recovery, error) {
	r := &recovery{w: w, node: w.nodeID(victim.name), lost: map[string]bool{}, probing: map[string]bool{}, well: map[string]bool{}, answered: make(chan string, 64)}
	for _, a := range w.wanted() {
		if a.NodeID == r.node {
			r.lost[a.ID] = true
		}
	}
	_, meta, err := w.c().Nodes().List(nil)
	if err != nil {
		return nil, fmt.Errorf("look at the nodes: %w", err)
	}
	topics := map[api.Topic][]string{api.TopicNode: {"*"}, api.TopicAllocation: {"*"}}
	if r.events, err = w.c().EventStream().Stream(ctx, topics, meta.LastIndex, &api.QueryOptions{}); err != nil {
		return nil, fmt.Errorf("follow events: %w", err)
	}
	return r, nil
}

// run follows events until the job is whole again. Each look is caused by an
// event or by a web server's first answer; changed is called after it.
func (r *recovery) run(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the probes
	for {
		if r.look(ctx); r.answering != 0 {
			return nil
		}
		changed()
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the job is whole again: %w", context.Cause(ctx))
		case id := <-r.answered:
			r.well[id] = true
		case e, ok := <-r.events:
			if ok && e.Err == nil {
				continue
			}
			r.events = nil // without events the probes, and this, still see the end
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (r *recovery) look(ctx context.Context) {
	since := func() time.Duration { return time.Since(r.begin) }
	if r.detected == 0 {
		if n, _, err := r.w.c().Nodes().Info(r.node, nil); err == nil && n.Status != api.NodeStatusReady {
			r.detected = since()
		}
	}
	elsewhere, well := 0, 0
	for _, a := range r.w.wanted() {
		if a.NodeID == r.node || r.lost[a.ID] {
			continue
		}
		elsewhere++
		if r.well[a.ID] {
			well++
		}
		if !r.probing[a.ID] {
			r.probing[a.ID] = true
			go r.probe(ctx, a.ID)
		}
	}
	if r.placed == 0 && elsewhere >= demoInstances {
		r.placed = since()
	}
	if r.placed != 0 && well >= demoInstances {
		r.answering = since()
	}
}

// probe asks one web server until it answers or ctx ends.
func (r *recovery) probe(ctx context.Context, id string) {
	for ctx.Err() == nil {
		if r.w.answers(ctx, id) {
			select {
			case r.answered <- id:
			case <-ctx.Done():
			}
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
