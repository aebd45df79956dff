package jobspec

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// maxMB and maxMHz bound single requests (a pebibyte, a petahertz), so that no
// sum of requests overflows.
const (
	maxMB  = 1 << 30
	maxMHz = 1 << 30
)

// signalName is how signals are spelled.
var signalName = regexp.MustCompile(`^SIG[A-Z0-9+-]+$`)

// neededConfig is the one key that a driver cannot do without.
var neededConfig = map[string]string{"raw_exec": "command", "exec": "command", "docker": "image"}

// task judges one task.
func (c checker) task(job *api.Job, g *api.TaskGroup, t *api.Task) {
	c.name("name", t.Name, `/\`)
	if t.Name == "alloc" || t.Name == "." || t.Name == ".." {
		c.errorf("a task cannot have this name, which is a directory of every allocation")
	}
	if t.Driver == "" {
		c.errorf(`driver is missing; write driver = "raw_exec", "exec" or "docker"`)
	}
	if key := neededConfig[t.Driver]; key != "" && t.Config[key] == nil {
		c.warnf("config has no %s, which the driver %s needs", key, t.Driver)
	}
	if d := or(t.KillTimeout); d < 0 {
		c.errorf("kill_timeout cannot be negative (is %s)", d)
	}
	if t.ShutdownDelay < 0 {
		c.errorf("shutdown_delay cannot be negative (is %s)", t.ShutdownDelay)
	}
	if t.KillSignal != "" && !atRuntime(t.KillSignal) && !signalName.MatchString(t.KillSignal) {
		c.errorf("kill_signal %q is not the name of a signal, such as SIGTERM", t.KillSignal)
	}
	for _, key := range keys(t.Env) {
		if key == "" || strings.ContainsAny(key, "\x00=") || strings.Contains(t.Env[key], "\x00") {
			c.errorf("env %q: names cannot be empty or hold =, and nothing can hold NUL", key)
		}
	}
	c.taskMeta(t.Meta)
	c.constraints(t.Constraints, t.Affinities, nil)
	if jobKinds[or(job.Type)].perNode && len(t.Affinities) > 0 {
		c.errorf("affinity has no place in a %s job, which runs on every node that fits", or(job.Type))
	}
	c.in("resources").resources(t.Resources)
	if !reflect.DeepEqual(t.RestartPolicy, g.RestartPolicy) { // else inherited, and judged there
		c.in("restart").restart(t.RestartPolicy)
	}
	c.logs(t.LogConfig, g.EphemeralDisk)
	c.identities(t)
	if t.Lifecycle != nil {
		c.in("lifecycle").oneOf("hook", t.Lifecycle.Hook, api.TaskLifecycleHookPrestart, api.TaskLifecycleHookPoststart, api.TaskLifecycleHookPoststop)
	}
	c.services(t.Services, g, t)
	c.files(job, g, t)
	c.actions(t)
}

// resources judges what a task asks a node for.
func (c checker) resources(r *api.Resources) {
	if r == nil {
		return // not canonicalized: defaults will do
	}
	cores := or(r.Cores)
	c.within("cores", cores, 0, 1<<16)
	switch {
	case cores == 0:
		c.within("cpu", or(r.CPU), 1, maxMHz)
	case or(r.CPU) != 0:
		c.errorf("cpu and cores exclude each other")
	}
	c.within("memory", or(r.MemoryMB), 10, maxMB)
	most := or(r.MemoryMaxMB)
	switch {
	case most < -1 || most > maxMB:
		c.errorf("memory_max must be between 1 and %d, or -1 for no limit (is %d)", maxMB, most)
	case most > 0 && most < or(r.MemoryMB):
		c.errorf("memory_max must be at least memory (is %d, memory is %d)", most, or(r.MemoryMB))
	}
	c.within("disk", or(r.DiskMB), 0, maxMB)
	c.within("iops", or(r.IOPS), 0, maxMB)
	c.numa(r)
	for _, d := range r.Devices {
		if d == nil {
			continue
		}
		c := c.in("device %q", d.Name)
		c.name("name", d.Name, "")
		if d.Count != nil && *d.Count == 0 {
			c.errorf("count must be at least 1 (is 0)")
		}
		c.constraints(d.Constraints, d.Affinities, nil)
	}
}

// within reports a number outside of its range; the upper end is a guard
// against nonsense and named only when it is passed.
func (c checker) within(name string, is, least, most int) {
	c.atLeast(name, is, least)
	if is > most {
		c.errorf("%s must be at most %d (is %d)", name, most, is)
	}
}

// logs judges the room for a task's output, which the group's disk holds.
func (c checker) logs(l *api.LogConfig, disk *api.EphemeralDisk) {
	if l == nil || or(l.Disabled) {
		return
	}
	c = c.in("logs")
	files, size := or(l.MaxFiles), or(l.MaxFileSizeMB)
	c.within("max_files", files, 1, 1<<15)
	c.within("max_file_size", size, 1, 1<<15)
	if disk == nil || or(disk.SizeMB) <= 0 || files < 1 || size < 1 || files > 1<<15 || size > 1<<15 {
		return // reported above, or unknown
	}
	if files*size > *disk.SizeMB {
		c.errorf("%d files of %d MB do not fit into the ephemeral_disk of the group (%d MB)", files, size, *disk.SizeMB)
	}
}

// files judges what is put into the task's directory before it starts.
func (c checker) files(job *api.Job, g *api.TaskGroup, t *api.Task) {
	if t.DispatchPayload != nil {
		c := c.in("dispatch_payload")
		if job.ParameterizedJob == nil {
			c.errorf("the job is not parameterized, so there is never a payload")
		}
		c.inside("file", t.DispatchPayload.File)
	}
	for i, m := range t.VolumeMounts {
		if m == nil {
			continue
		}
		c := c.in("volume_mount %d", i+1)
		if _, ok := g.Volumes[or(m.Volume)]; !ok {
			c.errorf("volume %q is not declared in the group", or(m.Volume))
		}
		if or(m.Destination) == "" {
			c.errorf("destination is missing")
		}
		c.oneOf("propagation_mode", or(m.PropagationMode), "", api.VolumeMountPropagationPrivate, api.VolumeMountPropagationHostToTask, api.VolumeMountPropagationBidirectional)
	}
	for i, a := range t.Artifacts {
		if a == nil {
			continue
		}
		c := c.in("artifact %d", i+1)
		if or(a.GetterSource) == "" {
			c.errorf("source is missing")
		}
		c.oneOf("mode", or(a.GetterMode), "", "any", "file", "dir")
		c.inside("destination", or(a.RelativeDest))
	}
	for i, tmpl := range t.Templates {
		if tmpl != nil {
			c.in("template %d", i+1).template(tmpl)
		}
	}
}

// inside judges a path that must stay inside the directory of the allocation.
func (c checker) inside(name, path string) {
	switch {
	case path == "":
		c.errorf("%s is missing", name)
	case atRuntime(path):
	case strings.HasPrefix(path, "/") || strings.Contains("/"+path+"/", "/../"):
		c.errorf("%s %q leads out of the task's directory", name, path)
	}
}

func (c checker) template(t *api.Template) {
	c.inside("destination", or(t.DestPath))
	if (or(t.SourcePath) == "") == (or(t.EmbeddedTmpl) == "") {
		c.errorf("exactly one of source and data is needed")
	}
	c.oneOf("change_mode", or(t.ChangeMode), "", "restart", "noop", "signal", "script")
	if or(t.ChangeMode) == "script" && (t.ChangeScript == nil || or(t.ChangeScript.Command) == "") {
		c.errorf(`change_mode "script" needs change_script with a command`)
	}
	if perms := or(t.Perms); perms != "" && !atRuntime(perms) {
		if _, err := strconv.ParseUint(perms, 8, 12); err != nil {
			c.errorf("perms must be file permissions in octal, such as \"0644\" (is %q)", perms)
		}
	}
	if d := or(t.Splay); d < time.Duration(0) {
		c.errorf("splay cannot be negative (is %s)", d)
	}
	if w := t.Wait; w != nil && or(w.Max) > 0 && or(w.Min) > or(w.Max) {
		c.errorf("wait: min must be at most max (is %s, max is %s)", or(w.Min), or(w.Max))
	}
}
