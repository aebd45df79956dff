package client

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// mkdirPlugin is the one way in which this node makes host volumes: a directory.
const mkdirPlugin = "mkdir"

// hostVolumes are the configured host volumes and those that the node was told of. A
// configured one wins its name.
func (c *Client) hostVolumes(told map[string]*api.HostVolume) map[string]*api.HostVolumeInfo {
	out := map[string]*api.HostVolumeInfo{}
	for _, id := range slices.Sorted(maps.Keys(told)) {
		v := told[id]
		out[v.Name] = &api.HostVolumeInfo{Path: v.HostPath, ID: v.ID, ReadOnly: readOnlyVolume(v)}
	}
	maps.Copy(out, c.cfg.HostVolumes)
	return out
}

// readOnlyVolume: every capability of the volume only reads.
func readOnlyVolume(v *api.HostVolume) bool {
	for _, capability := range v.RequestedCapabilities {
		if capability == nil || capability.AccessMode != api.HostVolumeAccessModeSingleNodeReader {
			return false
		}
	}
	return len(v.RequestedCapabilities) > 0
}

// CreateHostVolume makes a directory for the volume below the volumes' directory of
// this node, and tells servers of it. The same ID again changes nothing but what is
// known of the volume. It returns the volume with where it is.
func (c *Client) CreateHostVolume(v *api.HostVolume) (*api.HostVolume, error) {
	if !validAllocID(v.ID) {
		return nil, badRequest("host volume ID %q is not a UUID", v.ID)
	}
	if v.PluginID != mkdirPlugin {
		return nil, badRequest("this node has no host volume plugin %q: use %q", v.PluginID, mkdirPlugin)
	}
	mode, err := mkdirMode(v.Parameters)
	if err != nil {
		return nil, fmt.Errorf("create host volume: %w", err)
	}
	made := *v
	made.HostPath = filepath.Join(c.cfg.VolumesDir, v.ID)
	made.CapacityBytes = 0 // nothing holds a directory to a size
	if err := errors.Join(os.MkdirAll(made.HostPath, 0o700), os.Chmod(made.HostPath, mode)); err != nil {
		return nil, fmt.Errorf("create host volume: %w", err)
	}
	kept, err := c.keepVolume(&made)
	if err != nil {
		_ = os.Remove(made.HostPath) // only if it is empty: it may be that of an earlier call
	}
	return kept, err
}

// RegisterHostVolume tells servers of a directory that is there already.
func (c *Client) RegisterHostVolume(v *api.HostVolume) (*api.HostVolume, error) {
	if !validAllocID(v.ID) {
		return nil, badRequest("host volume ID %q is not a UUID", v.ID)
	}
	info, err := os.Stat(v.HostPath)
	switch {
	case !filepath.IsAbs(v.HostPath):
		return nil, badRequest("host_path %q is not an absolute path", v.HostPath)
	case err != nil:
		return nil, badRequest("host_path: %v", err)
	case !info.IsDir():
		return nil, badRequest("host_path %q is not a directory", v.HostPath)
	}
	return c.keepVolume(v)
}

// keepVolume remembers the volume under its name, which must be free.
func (c *Client) keepVolume(v *api.HostVolume) (*api.HostVolume, error) {
	kept := *v
	err := c.tell(func(t *told) error {
		if _, taken := c.cfg.HostVolumes[v.Name]; taken {
			return &Error{http.StatusConflict, fmt.Sprintf("the node's configuration has a host volume %q: choose another name", v.Name)}
		}
		for id, other := range t.Volumes {
			if other.Name == v.Name && id != v.ID {
				return &Error{http.StatusConflict, fmt.Sprintf("the node has a host volume %q already: delete it (%s), or choose another name or node", v.Name, id)}
			}
		}
		t.Volumes[v.ID] = &kept
		return nil
	})
	return &kept, err
}

// DeleteHostVolume forgets a volume, and removes its directory if this node made it.
// A volume that is in use is kept. An unknown one is none any more.
func (c *Client) DeleteHostVolume(id string) error {
	if !validAllocID(id) {
		return badRequest("host volume ID %q is not a UUID", id)
	}
	return c.tell(func(t *told) error {
		v := t.Volumes[id]
		if v == nil {
			return nil
		}
		if user := c.volumeUser(v.Name); user != "" {
			return &Error{http.StatusConflict, fmt.Sprintf("host volume %q is in use by allocation %s: stop it first", v.Name, user)}
		}
		if v.HostPath == filepath.Join(c.cfg.VolumesDir, id) {
			if err := os.RemoveAll(v.HostPath); err != nil {
				return fmt.Errorf("delete host volume: %w", err)
			}
		}
		delete(t.Volumes, id)
		return nil
	})
}

// volumeUser is an allocation of this node that runs with the volume, "" none.
func (c *Client) volumeUser(name string) string {
	for _, a := range c.all() {
		uses := false
		err := a.call(func() error {
			uses = !a.terminal() && slices.Contains(a.volumeSources(), name)
			return nil
		})
		if err == nil && uses {
			return a.id
		}
	}
	return ""
}

// mkdirMode is the directory's mode: parameter "mode" in octal, 0700 by default, as
// the documentation of Nomad's plugin of this name has it.
func mkdirMode(parameters map[string]string) (os.FileMode, error) {
	text, given := parameters["mode"]
	if !given {
		return 0o700, nil
	}
	var mode uint32
	if n, err := fmt.Sscanf(text, "%o", &mode); n != 1 || err != nil || mode > 0o777 {
		return 0, &Error{http.StatusBadRequest, fmt.Sprintf("parameter mode %q is not an octal number from 0 to 777", text)}
	}
	return os.FileMode(mode), nil
}
