package jobspec

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

var jobType = reflect.TypeFor[api.Job]()

// attributeHabits are attributes that set more than one field, by type and name.
var attributeHabits = map[reflect.Type]map[string]func(dst any, name string, val cty.Value) error{
	reflect.TypeFor[api.Constraint](): {
		"distinct_hosts":    constraintFlag,
		"distinct_property": distinctProperty,
		"is_set":            constraintFlag,
		"is_not_set":        constraintFlag,
		"regexp":            constraintValue,
		"version":           constraintValue,
		"semver":            constraintValue,
		"set_contains":      constraintValue,
		"set_contains_all":  constraintValue,
		"set_contains_any":  constraintValue,
	},
	reflect.TypeFor[api.Affinity](): {
		"regexp":           affinityValue,
		"version":          affinityValue,
		"semver":           affinityValue,
		"set_contains":     affinityValue,
		"set_contains_all": affinityValue,
		"set_contains_any": affinityValue,
	},
}

// constraintFlag is `distinct_hosts = true`.
func constraintFlag(dst any, name string, val cty.Value) error {
	b, err := convert.Convert(val, cty.Bool)
	if err != nil || b.IsNull() {
		return errors.New("true or false expected")
	}
	if b.False() && name != api.ConstraintDistinctHosts {
		return errors.New("can only be true; leave the constraint out, or use its opposite")
	}
	c := dst.(*api.Constraint)
	c.Operand = name
	if name == api.ConstraintDistinctHosts {
		c.RTarget = strconv.FormatBool(b.True())
	}
	return nil
}

// distinctProperty is `distinct_property = "${meta.rack}"`, with an optional
// value beside it: how many allocations may share one.
func distinctProperty(dst any, name string, val cty.Value) error {
	s, err := stringOf(val)
	c := dst.(*api.Constraint)
	c.Operand, c.LTarget = name, s
	return err
}

// constraintValue is `version = ">= 1.2"`, the operator as the name.
func constraintValue(dst any, name string, val cty.Value) error {
	s, err := stringOf(val)
	c := dst.(*api.Constraint)
	c.Operand, c.RTarget = name, s
	return err
}

func affinityValue(dst any, name string, val cty.Value) error {
	s, err := stringOf(val)
	a := dst.(*api.Affinity)
	a.Operand, a.RTarget = name, s
	return err
}

func stringOf(val cty.Value) (string, error) {
	s, err := convert.Convert(val, cty.String)
	if err != nil || s.IsNull() {
		return "", fmt.Errorf("a string expected, not %s", val.Type().FriendlyName())
	}
	return s.AsString(), nil
}

// blockHabit decodes a block that does not end up in the field of its name.
type blockHabit func(b block, dst any)

// blockHabits are the block habits by the type of the block around and the name.
func (d *decoder) blockHabits() map[reflect.Type]map[string]blockHabit {
	return map[reflect.Type]map[string]blockHabit{
		jobType: {
			"task":   d.jobTask,
			"vault":  d.sharedVault,
			"secret": d.sharedSecret,
			"heal":   d.ownBlock, "ingress": d.ownBlock, "analysis": d.ownBlock,
		},
		reflect.TypeFor[api.TaskGroup](): {
			"vault": d.sharedVault, "secret": d.sharedSecret,
			"heal": d.ownGroupBlock, "ingress": d.ownGroupBlock, "analysis": d.ownGroupBlock,
		},
		reflect.TypeFor[api.Task]():            {"identity": d.identity, "scaling": d.taskScaling},
		reflect.TypeFor[api.NetworkResource](): {"port": d.port},
		reflect.TypeFor[api.Resources]():       {"network": d.taskNetwork},
	}
}

// jobTask puts a task that stands directly in the job into a group of its own.
func (d *decoder) jobTask(b block, dst any) {
	task := &api.Task{}
	d.structure(b, reflect.ValueOf(task).Elem())
	job := dst.(*api.Job)
	job.TaskGroups = append(job.TaskGroups, &api.TaskGroup{Name: new(task.Name), Tasks: []*api.Task{task}})
}

// shared is what stands once in the job or in a group for every task below it.
type shared struct {
	vault   *api.Vault
	secrets []*api.Secret
}

// sharedBy is what the job or the group dst shares with its tasks.
func (d *decoder) sharedBy(dst any) *shared {
	group, _ := dst.(*api.TaskGroup)
	if d.shared[group] == nil {
		if d.shared == nil {
			d.shared = map[*api.TaskGroup]*shared{}
		}
		d.shared[group] = &shared{}
	}
	return d.shared[group]
}

