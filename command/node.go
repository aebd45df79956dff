package command

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

func nodeVerbs() entries {
	return entries{
		noun("node", "Look at nodes, drain them, close them to new work"),
		{name: "node status", make: nodeStatus},
		{name: "node drain", make: nodeDrain},
		{name: "node eligibility", make: nodeEligibility},
		{name: "node purge", make: nodePurge},
	}
}

// pickNode is the node that a verb is about: named, or with -self the agent's own.
func (s *session) pickNode(args []string, self bool) (*api.Client, *api.Node, error) {
	if self == (len(args) > 0) {
		return nil, nil, usagef("wants a node, or -self for the one of the agent")
	}
	c, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	id := ""
	if self {
		me, err := c.Agent().Self()
		if err != nil {
			return nil, nil, fmt.Errorf("ask agent who it is: %w", err)
		}
		if id = me.Stats["client"]["node_id"]; id == "" {
			return nil, nil, errors.New("this agent is not a client, so it has no node")
		}
	} else if id, err = nodeID(c, args[0]); err != nil {
		return nil, nil, err
	}
	node, _, err := c.Nodes().Info(id, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read node: %w", err)
	}
	return c, node, nil
}

func nodeEligibility() verb {
	var enable, disable, self bool
	return verb{
		args: "[NODE]", max: 1,
		short: "Open or close a node to new work",
		long:  "Decides whether new allocations may be placed on a node. What runs there goes on.",
		flags: []flagRow{
			{"enable", "", "New allocations may be placed.", &enable, nil},
			{"disable", "", "No new allocation is placed.", &disable, nil},
			{"self", "", "The node of the agent that is asked.", &self, nil},
		},
		run: func(s *session, args []string) error {
			if enable == disable {
				return usagef("give either -enable or -disable")
			}
			c, node, err := s.pickNode(args, self)
			if err != nil {
				return err
			}
			if node.Drain && enable {
				return fmt.Errorf("node %s drains; end that first: selfheal node drain -disable %s", node.Name, shortID(node.ID, false))
			}
			if _, err := c.Nodes().ToggleEligibility(node.ID, enable, nil); err != nil {
				return fmt.Errorf("set eligibility: %w", err)
			}
			word := "ineligible for scheduling"
			if enable {
				word = "eligible for scheduling"
			}
			s.printf("Node %q (%s) scheduling eligibility set: %s\n", node.ID, node.Name, word)
			return nil
		},
	}
}

func nodePurge() verb {
	return verb{
		args: "NODE", min: 1, max: 1,
		short: "Forget a node that is gone",
		run: func(s *session, args []string) error {
			c, node, err := s.pickNode(args, false)
			if err != nil {
				return err
			}
			if _, _, err := c.Nodes().Purge(node.ID, nil); err != nil {
				return fmt.Errorf("purge node: %w", err)
			}
			s.printf("Node %s (%s) is forgotten.\n", shortID(node.ID, false), node.Name)
			return nil
		},
	}
}

// drainFlags are the flags of node drain.
type drainFlags struct {
	enable, disable, watch, plan, detach, force, noDeadline, ignoreSystem, keep, self, yes bool
	deadline, message                                                                      string
	meta                                                                                   []string
	output                                                                                 output
}

// defaultDrain is how long allocations of a drained node get to move away.
const defaultDrain = time.Hour

func nodeDrain() verb {
	var f drainFlags
	return verb{
		args: "[NODE]", max: 1,
		short: "Move everything off a node, or end that",
		long: `Moves the allocations of a node to others, as fast as each group's migrate block allows, and closes the node to new work. Watches until it is empty; Ctrl-C stops only the watching.

-plan says where everything would go and changes nothing: exit code 0 when it fits, 2 when something would find no place. -enable says so before it starts.

-disable ends a drain and opens the node again, unless -keep-ineligible.`,
		flags: append([]flagRow{
			{"enable", "", "Drain the node.", &f.enable, nil},
			{"disable", "", "End a drain.", &f.disable, nil},
			{"deadline", "DURATION", "Stop what is still there after this long (default 1h).", &f.deadline, nil},
			{"no-deadline", "", "Let everything take the time that it needs.", &f.noDeadline, nil},
			{"force", "", "Stop everything at once.", &f.force, nil},
			{"ignore-system", "", "Leave system jobs running.", &f.ignoreSystem, nil},
			{"keep-ineligible", "", "With -disable: keep the node closed to new work.", &f.keep, nil},
			{"m", "TEXT", "Why, for the record.", &f.message, nil},
			{"meta", "KEY=VALUE", "More for the record; may be repeated.", &f.meta, nil},
			{"self", "", "The node of the agent that is asked.", &f.self, nil},
			{"detach", "", "Return at once instead of watching.", &f.detach, nil},
			{"monitor", "", "Only watch a drain that goes on.", &f.watch, nil},
			{"plan", "", "Only show where everything would go.", &f.plan, nil},
			{"yes", "", "Do not ask when a prefix of the ID was given, or when it does not fit.", &f.yes, nil},
		}, f.output.rows()...),
		run: func(s *session, args []string) error { return drain(s, &f, args) },
	}
}

