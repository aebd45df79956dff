package command

import (
	stdbytes "bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/hashicorp/nomad/api"
)

const (
	// topWait is how long one blocking query for the jobs may last, and topPause the
	// least time between two of them: a busy cluster changes all the time.
	topWait  = time.Minute
	topPause = time.Second
	// topRetry is the pause before an agent that is away is asked again.
	topRetry = time.Second
	// topLogBytes is how much of a log's end is shown.
	topLogBytes = 16 << 10
	// topWidth is the width of a frame that goes nowhere in particular.
	topWidth = 80
)

func topVerbs() entries { return entries{{name: "top", make: topVerb}} }

func topVerb() verb {
	var once bool
	return verb{
		short: "Watch nodes, jobs and what happens, in a dashboard",
		long: `Shows nodes, jobs and events as they change, on the whole terminal. It follows the event stream; when the agent is away it says so and goes on when it is back.

Keys: tab the next pane, arrows move, enter details, l the end of the log, / filter, esc back, q quit. -once prints one frame with everything, without colours, and ends.`,
		flags: []flagRow{{"once", "", "Print one frame and end.", &once, nil}},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			f := &topFeed{s: s, c: c}
			if once {
				return f.once()
			}
			in, ok := s.in.(*os.File)
			if !ok || !isTerminal(in) || !isTerminal(s.out) {
				return usagef("top wants a terminal; -once prints one frame without one")
			}
			return f.watch(in)
		},
	}
}

// topFeed tells the dashboard about the cluster.
type topFeed struct {
	s    *session
	c    *api.Client
	seen map[api.Topic]uint64 // what the lists held already, by the index of their table
}

// host is the agent's address without its scheme, for the title.
func (f *topFeed) host() string {
	_, host, _ := strings.Cut(f.s.address(), "://")
	return host
}

func (f *topFeed) once() error {
	loaded, _, err := f.load(context.Background())
	if err != nil {
		return err
	}
	t := &topState{}
	t.apply(loaded)
	frame := &topFrame{t: t, width: topWidth, pane: -1, address: f.host()}
	f.s.printf("%s\n", frame.render())
	return nil
}

// watch runs the dashboard until the person quits.
func (f *topFeed) watch(in *os.File) error {
	ctx, stop := context.WithCancel(context.Background())
	m := &topModel{topFrame: topFrame{t: &topState{}, width: topWidth, height: 24, address: f.host(), color: f.s.color}}
	m.ask = func(alloc string) tea.Cmd {
		return func() tea.Msg { return f.log(ctx, alloc) }
	}
	p := tea.NewProgram(m, tea.WithInput(in), tea.WithOutput(f.s.out), tea.WithoutCatchPanics())
	var feeding sync.WaitGroup
	feeding.Go(func() { f.run(ctx, func(msg any) { p.Send(msg) }) })
	_, err := p.Run()
	stop()
	feeding.Wait()
	if err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("run dashboard: %w", err)
	}
	return nil
}

// run feeds until ctx ends, and begins anew when the agent was away.
func (f *topFeed) run(ctx context.Context, send func(any)) {
	for ctx.Err() == nil {
		err := f.follow(ctx, send)
		if ctx.Err() != nil {
			return
		}
		send(topAway{f.s.time(), f.s.explain(err)})
		sleep(ctx, topRetry)
	}
}

// load reads everything. The index is where the event stream goes on.
func (f *topFeed) load(ctx context.Context) (topLoaded, uint64, error) {
	out := topLoaded{at: f.s.time()}
	index := uint64(0)
	f.seen = map[api.Topic]uint64{}
	query := func(params map[string]string) *api.QueryOptions {
		return (&api.QueryOptions{Namespace: api.AllNamespacesNamespace, Params: params}).WithContext(ctx)
	}
	steps := []struct {
		what  string
		topic api.Topic
		read  func() (*api.QueryMeta, error)
	}{
		{"allocations", api.TopicAllocation, func() (meta *api.QueryMeta, err error) {
			out.allocs, meta, err = f.c.Allocations().List(query(map[string]string{"resources": "true", "task_states": "false"}))
			return meta, err
		}},
		{"nodes", api.TopicNode, func() (meta *api.QueryMeta, err error) {
			out.nodes, meta, err = f.c.Nodes().List(query(map[string]string{"resources": "true"}))
			return meta, err
		}},
		{"jobs", api.TopicJob, func() (meta *api.QueryMeta, err error) {
			out.jobs, meta, err = f.c.Jobs().List(query(nil))
			return meta, err
		}},
		{"deployments", api.TopicDeployment, func() (meta *api.QueryMeta, err error) {
			out.deployments, meta, err = f.c.Deployments().List(query(nil))
			return meta, err
		}},
	}
	for _, step := range steps {
		meta, err := step.read()
		if err != nil {
			return out, 0, fmt.Errorf("list %s: %w", step.what, err)
		}
		f.seen[step.topic] = meta.LastIndex
		if step.topic != api.TopicJob && (index == 0 || meta.LastIndex < index) {
			index = meta.LastIndex
		}
	}
	leader, err := f.c.Status().Leader()
	if err == nil {
		out.leader = leader
	}
	return out, index, nil
}

