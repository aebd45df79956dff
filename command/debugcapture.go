package command

import (
	stdbytes "bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// capturedOnce and capturedOften are what is asked of the cluster, by file.
var (
	capturedOnce = []capturedPath{
		{"cluster/agent-self.json", "/v1/agent/self"},
		{"cluster/members.json", "/v1/agent/members"},
		{"cluster/regions.json", "/v1/regions"},
		{"cluster/namespaces.json", "/v1/namespaces"},
		{"cluster/node-pools.json", "/v1/node/pools"},
		{"cluster/scheduler-configuration.json", "/v1/operator/scheduler/configuration"},
		{"cluster/autopilot-configuration.json", "/v1/operator/autopilot/configuration"},
	}
	capturedOften = []capturedPath{
		{"allocations.json", "/v1/allocations?namespace=*&resources=true"},
		{"deployments.json", "/v1/deployments?namespace=*"},
		{"evaluations.json", "/v1/evaluations?namespace=*"},
		{"jobs.json", "/v1/jobs?namespace=*"},
		{"nodes.json", "/v1/nodes?resources=true&os=true"},
		{"services.json", "/v1/services?namespace=*"},
		{"scaling-policies.json", "/v1/scaling/policies?namespace=*"},
		{"volumes-host.json", "/v1/volumes?type=host&namespace=*"},
		{"volumes-csi.json", "/v1/volumes?type=csi&namespace=*"},
		{"plugins-csi.json", "/v1/plugins?type=csi"},
		{"raft-configuration.json", "/v1/operator/raft/configuration"},
		{"autopilot-health.json", "/v1/operator/autopilot/health"},
		{"leader.json", "/v1/status/leader"},
		{"metrics.json", "/v1/metrics"},
	}
)

type capturedPath struct{ file, path string }

// profileNames are the profiles of an agent besides the CPU's and the trace.
var profileNames = []string{"goroutine", "heap", "allocs", "threadcreate"}

// profileTries is how often a profile is asked for while another one is taken.
const profileTries = 5

// monitorLimit bounds the log of one agent.
const monitorLimit = 64 << 20

// get asks for JSON and hides what is secret.
func (g *capture) get(ctx context.Context, p string, q *api.QueryOptions) ([]byte, error) {
	if q == nil {
		q = new(api.QueryOptions)
	}
	q.AllowStale = g.f.stale
	body, err := g.c.Raw().Response(p, q.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	return g.hide.json(text), nil
}

func (g *capture) save(ctx context.Context, file, p string, q *api.QueryOptions) {
	text, err := g.get(ctx, p, q)
	switch {
	case err == nil:
		g.write(file, text)
	case ctx.Err() == nil && !isStatus(err, 501): // what this version does not have is not missing
		g.failed(file, err)
	}
}

// once captures what does not change meanwhile.
func (g *capture) once(ctx context.Context) {
	for _, c := range capturedOnce {
		g.save(ctx, c.file, c.path, nil)
	}
}

// interval captures the state as it is now. The last one is cut short by ctx.
func (g *capture) interval(ctx context.Context, name string) {
	for _, c := range capturedOften {
		g.save(ctx, path.Join("interval", name, c.file), c.path, nil)
	}
}

// follow captures an agent's log and the facts of its host.
func (g *capture) follow(ctx context.Context, t debugTarget) {
	g.save(ctx, path.Join(t.dir, "host.json"), "/v1/agent/host", t.query())
	q := t.query()
	q.Params["log_level"] = g.f.level
	frames, errs := g.c.Agent().Monitor(ctx.Done(), q.WithContext(ctx))
	var log stdbytes.Buffer
	defer func() { g.write(path.Join(t.dir, "monitor.log"), g.hide.text(log.Bytes())) }()
	for {
		select {
		case err := <-errs:
			if ctx.Err() == nil {
				g.failed(path.Join(t.dir, "monitor.log"), err)
			}
			return
		case frame, ok := <-frames:
			if !ok {
				return
			}
			if frame != nil && log.Len() < monitorLimit {
				log.Write(frame.Data)
			}
		case <-ctx.Done():
			return
		}
	}
}

// profiles captures an agent's profiles. One that may not be had (they want
// enable_debug or a token) stops the rest: they would fail the same way.
func (g *capture) profiles(ctx context.Context, t debugTarget) {
	opts := api.PprofOptions{NodeID: t.node, ServerID: t.server, Seconds: max(1, int(g.f.pprof/time.Second))}
	save := func(name string, get func(api.PprofOptions, *api.QueryOptions) ([]byte, error)) bool {
		var text []byte
		err := errors.New("not asked")
		for range profileTries { // a server and a client in one process take turns
			q := t.query()
			text, err = get(opts, q.WithContext(ctx))
			if err == nil || !strings.Contains(g.s.explain(err), " already ") || !sleep(ctx, g.f.pprof) {
				break
			}
		}
		if err == nil {
			g.write(path.Join(t.dir, name+".prof"), text)
			return true
		}
		if ctx.Err() == nil {
			g.failed(path.Join(t.dir, name+".prof"), err)
		}
		return !isStatus(err, 403) && !isStatus(err, 404)
	}
	if !save("profile", g.c.Agent().CPUProfile) || !save("trace", g.c.Agent().Trace) {
		return
	}
	for _, name := range profileNames {
		save(name, func(o api.PprofOptions, q *api.QueryOptions) ([]byte, error) {
			o.Seconds = 0
			return g.c.Agent().Lookup(name, o, q)
		})
	}
}

// events captures the event stream, one JSON object a line.
func (g *capture) events(ctx context.Context) {
	topics := map[api.Topic][]string{}
	for _, text := range strings.Split(g.f.topics, ",") {
		topic, key, ok := strings.Cut(strings.TrimSpace(text), ":")
		if !ok {
			key = "*"
		}
		topics[api.Topic(topic)] = append(topics[api.Topic(topic)], key)
	}
	batches, err := g.c.EventStream().Stream(ctx, topics, 0, &api.QueryOptions{Namespace: api.AllNamespacesNamespace})
	if err != nil {
		if ctx.Err() == nil {
			g.failed("events.json", err)
		}
		return
	}
	var out stdbytes.Buffer
	defer func() { g.write("events.json", out.Bytes()) }()
	for {
		select {
		case batch, ok := <-batches:
			if !ok {
				return
			}
			if batch == nil || batch.IsHeartbeat() {
				continue
			}
			if batch.Err != nil {
				if ctx.Err() == nil && !errors.Is(batch.Err, io.EOF) {
					g.failed("events.json", batch.Err)
				}
				return
			}
			if line, err := json.Marshal(batch); err == nil && out.Len() < monitorLimit {
				out.Write(append(g.hide.compact(line), '\n'))
			}
		case <-ctx.Done():
			return
		}
	}
}

// index is the table of contents: what was asked for, and what could not be had.
func (g *capture) index(targets []debugTarget) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	agents := []string{}
	for _, t := range targets {
		agents = append(agents, t.dir)
	}
	text, err := json.MarshalIndent(struct {
		Version, Address, Duration, Interval string
		Captured                             time.Time
		Agents                               []string
		Files                                int
		Errors                               []string
	}{Version, g.s.address(), g.f.duration.String(), g.f.interval.String(), g.s.time().UTC(), agents, g.files, g.errors}, "", "  ")
	if err != nil {
		return []byte(err.Error())
	}
	return append(text, '\n')
}
