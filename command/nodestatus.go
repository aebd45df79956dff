package command

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

func nodeStatus() verb {
	var o output
	var list nodeList
	var verbose, short, self, stats, ui bool
	return verb{
		args: "[NODE]", max: 1,
		short: "List nodes, or show one",
		flags: concat(o.rows(), []flagRow{
			{"self", "", "The node of the agent that is asked.", &self, nil},
			{"allocs", "", "In the list: count what runs on each node.", &list.allocs, nil},
			{"os", "", "In the list: the name of the operating system.", &list.os, nil},
			{"filter", "EXPRESSION", "In the list: only nodes that match, as in Status == \"ready\".", &list.filter, nil},
			{"per-page", "N", "In the list: at most this many.", &list.perPage, nil},
			{"page-token", "TOKEN", "In the list: begin here, as the page before said.", &list.page, nil},
			{"quiet", "", "In the list: only IDs.", &list.quiet, nil},
			{"stats", "", "Show what each processor, the memory and each disk of the node do right now.", &stats, nil},
			{"ui", "", "Open its page in the web UI as well.", &ui, nil},
			{"short", "", "Show only the node itself.", &short, nil},
			{"verbose", "", "Show whole IDs, attributes and meta.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			if len(args) == 0 && !self {
				list.verbose = verbose
				return list.show(s, o)
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

// nodeList are the flags of the list.
type nodeList struct {
	allocs, os, quiet, verbose bool
	filter, page               string
	perPage                    int
}

func (l nodeList) show(s *session, o output) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	q := &api.QueryOptions{Filter: l.filter, PerPage: int32(l.perPage), NextToken: l.page, Params: map[string]string{}}
	if l.os {
		q.Params["os"] = "true"
	}
	nodes, meta, err := c.Nodes().List(q)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	switch {
	case o.wanted():
		return o.print(s, nodes)
	case l.quiet:
		for _, n := range present(nodes) {
			s.printf("%s\n", n.ID)
		}
		return nil
	case len(nodes) == 0 && l.filter == "":
		s.printf("No nodes registered\n")
		return nil
	case len(nodes) == 0:
		s.printf("No node matches the filter\n")
		return nil
	}
	var extra []nodeColumn
	if l.os {
		extra = append(extra, nodeColumn{5, "OS", func(n *api.NodeListStub) string { return n.Attributes["os.name"] }})
	}
	if l.allocs {
		running, err := runningByNode(c)
		if err != nil {
			return err
		}
		extra = append(extra, nodeColumn{-1, "Running Allocs", func(n *api.NodeListStub) string { return fmt.Sprint(running[n.ID]) }})
	}
	nodeTable(s, present(nodes), l.verbose, extra...)
	if meta != nil && meta.NextToken != "" {
		s.nextPage(meta.NextToken)
	}
	return nil
}

func runningByNode(c *api.Client) (map[string]int, error) {
	all, _, err := c.Allocations().List(&api.QueryOptions{Namespace: api.AllNamespacesNamespace})
	if err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	running := map[string]int{}
	for _, a := range present(all) {
		if a.ClientStatus == api.AllocClientStatusRunning {
			running[a.NodeID]++
		}
	}
	return running, nil
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
	now := p.now()
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
		[2]string{"Uptime", uptime(now)},
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
	p.utilization(now)
	if stats {
		p.stats(now)
	}
	s.section("Allocations")
	p.allocations(allocs)
	if p.verbose {
		p.section("Attributes", n.Attributes)
		p.section("Meta", n.Meta)
	}
	return nil
}

// statsWait is how long the page about a node waits for the node itself.
const statsWait = 2 * time.Second

// now is what the node uses, nil when it is not there to say.
func (p *nodePage) now() *api.HostStats {
	if p.node.Status != api.NodeStatusReady {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsWait)
	defer cancel()
	st, err := p.c.Nodes().Stats(p.node.ID, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil // an addition: the rest of the page is what the servers know
	}
	return st
}

func uptime(st *api.HostStats) string {
	if st == nil {
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

// utilization is what the host uses of what it has.
func (p *nodePage) utilization(st *api.HostStats) {
	if st == nil {
		return
	}
	p.s.section("Host Resource Utilization")
	cells := []string{fmt.Sprintf("%.0f MHz", st.CPUTicksConsumed), "", ""}
	if r := p.node.NodeResources; r != nil {
		cells[0] = fmt.Sprintf("%.0f/%d MHz", st.CPUTicksConsumed, r.Cpu.CpuShares)
	}
	if st.Memory != nil {
		cells[1] = bytes(st.Memory.Used) + "/" + bytes(st.Memory.Total)
	}
	if st.AllocDirStats != nil {
		cells[2] = bytes(st.AllocDirStats.Used) + "/" + bytes(st.AllocDirStats.Size)
	}
	p.s.table([]string{row("CPU", "Memory", "Disk"), row(cells...)})
}

// stats are the details: each processor, the memory, each disk.
func (p *nodePage) stats(st *api.HostStats) {
	if st == nil {
		p.s.section("Host Resource Utilization")
		p.s.printf("Not known: the node does not answer\n")
		return
	}
	p.s.section("CPU Stats")
	rows := []string{row("CPU", "User", "System", "Idle")}
	for _, c := range present(st.CPU) {
		rows = append(rows, row(c.CPU, percentage(c.User), percentage(c.System), percentage(c.Idle)))
	}
	p.s.table(rows)
	if m := st.Memory; m != nil {
		p.s.section("Memory Stats")
		p.s.pairs([2]string{"Total", bytes(m.Total)}, [2]string{"Available", bytes(m.Available)}, [2]string{"Used", bytes(m.Used)}, [2]string{"Free", bytes(m.Free)})
	}
	p.s.section("Disk Stats")
	rows = []string{row("Device", "MountPoint", "Size", "Used", "Available", "Used Percent", "Inodes Percent")}
	for _, d := range present(st.DiskStats) {
		rows = append(rows, row(d.Device, d.Mountpoint, bytes(d.Size), bytes(d.Used), bytes(d.Available), percentage(d.UsedPercent), percentage(d.InodesUsedPercent)))
	}
	p.s.table(rows)
}

func percentage(f float64) string { return fmt.Sprintf("%.2f%%", f) }

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
