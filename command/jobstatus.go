package command

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/nomad/api"
)

func jobStatus() verb {
	var o output
	var verbose, all, evals, short, ui bool
	var filter string
	return verb{
		args: "[JOB]", max: 1,
		short: "List jobs, or show one",
		flags: concat(o.rows(), []flagRow{
			{"all-allocs", "", "Show allocations of an earlier job of this name as well.", &all, nil},
			{"evals", "", "Show the evaluations.", &evals, nil},
			{"filter", "EXPRESSION", "In the list: only jobs that match, as in Status == \"running\".", &filter, nil},
			{"short", "", "Show only the job itself.", &short, nil},
			{"ui", "", "Open its page in the web UI as well.", &ui, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return listJobs(s, c, o, filter)
			}
			id, ns, err := s.jobID(c, args[0])
			if err != nil {
				return err
			}
			if ui {
				s.openPage("job status", id)
			}
			p := &jobPage{s: s, c: c, q: &api.QueryOptions{Namespace: ns}, verbose: verbose, all: all, evals: evals || verbose, short: short}
			return p.show(id, o)
		},
	}
}

func listJobs(s *session, c *api.Client, o output, filter string) error {
	jobs, _, err := c.Jobs().List(&api.QueryOptions{Namespace: s.namespace(), Filter: filter})
	if err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	if o.wanted() {
		return o.print(s, jobs)
	}
	if len(jobs) == 0 {
		s.printf("No running jobs\n")
		return nil
	}
	s.jobTable(jobs, false)
	return nil
}

// jobTable lists jobs by namespace and ID.
func (s *session) jobTable(jobs []*api.JobListStub, verbose bool) {
	jobs = present(jobs)
	sort.Slice(jobs, func(i, j int) bool {
		return jobs[i].Namespace+"\x00"+jobs[i].ID < jobs[j].Namespace+"\x00"+jobs[j].ID
	})
	wide := s.namespace() == api.AllNamespacesNamespace
	head := []string{"ID", "Type", "Priority", "Status", "Submit Date"}
	if wide {
		head = append([]string{"ID", "Namespace"}, head[1:]...)
	}
	rows := []string{row(head...)}
	for _, j := range jobs {
		cells := []string{j.ID, jobKind(j.Type, j.Periodic, j.ParameterizedJob), fmt.Sprint(j.Priority), jobState(j.Status, j.Stop), s.nanos(j.SubmitTime, verbose)}
		if wide {
			cells = append([]string{j.ID, j.Namespace}, cells[1:]...)
		}
		rows = append(rows, row(cells...))
	}
	s.table(rows)
}

func jobKind(kind string, periodic, parameterized bool) string {
	if periodic {
		kind += "/periodic"
	}
	if parameterized {
		kind += "/parameterized"
	}
	return kind
}

func jobState(status string, stopped bool) string {
	if stopped {
		status += " (stopped)"
	}
	return status
}

// jobPage is the page about one job.
type jobPage struct {
	s                          *session
	c                          *api.Client
	q                          *api.QueryOptions
	verbose, all, evals, short bool
}

func (p *jobPage) show(id string, o output) error {
	job, _, err := p.c.Jobs().Info(id, p.q)
	if err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	if o.wanted() {
		all, err := p.bundle(job)
		if err != nil {
			return err
		}
		return o.print(p.s, all)
	}
	s := p.s
	s.pairs(p.head(job)...)
	if p.short {
		return nil
	}
	if job.IsPeriodic() || job.IsParameterized() {
		return p.launched(job)
	}
	for _, part := range []func(*api.Job) error{p.summary, p.evaluations, p.deployment, p.actions, p.allocations} {
		if err := part(job); err != nil {
			return err
		}
	}
	return nil
}

// head is what is said of the job itself. Its ui block is for people: here as there.
func (p *jobPage) head(job *api.Job) [][2]string {
	rows := [][2]string{
		{"ID", deref(job.ID)},
		{"Name", deref(job.Name)},
		{"Submit Date", p.s.nanos(deref(job.SubmitTime), true)},
		{"Type", deref(job.Type)},
		{"Priority", fmt.Sprint(deref(job.Priority))},
		{"Datacenters", strings.Join(job.Datacenters, ",")},
		{"Namespace", deref(job.Namespace)},
		{"Node Pool", deref(job.NodePool)},
		{"Status", p.s.status(jobState(deref(job.Status), deref(job.Stop)))},
		{"Periodic", fmt.Sprint(job.IsPeriodic())},
		{"Parameterized", fmt.Sprint(job.IsParameterized())},
		{"Version", fmt.Sprint(deref(job.Version))},
	}
	if at := p.s.launchTime(job); at != "" {
		rows = append(rows, [2]string{"Next Periodic Launch", at})
	}
	if job.UI == nil {
		return rows
	}
	if text := strings.TrimSpace(job.UI.Description); text != "" {
		rows = append(rows, [2]string{"Description", clip(strings.Join(strings.Fields(text), " "), 100)})
	}
	for _, l := range present(job.UI.Links) {
		rows = append(rows, [2]string{"Link", l.Label + ": " + l.URL})
	}
	return rows
}

func (p *jobPage) summary(job *api.Job) error {
	sum, _, err := p.c.Jobs().Summary(*job.ID, p.q)
	if err != nil {
		return fmt.Errorf("read job summary: %w", err)
	}
	p.s.section("Summary")
	rows := []string{row("Task Group", "Queued", "Starting", "Running", "Failed", "Complete", "Lost", "Unknown")}
	for _, name := range keys(sum.Summary) {
		g := sum.Summary[name]
		rows = append(rows, row(name, fmt.Sprint(g.Queued), fmt.Sprint(g.Starting), fmt.Sprint(g.Running),
			fmt.Sprint(g.Failed), fmt.Sprint(g.Complete), fmt.Sprint(g.Lost), fmt.Sprint(g.Unknown)))
	}
	p.s.table(rows)
	return nil
}

// evaluations explains what could not be placed, and lists evaluations if asked.
func (p *jobPage) evaluations(job *api.Job) error {
	evals, _, err := p.c.Jobs().Evaluations(*job.ID, p.q)
	if err != nil {
		return fmt.Errorf("list evaluations: %w", err)
	}
	sort.Slice(evals, func(i, j int) bool { return evals[i].CreateIndex > evals[j].CreateIndex })
	if p.evals && len(evals) > 0 {
		p.s.section("Evaluations")
		p.s.table(evalRows(evals, false, p.verbose))
	}
	if deref(job.Stop) {
		return nil
	}
	var latest *api.Evaluation // the newest that was worked on
	blocked := false
	for _, e := range evals {
		blocked = blocked || e.Status == api.EvalStatusBlocked
		if latest == nil && e.Status == api.EvalStatusComplete {
			latest = e
		}
	}
	for _, e := range evals {
		// A blocked evaluation tried last: its reasons are the current ones.
		if e.Status == api.EvalStatusBlocked && len(e.FailedTGAllocs) > 0 {
			latest = e
			break
		}
	}
	if !blocked || latest == nil || len(latest.FailedTGAllocs) == 0 {
		return nil
	}
	p.s.section("Placement Failure")
	for _, group := range keys(latest.FailedTGAllocs) {
		m := latest.FailedTGAllocs[group]
		p.s.printf("%s\n", unplacedHead(group, m))
		writeUnplaced(p.s.out, "  ", m, adviceFor(latest.StatusDescription, group))
	}
	return nil
}

func (p *jobPage) deployment(job *api.Job) error {
	d, _, err := p.c.Jobs().LatestDeployment(*job.ID, p.q)
	if isStatus(err, 404) || err == nil && d == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read latest deployment: %w", err)
	}
	if d.JobCreateIndex != 0 && d.JobCreateIndex != deref(job.CreateIndex) {
		return nil
	}
	p.s.section("Latest Deployment")
	p.s.pairs(
		[2]string{"ID", shortID(d.ID, p.verbose)},
		[2]string{"Status", p.s.status(d.Status)},
		[2]string{"Description", d.StatusDescription},
	)
	p.s.section("Deployed")
	p.s.table(deployedRows(p.s, d, p.verbose))
	return nil
}