// sharedVault remembers a vault block for every task below that has none of its own.
func (d *decoder) sharedVault(b block, dst any) {
	d.block(b, reflect.ValueOf(&d.sharedBy(dst).vault).Elem())
}

// sharedSecret remembers a secret block for every task below.
func (d *decoder) sharedSecret(b block, dst any) {
	d.block(b, reflect.ValueOf(&d.sharedBy(dst).secrets).Elem())
}

// shareWithTasks copies what stands once in the job or in a group into its tasks.
func (d *decoder) shareWithTasks(job *api.Job) {
	ofJob := d.sharedBy(job)
	for _, group := range job.TaskGroups {
		ofGroup := d.sharedBy(group)
		vault := cmp.Or(ofGroup.vault, ofJob.vault)
		for _, task := range group.Tasks {
			if task.Vault == nil && vault != nil {
				task.Vault = new(*vault)
			}
			for _, secret := range slices.Concat(ofGroup.secrets, ofJob.secrets) {
				task.Secrets = append(task.Secrets, new(*secret))
			}
		}
	}
}

// identity tells the default identity from the named ones.
func (d *decoder) identity(b block, dst any) {
	id := &api.WorkloadIdentity{}
	d.structure(b, reflect.ValueOf(id).Elem())
	task := dst.(*api.Task)
	if id.Name == "" || id.Name == "default" {
		task.Identity = id
		return
	}
	task.Identities = append(task.Identities, id)
}

// verticalTypes are what the label of a scaling block in a task stands for: it is
// the size of the task that is scaled, not their number.
var verticalTypes = map[string]string{"cpu": "vertical_cpu", "mem": "vertical_mem"}

// taskScaling reads scaling "cpu" { } and scaling "mem" { }, whose label becomes the type.
func (d *decoder) taskScaling(b block, dst any) {
	if len(b.Labels) != 1 || verticalTypes[b.Labels[0]] == "" {
		d.fail(b.TypeRange, "scaling in a task takes one label", `write scaling "cpu" { } or scaling "mem" { }`)
		return
	}
	policy := &api.ScalingPolicy{}
	unlabelled := *b.Block
	unlabelled.Labels, unlabelled.LabelRanges = nil, nil
	d.structure(block{&unlabelled, b.ctx}, reflect.ValueOf(policy).Elem())
	policy.Type = verticalTypes[b.Labels[0]]
	task := dst.(*api.Task)
	task.ScalingPolicies = append(task.ScalingPolicies, policy)
}

// taskNetwork reads network in resources, where old job files have it.
func (d *decoder) taskNetwork(b block, dst any) {
	d.diags = append(d.diags, Diagnostic{
		Severity: Warning, Summary: "network in resources is deprecated", Detail: "write it in the group, whose tasks share it",
	}.at(b.TypeRange))
	d.block(b, reflect.ValueOf(&dst.(*api.Resources).Networks).Elem())
}

// port tells static ports from those that the scheduler picks.
func (d *decoder) port(b block, dst any) {
	var port api.Port
	d.structure(b, reflect.ValueOf(&port).Elem())
	network := dst.(*api.NetworkResource)
	if port.Value != 0 {
		network.ReservedPorts = append(network.ReservedPorts, port)
		return
	}
	network.DynamicPorts = append(network.DynamicPorts, port)
}

// finishers complete a struct after its block was read.
var finishers = map[reflect.Type]func(dst any){
	reflect.TypeFor[api.Template]():       func(dst any) { finishTemplate(dst.(*api.Template)) },
	reflect.TypeFor[api.PeriodicConfig](): func(dst any) { finishPeriodic(dst.(*api.PeriodicConfig)) },
	reflect.TypeFor[api.Constraint]():     func(dst any) { defaultTo(&dst.(*api.Constraint).Operand, "=") },
	reflect.TypeFor[api.Affinity]():       func(dst any) { defaultTo(&dst.(*api.Affinity).Operand, "=") },
}

func finishTemplate(t *api.Template) {
	if t.ChangeMode == nil {
		t.ChangeMode = new("restart")
	}
	if t.Perms == nil {
		t.Perms = new("0644")
	}
	if t.Splay == nil {
		t.Splay = new(5 * time.Second)
	}
	if t.ChangeScript != nil && t.ChangeScript.Timeout == nil {
		t.ChangeScript.Timeout = new(5 * time.Second)
	}
}

func finishPeriodic(p *api.PeriodicConfig) {
	if p.SpecType == nil {
		p.SpecType = new(api.PeriodicSpecCron)
	}
}

func defaultTo(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
