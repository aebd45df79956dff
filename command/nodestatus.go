package command

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

func nodeStatus() verb {
	var o output
	var verbose, allocs, short, self, stats, quiet, ui bool
	var filter string
	return verb{
		args: "[NODE]", max: 1,
		short: "List nodes, or show one",
		flags: concat(o.rows(), []flagRow{
			{"self", "", "The node of the agent that is asked.", &self, nil},
			{"allocs", "", "In the list: count what runs on each node.", &allocs, nil},
			{"filter", "EXPRESSION", "In the list: only nodes that match, as in Status == \"ready\".", &filter, nil},
			{"quiet", "", "In the list: only IDs.", &quiet, nil},
			{"stats", "", "Show what the node uses right now.", &stats, nil},
			{"ui", "", "Open its page in the web UI as well.", &ui, nil},
			{"short", "", "Show only the node itself.", &short, nil},
			{"verbose", "", "Show whole IDs, attributes and meta.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			if len(args) == 0 && !self {
				return listNodes(s, o, filter, allocs, quiet, verbose)
			}
			c, node, err := s.pickNode(args, self)
			if err != nil {
				return err
			}
			if ui {
				s.openPage("node status", node.ID)
			}
			if o.wanted() {
				return o.print(s, node)
			}
			p := &nodePage{s: s, c: c, node: node, verbose: verbose}
			return p.show(short, stats)
		},
	}
}

func listNodes(s *session, o output, filter string, allocs, quiet, verbose bool) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	nodes, _, err := c.Nodes().List(&api.QueryOptions{Filter: filter})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	switch {
	case o.wanted():
		return o.print(s, nodes)
	case quiet:
		for _, n := range nodes {
			s.printf("%s\n", n.ID)
		}
		return nil
	case len(nodes) == 0 && filter == "":
		s.printf("No nodes registered\n")
		return nil
	case len(nodes) == 0:
		s.printf("No node matches the filter\n")
		return nil
	}
	var running map[string]int
	if allocs {
		all, _, err := c.Allocations().List(&api.QueryOptions{Namespace: api.AllNamespacesNamespace})
		if err != nil {
			return fmt.Errorf("list allocations: %w", err)
		}
		running = map[string]int{}
		for _, a := range all {
			if a.ClientStatus == api.AllocClientStatusRunning {
				running[a.NodeID]++
			}
		}
	}
	nodeTable(s, nodes, running, verbose)
	return nil
}

// nodePage is the page about one node.
type nodePage struct {
	s       *session
	c       *api.Client
	node    *api.Node
	verbose bool
}

func (p *nodePage) show(short, stats bool) error {
	s, n := p.s, p.node
	s.pairs(
		[2]string{"ID", shortID(n.ID, p.verbose)},
		[2]string{"Name", n.Name},
		[2]string{"Node Pool", n.NodePool},
		[2]string{"Class", n.NodeClass},
		[2]string{"DC", n.Datacenter},
		[2]string{"Address", n.HTTPAddr},
		[2]string{"Drain", drainText(n)},
		[2]string{"Eligibility", s.status(n.SchedulingEligibility)},
		[2]string{"Status", s.status(n.Status) + parenthesis(n.StatusDescription)},
		[2]string{"Uptime", p.uptime(stats)},
		[2]string{"Host Volumes", strings.Join(keys(n.HostVolumes), ",")},
		[2]string{"Driver Status", drivers(n.Drivers)},
	)
	if short {
		return nil
	}
	allocs, _, err := p.c.Nodes().Allocations(n.ID, nil)
	if err != nil {
		return fmt.Errorf("list allocations of node: %w", err)
	}
	p.events()
	p.allocated(allocs)
	if stats {
		p.stats()
	}
	s.section("Allocations")
	p.allocations(allocs)
	if p.verbose {
		p.section("Attributes", n.Attributes)
		p.section("Meta", n.Meta)
	}
	return nil
}

// uptime asks the node itself, which may be away: then it is left empty.
func (p *nodePage) uptime(wanted bool) string {
	if !wanted || p.node.Status != api.NodeStatusReady {
		return ""
	}
	st, err := p.c.Nodes().Stats(p.node.ID, nil)
	if err != nil {
		return ""
	}
	return brief(time.Duration(st.Uptime) * time.Second)
}

