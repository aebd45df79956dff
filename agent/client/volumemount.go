package client

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// mount is a host volume as a task finds it: a symbolic link in the task's directory,
// and a variable with the path. Drivers without isolation have no other way; so what
// is mounted read-only is not protected from the task.
type mount struct {
	volume      string // the group's name for it
	source      string // the directory on the node
	destination string // below the task's directory
}

// volumeSources are the names of the host volumes that the allocation asks for.
func (a *alloc) volumeSources() []string {
	var names []string
	for _, v := range a.group.Volumes {
		if v != nil && v.Type == api.CSIVolumeTypeHost {
			names = append(names, a.volumeSource(v))
		}
	}
	return names
}

// volumeSource is the volume's name on the node; one per allocation carries its index.
func (a *alloc) volumeSource(v *api.VolumeRequest) string {
	if v.PerAlloc {
		return v.Source + "[" + allocIndex(a.want.Name) + "]"
	}
	return v.Source
}

// mounts are the volumes of a task. The scheduler chose a node that has them; an
// error says which is gone since.
func (t *task) mounts() ([]mount, error) {
	var out []mount
	for _, m := range t.spec.VolumeMounts {
		if m == nil {
			continue
		}
		v := t.a.group.Volumes[text(m.Volume, "")]
		if v == nil || v.Type != api.CSIVolumeTypeHost {
			return nil, fmt.Errorf("mount volume %q: the group has no host volume of that name", text(m.Volume, ""))
		}
		source := t.a.volumeSource(v)
		info := t.a.shared.volumes()[source]
		if info == nil {
			return nil, fmt.Errorf("mount volume %q: this node has no host volume %q any more", v.Name, source)
		}
		if info.ReadOnly && !v.ReadOnly {
			return nil, fmt.Errorf("mount volume %q: host volume %q is read-only here: set read_only = true in the group's volume block", v.Name, source)
		}
		out = append(out, mount{volume: text(m.Volume, ""), source: info.Path, destination: text(m.Destination, "")})
	}
	return out, nil
}

// mountAll makes the links; those of an earlier run are replaced. Nothing outside
// the task's directory is touched, whatever the task has made in it.
func mountAll(taskDir string, mounts []mount) error {
	if len(mounts) == 0 {
		return nil
	}
	root, err := os.OpenRoot(taskDir)
	if err != nil {
		return fmt.Errorf("mount volumes: %w", err)
	}
	defer root.Close()
	for _, m := range mounts {
		if err := m.link(root); err != nil {
			return fmt.Errorf("mount volume %q at %s: %w", m.volume, m.destination, err)
		}
	}
	return nil
}

func (m mount) link(root *os.Root) error {
	if info, err := os.Stat(m.source); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no directory of this node", m.source)
	}
	at := strings.TrimPrefix(path.Clean("/"+m.destination), "/")
	if at == "" {
		return errors.New("the destination is the task's directory itself: name one below it")
	}
	if dir := filepath.Dir(at); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if info, err := root.Lstat(at); err == nil && info.Mode()&os.ModeSymlink != 0 {
		if err := root.Remove(at); err != nil {
			return err
		}
	}
	return root.Symlink(m.source, at)
}
