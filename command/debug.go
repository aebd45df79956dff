package command

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"
)

func debugVerbs() entries { return entries{{name: "operator debug", make: operatorDebug}} }

// debugFlags are the flags of operator debug.
type debugFlags struct {
	duration, interval, pprof    time.Duration
	level, nodes, class, servers string
	output, topics               string
	maxNodes                     int
	stale, verbose               bool
}

func operatorDebug() verb {
	f := debugFlags{
		duration: 2 * time.Minute, interval: 30 * time.Second, pprof: time.Second,
		level: "debug", nodes: "all", servers: "all", maxNodes: 10, topics: "*:*",
	}
	return verb{
		short: "Gather what tells how a cluster is, in one archive",
		long: `Watches the cluster for -duration and writes selfheal-debug-TIME.tar.gz: members, jobs, allocations, nodes, evaluations, deployments and metrics every -interval; logs, profiles and host facts of every server and of up to -max-nodes clients; events.

Values of fields that are named like secrets, of environments and of dispatched payloads are replaced by "[redacted]". Read the archive before you give it away all the same: a command line may hold a password. Ctrl-C ends the watching early and still writes the archive.`,
		flags: []flagRow{
			{"duration", "DURATION", "Watch for this long (default 2m).", &f.duration, nil},
			{"interval", "DURATION", "Capture the state every so often (default 30s).", &f.interval, nil},
			{"log-level", "LEVEL", "Logs from this level (default debug).", oneOf(&f.level, "trace", "debug", "info", "warn", "error"), nil},
			{"max-nodes", "N", "At most this many clients (default 10; 0: all).", &f.maxNodes, nil},
			{"node-id", "IDS", "These clients, separated by commas, or all (default).", &f.nodes, nil},
			{"node-class", "NAME", "Only clients of this class.", &f.class, nil},
			{"server-id", "NAMES", "These servers, separated by commas, leader, or all (default).", &f.servers, nil},
			{"pprof-duration", "DURATION", "Profile the CPU for this long (default 1s).", &f.pprof, nil},
			{"event-topic", "TOPIC:KEY", "Events of this topic (default *:*, none for none).", &f.topics, nil},
			{"stale", "", "Ask whichever server answers, even when there is no leader.", &f.stale, nil},
			{"output", "DIR", "Write a directory below this one instead of an archive.", &f.output, nil},
			{"verbose", "", "Say every request on standard error.", &f.verbose, nil},
		},
		run: func(s *session, args []string) error { return debugCluster(s, f) },
	}
}

// capture is one run of operator debug. Its goroutines end with collect.
type capture struct {
	s    *session
	c    *api.Client
	f    debugFlags
	sink sink
	hide *redactor

	mu     sync.Mutex
	errors []string // what could not be had, and why
	files  int
}

// debugTarget is an agent whose logs and profiles are captured.
type debugTarget struct{ dir, server, node string }

func (t debugTarget) query() *api.QueryOptions {
	q := &api.QueryOptions{Params: map[string]string{}}
	if t.server != "" {
		q.Params["server_id"] = t.server
	}
	if t.node != "" {
		q.Params["node_id"] = t.node
	}
	return q
}

func debugCluster(s *session, f debugFlags) error {
	if f.interval <= 0 || f.duration <= 0 || f.interval > f.duration {
		return usagef("-interval must be above 0 and at most -duration")
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	g := &capture{s: s, c: c, f: f, hide: &redactor{token: s.or(s.flags.token, "TOKEN")}}
	targets, err := g.targets()
	if err != nil {
		return err
	}
	name := "selfheal-debug-" + s.time().UTC().Format("2006-01-02-150405Z")
	if g.sink, err = newSink(f.output, name, s.time()); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	s.say("Capturing %s from %s for %s, every %s", name, plural(len(targets), "agent"), f.duration, f.interval)
	ctx, stop := s.interruptible()
	defer stop()
	g.collect(ctx, targets)
	if ctx.Err() != nil {
		s.say("Interrupted: the archive holds what there is so far.")
	}
	g.write("index.json", g.index(targets))
	where, err := g.sink.close()
	if err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	if len(g.errors) > 0 {
		s.say("%s could not be had; index.json says which and why", plural(len(g.errors), "item"))
	}
	s.printf("Created debug archive: %s\n", where)
	return nil
}

// collect captures everything until ctx ends or the duration is over.
func (g *capture) collect(ctx context.Context, targets []debugTarget) {
	ctx, cancel := context.WithTimeout(ctx, g.f.duration)
	defer cancel()
	var all errgroup.Group
	for _, t := range targets {
		all.Go(func() error { g.follow(ctx, t); return nil })
		all.Go(func() error { g.profiles(ctx, t); return nil })
	}
	if g.f.topics != "none" {
		all.Go(func() error { g.events(ctx); return nil })
	}
	g.once(ctx)
	for i := 0; ctx.Err() == nil; i++ {
		g.interval(ctx, fmt.Sprintf("%04d", i))
		g.s.say("  interval %04d captured", i)
		sleep(ctx, g.f.interval)
	}
	_ = all.Wait()
}

// targets are the agents to look into.
func (g *capture) targets() ([]debugTarget, error) {
	var out []debugTarget
	members, err := g.c.Agent().Members()
	if err == nil && members == nil {
		err = errEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("list servers: %w", err)
	}
	wanted := strings.Split(g.f.servers, ",")
	leaders, _ := leaders(g.c, present(members.Members))
	for _, m := range present(members.Members) {
		leads := g.f.servers == "leader" && isLeader(m, leaders)
		if leads || g.f.servers == "all" || slices.Contains(wanted, m.Name) || slices.Contains(wanted, m.Tags["id"]) {
			out = append(out, debugTarget{dir: path.Join("server", fileName(m.Name)), server: m.Name})
		}
	}
	nodes, _, err := g.c.Nodes().List(queryStale(g.f.stale))
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	ids, count := strings.Split(g.f.nodes, ","), 0
	for _, n := range present(nodes) {
		named := slices.ContainsFunc(ids, func(id string) bool { return id != "" && (strings.HasPrefix(n.ID, id) || n.Name == id) })
		if g.f.nodes != "all" && !named || g.f.class != "" && n.NodeClass != g.f.class || n.Status == "down" {
			continue
		}
		if count++; g.f.maxNodes > 0 && count > g.f.maxNodes {
			g.s.say("More than %d clients: the others are left out (-max-nodes)", g.f.maxNodes)
			break
		}
		out = append(out, debugTarget{dir: path.Join("client", fileName(n.ID)), node: n.ID})
	}
	return out, nil
}

// fileName keeps a name from leaving its directory.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, strings.TrimLeft(name, "."))
}

// failed notes what could not be captured.
func (g *capture) failed(what string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.errors = append(g.errors, what+": "+g.s.explain(err))
}

// write puts a file into the capture.
func (g *capture) write(name string, body []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.files++
	if g.f.verbose {
		g.s.say("  %s (%s)", name, bytes(uint64(len(body))))
	}
	if err := g.sink.write(name, body); err != nil {
		g.errors = append(g.errors, name+": "+err.Error())
	}
}