func parenthesis(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func drainText(n *api.Node) string {
	if n.DrainStrategy == nil {
		return fmt.Sprint(n.Drain)
	}
	if n.DrainStrategy.ForceDeadline.IsZero() {
		return "true; no deadline"
	}
	return "true; until " + n.DrainStrategy.ForceDeadline.UTC().Format(time.RFC3339)
}

// drivers names those that are there; an unhealthy one with its reason.
func drivers(m map[string]*api.DriverInfo) string {
	var out []string
	for _, name := range keys(m) {
		d := m[name]
		switch {
		case d == nil || !d.Detected:
		case d.Healthy:
			out = append(out, name)
		default:
			out = append(out, name+" (unhealthy: "+d.HealthDescription+")")
		}
	}
	return strings.Join(out, ",")
}

func (p *nodePage) events() {
	if len(p.node.Events) == 0 {
		return
	}
	p.s.section("Node Events")
	events := append([]*api.NodeEvent(nil), p.node.Events...)
	sort.SliceStable(events, func(i, j int) bool { return events[i].Timestamp.After(events[j].Timestamp) })
	if len(events) > 5 && !p.verbose {
		events = events[:5]
	}
	rows := []string{row("Time", "Subsystem", "Message")}
	for _, e := range events {
		rows = append(rows, row(p.s.stamp(e.Timestamp, p.verbose), e.Subsystem, clip(e.Message, 60)))
	}
	p.s.table(rows)
}

// allocated compares what live allocations were given with what the node has.
func (p *nodePage) allocated(allocs []*api.Allocation) {
	if p.node.NodeResources == nil {
		return
	}
	var cpu, memory, disk int64
	for _, a := range allocs {
		if a.AllocatedResources == nil || a.ClientStatus != api.AllocClientStatusRunning && a.ClientStatus != api.AllocClientStatusPending {
			continue
		}
		disk += a.AllocatedResources.Shared.DiskMB
		for _, t := range a.AllocatedResources.Tasks {
			cpu += t.Cpu.CpuShares
			memory += t.Memory.MemoryMB
		}
	}
	total := p.node.NodeResources
	haveCPU, haveMemory, haveDisk := total.Cpu.CpuShares, total.Memory.MemoryMB, total.Disk.DiskMB
	if r := p.node.ReservedResources; r != nil {
		haveCPU -= int64(r.Cpu.CpuShares)
		haveMemory -= int64(r.Memory.MemoryMB)
		haveDisk -= int64(r.Disk.DiskMB)
	}
	p.s.section("Allocated Resources")
	p.s.table([]string{row("CPU", "Memory", "Disk"), row(
		fmt.Sprintf("%d/%d MHz", cpu, haveCPU),
		mebibytes(memory)+"/"+mebibytes(haveMemory),
		mebibytes(disk)+"/"+mebibytes(haveDisk))})
}

func (p *nodePage) stats() {
	st, err := p.c.Nodes().Stats(p.node.ID, nil)
	if err != nil {
		p.s.section("Host Resource Utilization")
		p.s.printf("Not known: %s\n", p.s.explain(err))
		return
	}
	p.s.section("Host Resource Utilization")
	cells := []string{fmt.Sprintf("%.0f MHz", st.CPUTicksConsumed), "", ""}
	if st.Memory != nil {
		cells[1] = bytes(st.Memory.Used) + "/" + bytes(st.Memory.Total)
	}
	if st.AllocDirStats != nil {
		cells[2] = bytes(st.AllocDirStats.Used) + "/" + bytes(st.AllocDirStats.Size)
	}
	p.s.table([]string{row("CPU", "Memory", "Disk"), row(cells...)})
}

func (p *nodePage) allocations(allocs []*api.Allocation) {
	if len(allocs) == 0 {
		p.s.printf("No allocations placed\n")
		return
	}
	sort.Slice(allocs, func(i, j int) bool {
		if allocs[i].CreateIndex != allocs[j].CreateIndex {
			return allocs[i].CreateIndex > allocs[j].CreateIndex
		}
		return allocs[i].Name < allocs[j].Name
	})
	rows := []string{row("ID", "Job ID", "Task Group", "Desired", "Status", "Created", "Modified")}
	for _, a := range allocs {
		rows = append(rows, row(shortID(a.ID, p.verbose), a.JobID, a.TaskGroup, a.DesiredStatus, a.ClientStatus,
			p.s.nanos(a.CreateTime, p.verbose), p.s.nanos(a.ModifyTime, p.verbose)))
	}
	p.s.table(rows)
}

func (p *nodePage) section(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	p.s.section(name)
	var rows [][2]string
	for _, k := range keys(m) {
		rows = append(rows, [2]string{k, m[k]})
	}
	p.s.pairs(rows...)
}
