package httpapi

import (
	"fmt"
	"net/http"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
)

// mayUse reports whether the caller may submit a job that uses what this one does:
// who may submit jobs may not yet mount every volume. The error says what is missing.
// It asks about the job's namespace again, as it was settled: a body that says it twice
// must not be judged by the one and stored in the other.
func (r *request) mayUse(job *api.Job) error {
	ns := value(job.Namespace)
	if !r.sees(ns) {
		return errDenied
	}
	for _, g := range job.TaskGroups {
		if g == nil {
			continue
		}
		for _, v := range g.Volumes {
			if v == nil {
				continue
			}
			mount := acl.MountReadWrite
			if v.ReadOnly {
				mount = acl.MountReadOnly
			}
			switch v.Type {
			case "csi":
				if !r.may(ns, acl.CSIMountVolume) {
					return denied("group %q mounts a CSI volume, which takes %s in namespace %q", value(g.Name), acl.CSIMountVolume, ns)
				}
			default: // host
				if !r.rights().AllowHostVolume(v.Source, mount) {
					return denied("group %q mounts the host volume %q, which takes %s of it", value(g.Name), v.Source, mount)
				}
			}
		}
		for _, t := range g.Tasks {
			if t != nil && t.CSIPluginConfig != nil && !r.may(ns, acl.CSIRegisterPlugin) {
				return denied("task %q is a CSI plugin, which takes %s in namespace %q", t.Name, acl.CSIRegisterPlugin, ns)
			}
		}
	}
	return nil
}

// denied is a refusal that may say why: what the request itself says is no secret.
func denied(format string, args ...any) error {
	return &Error{http.StatusForbidden, errDenied.Text + ": " + fmt.Sprintf(format, args...)}
}