// actions lists what job action can run, when there is something.
func (p *jobPage) actions(job *api.Job) error {
	if declared := declaredActions(job); len(declared) > 0 {
		p.s.section("Actions")
		rows := []string{row("Action Name", "Task Group", "Task")}
		for _, a := range declared {
			rows = append(rows, row(a.Name, a.group, a.task))
		}
		p.s.table(rows)
	}
	return nil
}

func (p *jobPage) allocations(job *api.Job) error {
	allocs, _, err := p.c.Jobs().Allocations(*job.ID, p.all, p.q)
	if err != nil {
		return fmt.Errorf("list allocations: %w", err)
	}
	p.s.section("Allocations")
	p.s.allocTable(allocs, p.verbose)
	return nil
}

// allocTable lists allocations, newest first. A finished one stays visible: it
// is half of the answer to "what happened?".
func (s *session) allocTable(allocs []*api.AllocationListStub, verbose bool) {
	allocs = present(allocs)
	if len(allocs) == 0 {
		s.printf("No allocations placed\n")
		return
	}
	sort.SliceStable(allocs, func(i, j int) bool {
		if allocs[i].CreateIndex != allocs[j].CreateIndex {
			return allocs[i].CreateIndex > allocs[j].CreateIndex
		}
		return allocs[i].Name < allocs[j].Name
	})
	head := []string{"ID", "Node ID", "Task Group", "Version", "Desired", "Status", "Created", "Modified"}
	if verbose {
		head = slices.Insert(head, 1, "Eval ID")
		head = slices.Insert(head, 3, "Node Name")
	}
	rows := []string{row(head...)}
	for _, a := range allocs {
		cells := []string{shortID(a.ID, verbose), shortID(a.NodeID, verbose), a.TaskGroup, fmt.Sprint(a.JobVersion), a.DesiredStatus,
			a.ClientStatus, s.nanos(a.CreateTime, verbose), s.nanos(a.ModifyTime, verbose)}
		if verbose {
			cells = slices.Insert(cells, 1, a.EvalID)
			cells = slices.Insert(cells, 3, a.NodeName)
		}
		rows = append(rows, row(cells...))
	}
	s.table(rows)
}