func drain(s *session, f *drainFlags, args []string) error {
	spec, err := f.spec()
	if err != nil {
		return err
	}
	c, node, err := s.pickNode(args, f.self)
	if err != nil {
		return err
	}
	if f.watch {
		return s.watchDrain(c, node, node.ModifyIndex, f.ignoreSystem)
	}
	if f.plan {
		return s.showDrainPlan(c, node, f.output)
	}
	if len(args) > 0 && args[0] != node.ID && args[0] != node.Name && !f.yes {
		if err := s.confirm(fmt.Sprintf("Change the drain of node %s (%s)?", shortID(node.ID, false), node.Name)); err != nil {
			return err
		}
	}
	if f.enable && !f.force {
		if err := s.warnDrain(c, node, f.yes); err != nil {
			return err
		}
	}
	meta, err := keyValues("-meta", f.meta)
	if err != nil {
		return err
	}
	if f.message != "" {
		meta["message"] = f.message
	}
	resp, err := c.Nodes().UpdateDrainOpts(node.ID, &api.DrainOptions{DrainSpec: spec, MarkEligible: f.disable && !f.keep, Meta: meta}, nil)
	if err != nil {
		return fmt.Errorf("drain node: %w", err)
	}
	if f.disable {
		s.printf("Node %s (%s) drains no longer.\n", shortID(node.ID, false), node.Name)
		return nil
	}
	s.printf("Node %s (%s) drains%s.\n", shortID(node.ID, false), node.Name, deadlineText(spec.Deadline))
	if f.detach {
		return nil
	}
	return s.watchDrain(c, node, resp.LastIndex, f.ignoreSystem)
}

// spec is the drain that the flags describe; nil ends one.
func (f *drainFlags) spec() (*api.DrainSpec, error) {
	chosen := 0
	for _, b := range []bool{f.enable, f.disable, f.watch, f.plan} {
		if b {
			chosen++
		}
	}
	if chosen != 1 {
		return nil, usagef("give one of -enable, -disable, -monitor and -plan")
	}
	if !f.enable {
		return nil, nil
	}
	if f.force && f.noDeadline || f.deadline != "" && (f.force || f.noDeadline) {
		return nil, usagef("give only one of -deadline, -no-deadline and -force")
	}
	spec := &api.DrainSpec{Deadline: defaultDrain, IgnoreSystemJobs: f.ignoreSystem}
	switch {
	case f.force:
		spec.Deadline = -1
	case f.noDeadline:
		spec.Deadline = 0
	case f.deadline != "":
		d, err := time.ParseDuration(f.deadline)
		if err != nil || d <= 0 {
			return nil, usagef("-deadline wants a duration such as 30m, not %q", f.deadline)
		}
		spec.Deadline = d
	}
	return spec, nil
}

func deadlineText(d time.Duration) string {
	switch {
	case d < 0:
		return ": everything on it is stopped at once"
	case d == 0:
		return ", without a deadline"
	}
	return "; what is still there in " + brief(d) + " is stopped"
}

func (s *session) watchDrain(c *api.Client, node *api.Node, index uint64, ignoreSystem bool) error {
	ctx, stop := s.interruptible()
	defer stop()
	failed := false
	for m := range c.Nodes().MonitorDrain(ctx, node.ID, index, ignoreSystem) {
		failed = failed || m.Level == api.MonitorMsgLevelError
		s.say("%s %s", s.paintErr(dim, s.time().Format("15:04:05")), m.Message)
	}
	if ctx.Err() != nil {
		s.say("\nNo longer watching; the drain goes on. To watch again: selfheal node drain -monitor %s", shortID(node.ID, false))
		return exitError{code: 1}
	}
	if failed {
		return exitError{code: 1}
	}
	return nil
}

// nodeColumn is a column that is only there when it was asked for.
type nodeColumn struct {
	at   int // its place; -1 is the end
	head string
	cell func(*api.NodeListStub) string
}

func (c nodeColumn) insert(cells []string, cell string) []string {
	if c.at < 0 {
		return append(cells, cell)
	}
	return slices.Insert(cells, c.at, cell)
}

// nodeTable lists nodes.
func nodeTable(s *session, nodes []*api.NodeListStub, verbose bool, extra ...nodeColumn) {
	sort.Slice(nodes, func(i, j int) bool {
		return nodes[i].Name < nodes[j].Name || nodes[i].Name == nodes[j].Name && nodes[i].ID < nodes[j].ID
	})
	head := []string{"ID", "Node Pool", "DC", "Name", "Class", "Drain", "Eligibility", "Status"}
	if verbose {
		head = slices.Insert(head, 5, "Address", "Version")
	}
	for _, e := range extra {
		head = e.insert(head, e.head)
	}
	rows := []string{row(head...)}
	for _, n := range nodes {
		cells := []string{shortID(n.ID, verbose), n.NodePool, n.Datacenter, n.Name, n.NodeClass, strconv.FormatBool(n.Drain), n.SchedulingEligibility, n.Status}
		if verbose {
			cells = slices.Insert(cells, 5, n.Address, n.Version)
		}
		for _, e := range extra {
			cells = e.insert(cells, e.cell(n))
		}
		rows = append(rows, row(cells...))
	}
	s.table(rows)
}
