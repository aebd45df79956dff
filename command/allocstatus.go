package command

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

func allocStatus() verb {
	var o output
	var verbose, short, stats, ui bool
	return verb{
		args: "[ALLOC]", max: 1,
		short: "Show an allocation, or list all",
		flags: concat(o.rows(), []flagRow{
			{"short", "", "Show only the allocation and its tasks' states.", &short, nil},
			{"stats", "", "Show what each task uses right now.", &stats, nil},
			{"ui", "", "Open its page in the web UI as well.", &ui, nil},
			{"verbose", "", "Show whole IDs and times, and how nodes were scored.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				all, _, err := c.Allocations().List(&api.QueryOptions{Namespace: s.namespace()})
				if err != nil {
					return fmt.Errorf("list allocations: %w", err)
				}
				if o.wanted() {
					return o.print(s, all)
				}
				s.allocTable(all, verbose)
				return nil
			}
			a, err := s.allocation(c, args[0])
			if err != nil {
				return err
			}
			if ui {
				s.openPage("alloc status", a.ID)
			}
			if o.wanted() {
				return o.print(s, a)
			}
			p := &allocPage{s: s, c: c, a: a, verbose: verbose, short: short, stats: stats}
			p.show()
			return nil
		},
	}
}

// allocPage is the page about one allocation.
type allocPage struct {
	s                     *session
	c                     *api.Client
	a                     *api.Allocation
	verbose, short, stats bool
}

func (p *allocPage) show() {
	s, a := p.s, p.a
	rows := [][2]string{
		{"ID", shortID(a.ID, p.verbose)},
		{"Eval ID", shortID(a.EvalID, p.verbose)},
		{"Name", a.Name},
		{"Node ID", shortID(a.NodeID, p.verbose)},
		{"Node Name", a.NodeName},
		{"Job ID", a.JobID},
		{"Job Version", jobVersionOf(a)},
		{"Client Status", s.status(a.ClientStatus)},
		{"Client Description", a.ClientDescription},
		{"Desired Status", a.DesiredStatus},
		{"Desired Description", a.DesiredDescription},
		{"Created", s.nanos(a.CreateTime, p.verbose)},
		{"Modified", s.nanos(a.ModifyTime, p.verbose)},
	}
	for _, extra := range [][2]string{
		{"Deployment ID", shortID(a.DeploymentID, p.verbose)},
		{"Deployment Health", health(a.DeploymentStatus)},
		{"Replacement Alloc ID", shortID(a.NextAllocation, p.verbose)},
		{"Previous Alloc ID", shortID(a.PreviousAllocation, p.verbose)},
		{"Rescheduled As", shortID(a.FollowupEvalID, p.verbose)},
	} {
		if extra[1] != "" {
			rows = append(rows, extra)
		}
	}
	s.pairs(rows...)
	if p.short {
		p.tasksShort()
		return
	}
	p.ports()
	usage := p.usage()
	for _, name := range p.taskNames() {
		p.task(name, usage)
	}
	p.placement()
}

func jobVersionOf(a *api.Allocation) string {
	if a.Job == nil || a.Job.Version == nil {
		return ""
	}
	return fmt.Sprint(*a.Job.Version)
}

func health(d *api.AllocDeploymentStatus) string {
	if d == nil {
		return ""
	}
	text := "unset"
	if d.Healthy != nil && *d.Healthy {
		text = "healthy"
	} else if d.Healthy != nil {
		text = "unhealthy"
	}
	if d.Canary {
		text += " (canary)"
	}
	return text
}

func (p *allocPage) taskNames() []string {
	if len(p.a.TaskStates) > 0 {
		return keys(p.a.TaskStates)
	}
	if p.a.AllocatedResources != nil {
		return keys(p.a.AllocatedResources.Tasks)
	}
	return nil
}

func (p *allocPage) tasksShort() {
	p.s.section("Tasks")
	rows := []string{row("Name", "State", "Last Event", "Time")}
	for _, name := range p.taskNames() {
		t := p.a.TaskStates[name]
		if t == nil {
			rows = append(rows, row(name, "pending", "", ""))
			continue
		}
		last, when := "", ""
		if n := len(t.Events); n > 0 {
			last, when = t.Events[n-1].Type, p.s.nanos(t.Events[n-1].Time, p.verbose)
		}
		rows = append(rows, row(name, t.State, last, when))
	}
	p.s.table(rows)
}

func (p *allocPage) ports() {
	if p.a.AllocatedResources == nil || len(p.a.AllocatedResources.Shared.Ports) == 0 {
		return
	}
	p.s.section("Allocation Addresses")
	rows := []string{row("Label", "Dynamic", "Address")}
	static := map[string]bool{}
	for _, n := range p.a.AllocatedResources.Shared.Networks {
		for _, port := range n.ReservedPorts {
			static[port.Label] = true
		}
	}
	for _, port := range p.a.AllocatedResources.Shared.Ports {
		address := fmt.Sprintf("%s:%d", port.HostIP, port.Value)
		if port.To > 0 && port.To != port.Value {
			address += fmt.Sprintf(" -> %d", port.To)
		}
		rows = append(rows, row(port.Label, yesNo(!static[port.Label]), address))
	}
	p.s.table(rows)
}

// usage asks the node what the tasks use; nil when it is not asked or not there.
func (p *allocPage) usage() *api.AllocResourceUsage {
	if !p.stats || p.a.ClientStatus != api.AllocClientStatusRunning {
		return nil
	}
	u, err := p.c.Allocations().Stats(p.a, &api.QueryOptions{Namespace: p.a.Namespace})
	if err != nil {
		p.s.say("What the tasks use is not known: %s", p.s.explain(err))
		return nil
	}
	return u
}

func (p *allocPage) task(name string, usage *api.AllocResourceUsage) {
	s, state := p.s, p.a.TaskStates[name]
	status := "pending"
	if state != nil {
		status = state.State
	}
	s.section(fmt.Sprintf("Task %q is %q", name, status))
	p.resources(name, usage)
	if state == nil {
		return
	}
	s.printf("\nTask Events:\n")
	rows := [][2]string{{"Started At", utc(state.StartedAt)}, {"Finished At", utc(state.FinishedAt)}, {"Total Restarts", fmt.Sprint(state.Restarts)}, {"Last Restart", utc(state.LastRestart)}}
	s.pairs(rows...)
	s.printf("\nRecent Events:\n")
	events := append([]*api.TaskEvent(nil), state.Events...)
	sort.SliceStable(events, func(i, j int) bool { return events[i].Time > events[j].Time })
	lines := []string{row("Time", "Type", "Description")}
	for _, e := range events {
		lines = append(lines, row(time.Unix(0, e.Time).UTC().Format(time.RFC3339), e.Type, eventText(e)))
	}
	s.table(lines)
}

func utc(t time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return t.UTC().Format(time.RFC3339)
}

func eventText(e *api.TaskEvent) string {
	for _, text := range []string{e.DisplayMessage, e.Message, e.Details["message"]} {
		if text != "" {
			return strings.Join(strings.Fields(text), " ")
		}
	}
	return ""
}

func (p *allocPage) resources(name string, usage *api.AllocResourceUsage) {
	if p.a.AllocatedResources == nil || p.a.AllocatedResources.Tasks[name] == nil {
		return
	}
	r := p.a.AllocatedResources.Tasks[name]
	cpu, memory := fmt.Sprintf("%d MHz", r.Cpu.CpuShares), mebibytes(r.Memory.MemoryMB)
	if usage != nil && usage.Tasks[name] != nil && usage.Tasks[name].ResourceUsage != nil {
		u := usage.Tasks[name].ResourceUsage
		if u.CpuStats != nil {
			cpu = fmt.Sprintf("%.0f/%s", u.CpuStats.TotalTicks, cpu)
		}
		if u.MemoryStats != nil {
			used := u.MemoryStats.Usage
			if used == 0 {
				used = u.MemoryStats.RSS
			}
			memory = bytes(used) + "/" + memory
		}
	}
	p.s.printf("Task Resources:\n")
	p.s.table([]string{row("CPU", "Memory", "Disk"), row(cpu, memory, mebibytes(p.a.AllocatedResources.Shared.DiskMB))})
}

// placement says what the scheduler looked at, when that is of interest.
func (p *allocPage) placement() {
	m := p.a.Metrics
	if m == nil || !p.verbose {
		return
	}
	p.s.section("Placement Metrics")
	p.s.printf("  * Nodes evaluated: %d, filtered: %d, exhausted: %d\n", m.NodesEvaluated, m.NodesFiltered, m.NodesExhausted)
	if m.NodesFiltered > 0 || m.NodesExhausted > 0 {
		for _, c := range byCount(m.ConstraintFiltered) {
			p.s.printf("  * Constraint %q: %d nodes excluded by filter\n", c, m.ConstraintFiltered[c])
		}
		for _, d := range byCount(m.DimensionExhausted) {
			p.s.printf("  * Dimension %q exhausted on %d nodes\n", d, m.DimensionExhausted[d])
		}
	}
	if len(m.ScoreMetaData) == 0 {
		return
	}
	names := map[string]bool{}
	for _, sc := range m.ScoreMetaData {
		for n := range sc.Scores {
			names[n] = true
		}
	}
	columns := keys(names)
	rows := []string{row(append(append([]string{"Node"}, columns...), "final score")...)}
	for _, sc := range m.ScoreMetaData {
		cells := []string{shortID(sc.NodeID, false)}
		for _, n := range columns {
			cells = append(cells, fmt.Sprintf("%.3g", sc.Scores[n]))
		}
		rows = append(rows, row(append(cells, fmt.Sprintf("%.3g", sc.NormScore))...))
	}
	p.s.table(rows)
}