// deployedRows is the table of a deployment's groups. Columns that say the same
// of every group (no canaries, nothing to promote) are left out.
func deployedRows(s *session, d *api.Deployment, verbose bool) []string {
	canaries := false
	for _, g := range d.TaskGroups {
		canaries = canaries || g != nil && g.DesiredCanaries > 0
	}
	head := []string{"Task Group", "Desired", "Placed", "Healthy", "Unhealthy", "Progress Deadline"}
	if canaries {
		head = []string{"Task Group", "Promoted", "Desired", "Canaries", "Placed", "Healthy", "Unhealthy", "Progress Deadline"}
	}
	rows := []string{row(head...)}
	for _, name := range keys(d.TaskGroups) {
		g := orNew(d.TaskGroups[name])
		cells := []string{name, fmt.Sprint(g.DesiredTotal), fmt.Sprint(g.PlacedAllocs), fmt.Sprint(g.HealthyAllocs), fmt.Sprint(g.UnhealthyAllocs), utc(g.RequireProgressBy)}
		if canaries {
			promoted := "N/A"
			if g.DesiredCanaries > 0 {
				promoted = fmt.Sprint(g.Promoted)
			}
			cells = append([]string{name, promoted, cells[1], fmt.Sprint(g.DesiredCanaries)}, cells[2:]...)
		}
		rows = append(rows, row(cells...))
	}
	return rows
}
