package command

import (
	"fmt"

	"github.com/hashicorp/nomad/api"
)

// jobBundle is what job status -json and -t show of one job: the job's own fields,
// and beside them what the page shows. Scripts expect a list of such bundles, also
// for one job: jq -r '.[].Allocations[].ID'.
type jobBundle struct {
	*api.Job
	Summary          *api.JobSummary
	Allocations      []*api.AllocationListStub
	Evaluations      []*api.Evaluation
	LatestDeployment *api.Deployment
}

// bundle reads all about one job.
func (p *jobPage) bundle(job *api.Job) ([]jobBundle, error) {
	b := jobBundle{Job: job}
	var err error
	if b.Summary, _, err = p.c.Jobs().Summary(*job.ID, p.q); err != nil {
		return nil, fmt.Errorf("read job summary: %w", err)
	}
	if b.Allocations, _, err = p.c.Jobs().Allocations(*job.ID, p.all, p.q); err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	if b.Evaluations, _, err = p.c.Jobs().Evaluations(*job.ID, p.q); err != nil {
		return nil, fmt.Errorf("list evaluations: %w", err)
	}
	b.LatestDeployment, _, err = p.c.Jobs().LatestDeployment(*job.ID, p.q)
	if err != nil && !isStatus(err, 404) {
		return nil, fmt.Errorf("read latest deployment: %w", err)
	}
	return []jobBundle{b}, nil
}