// follow loads everything and then tells what changes, until something fails.
func (f *topFeed) follow(ctx context.Context, send func(any)) error {
	loaded, index, err := f.load(ctx)
	if err != nil {
		return err
	}
	send(loaded)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer end(nil)
	parts.Go(func() { end(f.followJobs(ctx, send)) })
	parts.Go(func() { f.tick(ctx, send) })
	topics := map[api.Topic][]string{api.TopicNode: {"*"}, api.TopicAllocation: {"*"}, api.TopicDeployment: {"*"}}
	batches, err := f.c.EventStream().Stream(ctx, topics, index+1, &api.QueryOptions{Namespace: api.AllNamespacesNamespace})
	if err != nil {
		return fmt.Errorf("follow events: %w", err)
	}
	for {
		select {
		case batch, ok := <-batches:
			switch {
			case !ok || batch == nil:
				return errors.New("the event stream ended")
			case batch.Err != nil:
				return fmt.Errorf("follow events: %w", batch.Err)
			}
			for i := range batch.Events {
				if msg, ok := f.event(&batch.Events[i]); ok {
					send(msg)
				}
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// event is an event of the stream as the dashboard takes it.
func (f *topFeed) event(e *api.Event) (topChanged, bool) {
	if e.Index <= f.seen[e.Topic] {
		return topChanged{}, false
	}
	msg := topChanged{at: f.s.time(), gone: strings.Contains(e.Type, "Deregist") || strings.Contains(e.Type, "Deleted")}
	var err error
	switch e.Topic {
	case api.TopicNode:
		msg.node, err = e.Node()
	case api.TopicAllocation:
		msg.alloc, err = e.Allocation()
	case api.TopicDeployment:
		msg.deployment, err = e.Deployment()
	}
	return msg, err == nil && (msg.node != nil || msg.alloc != nil || msg.deployment != nil)
}

// followJobs tells the jobs with their summaries whenever they change.
func (f *topFeed) followJobs(ctx context.Context, send func(any)) error {
	for index := uint64(1); ; {
		q := &api.QueryOptions{Namespace: api.AllNamespacesNamespace, WaitIndex: index, WaitTime: topWait}
		jobs, meta, err := f.c.Jobs().List(q.WithContext(ctx))
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		index = max(meta.LastIndex, 1)
		send(topJobs{f.s.time(), jobs})
		if !sleep(ctx, topPause) {
			return ctx.Err()
		}
	}
}

// tick tells the time.
func (f *topFeed) tick(ctx context.Context, send func(any)) {
	for sleep(ctx, time.Second) {
		send(topTick{f.s.time()})
	}
}

// log reads the end of an allocation's logs: standard output, then standard error.
func (f *topFeed) log(ctx context.Context, id string) topLog {
	out := topLog{alloc: id, title: "LOG " + shortID(id, false) + "  (l reads it again)"}
	fail := func(err error) topLog {
		out.lines = append(out.lines, "not to be had: "+f.s.explain(err))
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	a, _, err := f.c.Allocations().Info(id, (&api.QueryOptions{Namespace: api.AllNamespacesNamespace}).WithContext(ctx))
	if err == nil && a == nil {
		err = errEmpty
	}
	if err != nil {
		return fail(err)
	}
	for _, task := range taskNames(a) {
		for _, kind := range []string{api.FSLogNameStdout, api.FSLogNameStderr} {
			var text stdbytes.Buffer
			l := &logStream{c: f.c, alloc: a, task: task, kind: kind, w: &text}
			if err := l.copy(ctx, api.OriginEnd, topLogBytes, 0, false); err != nil {
				return fail(err)
			}
			if text.Len() > 0 {
				out.lines = append(out.lines, "--- "+task+" "+kind)
				out.lines = append(out.lines, strings.Split(strings.TrimRight(printable(text.String()), "\n"), "\n")...)
			}
		}
	}
	if len(out.lines) == 0 {
		out.lines = []string{"nothing was written"}
	}
	return out
}

// printable keeps a log's control characters away from the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' && r != '\n' || r == 0x7f:
			return -1
		}
		return r
	}, text)
}
