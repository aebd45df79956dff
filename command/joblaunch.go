package command

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// nextLaunch says when a periodic job that was just registered runs first; it is
// empty for any other job.
func (s *session) nextLaunch(job *api.Job) string {
	if at := s.launchTime(job); at != "" {
		return fmt.Sprintf("Approximate next launch time: %s\n", at)
	}
	return ""
}

// launchTime is when a periodic job runs next, "" when it does not.
func (s *session) launchTime(job *api.Job) string {
	if !job.IsPeriodic() || deref(job.Stop) || job.Periodic.Enabled != nil && !*job.Periodic.Enabled {
		return ""
	}
	p := *job.Periodic
	p.Canonicalize()
	zone, err := p.GetLocation()
	if err != nil {
		return ""
	}
	now := s.time()
	next, err := p.Next(now.In(zone))
	if err != nil || next.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s from now)", next.UTC().Format(time.RFC3339), brief(next.Sub(now)))
}

// launched shows what a periodic or parameterized job launches, and what it has.
func (p *jobPage) launched(job *api.Job) error {
	sum, _, err := p.c.Jobs().Summary(*job.ID, p.q)
	if err != nil {
		return fmt.Errorf("read job summary: %w", err)
	}
	count, list := "Children Job Summary", "Previously Launched Jobs"
	if d := job.ParameterizedJob; d != nil {
		count, list = "Parameterized Job Summary", "Dispatched Jobs"
		p.s.section("Parameterized Job")
		p.s.pairs(
			[2]string{"Payload", cmp.Or(d.Payload, "optional")},
			[2]string{"Required Metadata", strings.Join(d.MetaRequired, ", ")},
			[2]string{"Optional Metadata", strings.Join(d.MetaOptional, ", ")},
		)
	}
	if sum != nil && sum.Children != nil {
		p.s.section(count)
		p.s.table([]string{row("Pending", "Running", "Dead"),
			row(fmt.Sprint(sum.Children.Pending), fmt.Sprint(sum.Children.Running), fmt.Sprint(sum.Children.Dead))})
	}
	return p.children(*job.ID, list)
}

// children lists the jobs that a periodic or parameterized job has launched.
func (p *jobPage) children(id, title string) error {
	all, _, err := p.c.Jobs().List(&api.QueryOptions{Namespace: p.q.Namespace, Prefix: id + "/"})
	if err != nil {
		return fmt.Errorf("list launched jobs: %w", err)
	}
	rows := []string{row("ID", "Status", "Submit Date")}
	for _, j := range present(all) {
		if j.ParentID == id {
			rows = append(rows, row(j.ID, jobState(j.Status, j.Stop), p.s.nanos(j.SubmitTime, p.verbose)))
		}
	}
	p.s.section(title)
	if len(rows) == 1 {
		p.s.printf("None yet\n")
		return nil
	}
	p.s.table(rows)
	return nil
}
