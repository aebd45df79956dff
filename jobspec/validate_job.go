package jobspec

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/cronexpr"
	"github.com/hashicorp/nomad/api"
)

// plainName reports whether is may name a namespace, a node pool or a port. A loop
// and not an expression with {1,128}: that compiles to 60 KiB at the start of
// every process, the supervisors among them.
func plainName(is string) bool {
	for _, c := range []byte(is) {
		if !letterOrDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return len(is) >= 1 && len(is) <= 128
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (c checker) poolName(what, is string) {
	if !plainName(is) {
		c.errorf("%s %q must be 1 to 128 letters, digits, _ or -", what, is)
	}
}

// jobKind is what the four types of job have in common or not.
type jobKind struct {
	perNode bool // runs once on every node instead of count times
	ends    bool // runs to its end instead of forever
}

var jobKinds = map[string]jobKind{
	api.JobTypeService:  {},
	api.JobTypeBatch:    {ends: true},
	api.JobTypeSystem:   {perNode: true},
	api.JobTypeSysbatch: {perNode: true, ends: true},
}

// job judges a whole job.
func (c checker) job(job *api.Job) {
	c.name("job ID", or(job.ID), " ")
	c.name("job name", or(job.Name), "")
	c.name("region", or(job.Region), "/")
	c.poolName("namespace", or(job.Namespace))
	c.poolName("node_pool", or(job.NodePool))
	c.oneOf("type", or(job.Type), keys(jobKinds)...)
	if p := or(job.Priority); p < 1 || p > c.limits.MaxPriority {
		c.errorf("priority must be between 1 and %d (is %d)", c.limits.MaxPriority, p)
	}
	if len(job.Datacenters) == 0 {
		c.errorf(`datacenters is empty; name one or more, or write ["*"] for all`)
	}
	if slices.Contains(job.Datacenters, "") {
		c.errorf("datacenters holds an empty name")
	}
	c.meta(job.Meta)
	c.ownMeta(job.Meta, true)
	c.carriedOnly(job)
	c.periodic(job)
	c.parameterized(job)
	c.constraints(job.Constraints, job.Affinities, job.Spreads)
	c.groups(job)
}

// groups judges what groups have to be together, then each of them.
func (c checker) groups(job *api.Job) {
	if len(job.TaskGroups) == 0 {
		c.errorf(`the job has no group; write group "name" { task ... }`)
	}
	kind := jobKinds[or(job.Type)]
	if kind.perNode && (len(job.Affinities) > 0 || len(job.Spreads) > 0) {
		c.errorf("affinity and spread have no place in a %s job, which runs on every node that fits", or(job.Type))
	}
	seen := map[string]bool{}
	total := 0
	for i, group := range job.TaskGroups {
		if group == nil {
			c.errorf("group %d is null", i+1)
			continue
		}
		name := or(group.Name)
		if seen[name] && name != "" {
			c.errorf("group %q exists twice", name)
		}
		seen[name] = true
		if count := or(group.Count); count > 0 {
			total += min(count, c.limits.MaxCount+1) // cannot overflow: the number of tasks is bounded
		}
		c.in("group %q", name).group(job, group, kind)
	}
	if total > c.limits.MaxCount {
		c.errorf("the counts of all groups sum up to more than the limit of %d", c.limits.MaxCount)
	}
}

// periodic judges when a job is to be launched.
func (c checker) periodic(job *api.Job) {
	p := job.Periodic
	if p == nil {
		return
	}
	c = c.in("periodic")
	if t := or(job.Type); !jobKinds[t].ends {
		c.errorf("only batch and sysbatch jobs can be periodic (is %s)", t)
	}
	if job.ParameterizedJob != nil {
		c.errorf("a job is either periodic or parameterized")
	}
	c.oneOf("spec_type", or(p.SpecType), api.PeriodicSpecCron)
	specs := slices.Clone(p.Specs)
	if or(p.Spec) != "" {
		specs = append(specs, or(p.Spec))
	}
	switch {
	case len(specs) == 0:
		c.errorf("cron or crons is needed")
	case or(p.Spec) != "" && len(p.Specs) > 0:
		c.errorf("use either cron or crons")
	}
	for _, spec := range specs {
		if err := checkCron(spec); err != nil {
			c.errorf("cron %q: %s", spec, err)
		}
	}
	if _, err := p.GetLocation(); err != nil {
		c.errorf("time_zone %q is not known", or(p.TimeZone))
	}
}

// checkCron parses a cron expression and looks whether it ever comes due.
func checkCron(spec string) (err error) {
	defer func() {
		if r := recover(); r != nil { // the library panics on some expressions
			err = fmt.Errorf("not a cron expression")
		}
	}()
	expr, err := cronexpr.Parse(spec)
	if err != nil {
		return err
	}
	// Any instant will do; one is fixed so that the answer never changes.
	if expr.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fmt.Errorf("never comes due")
	}
	return nil
}

// parameterized judges what a dispatch may bring.
func (c checker) parameterized(job *api.Job) {
	p := job.ParameterizedJob
	if p == nil {
		return
	}
	c = c.in("parameterized")
	if t := or(job.Type); !jobKinds[t].ends {
		c.errorf("only batch and sysbatch jobs can be parameterized (is %s)", t)
	}
	c.oneOf("payload", p.Payload, "", "optional", "required", "forbidden")
	seen := map[string]bool{}
	for _, key := range slices.Concat(p.MetaRequired, p.MetaOptional) {
		if key == "" {
			c.errorf("meta_required and meta_optional cannot hold an empty name")
		}
		if seen[key] {
			c.errorf("meta key %q is listed twice", key)
		}
		seen[key] = true
	}
}
