package client

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// refusedWith is the status of a refusal, 0 for other errors.
func refusedWith(err error) int {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

func TestNodeMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		n.cfg = func(c *Config) { c.Meta = map[string]string{"rack": "r1", "zone": "a"} }
		n.boot()
		static := map[string]string{"connect.log_level": "info", "connect.proxy_concurrency": "1", "rack": "r1", "zone": "a"}
		if got := n.client.NodeMeta(); !cmp.Equal(got.Meta, static) || !cmp.Equal(got.Static, static) || len(got.Dynamic) != 0 {
			t.Errorf("at first: %+v", got)
		}
		if _, err := n.client.ApplyNodeMeta(map[string]*string{"a b": new("x")}); refusedWith(err) != 400 {
			t.Errorf("a key with a space: %v", err)
		}
		if _, err := n.client.ApplyNodeMeta(map[string]*string{"zone": nil, "rack": new("r2"), "new": new("1"), "never": nil}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := map[string]string{"connect.log_level": "info", "connect.proxy_concurrency": "1", "rack": "r2", "new": "1"}
		nodes := servers.registered()
		if last := nodes[len(nodes)-1]; !cmp.Equal(last.Meta, want) {
			t.Errorf("registered with %v, want %v", last.Meta, want)
		}
		// It outlives the agent, and a look at the machine.
		n.crash()
		n.boot()
		time.Sleep(2 * time.Minute)
		got := n.client.NodeMeta()
		if !cmp.Equal(got.Meta, want) || len(got.Dynamic) != 3 || got.Dynamic["zone"] != nil || !cmp.Equal(got.Static, static) {
			t.Errorf("after a restart: %+v", got)
		}
		if _, err := n.client.ApplyNodeMeta(map[string]*string{"new": nil}); err != nil { // not configured: forgotten
			t.Fatal(err)
		}
		if got := n.client.NodeMeta(); len(got.Dynamic) != 2 {
			t.Errorf("a key that was taken away again: %v", got.Dynamic)
		}
		n.end()
	})
}

func TestHostVolumesOfTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newFakeServers()
		n := newNode(t, servers)
		there := t.TempDir()
		n.cfg = func(c *Config) { c.HostVolumes = map[string]*api.HostVolumeInfo{"fixed": {Path: there}} }
		n.boot()
		made, err := n.client.CreateHostVolume(&api.HostVolume{ID: allocID(7), Name: "data", PluginID: "mkdir", Parameters: map[string]string{"mode": "0750"}})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(made.HostPath)
		if err != nil || !info.IsDir() || info.Mode().Perm() != 0o750 {
			t.Errorf("its directory: %v %v", info, err)
		}
		for _, tc := range []struct {
			volume api.HostVolume
			code   int
		}{
			{api.HostVolume{ID: "../../etc", Name: "x", PluginID: "mkdir"}, 400},
			{api.HostVolume{ID: allocID(8), Name: "x", PluginID: "zfs"}, 400},
			{api.HostVolume{ID: allocID(8), Name: "x", PluginID: "mkdir", Parameters: map[string]string{"mode": "rwx"}}, 0},
			{api.HostVolume{ID: allocID(8), Name: "data", PluginID: "mkdir"}, 409},
			{api.HostVolume{ID: allocID(8), Name: "fixed", PluginID: "mkdir"}, 409},
		} {
			if _, err := n.client.CreateHostVolume(&tc.volume); err == nil || refusedWith(err) != tc.code && tc.code != 0 {
				t.Errorf("create %+v: %v, want %d", tc.volume, err, tc.code)
			}
		}
		if _, err := n.client.RegisterHostVolume(&api.HostVolume{ID: allocID(9), Name: "old", HostPath: there + "/nope"}); refusedWith(err) != 400 {
			t.Errorf("register what is not there: %v", err)
		}
		if _, err := n.client.RegisterHostVolume(&api.HostVolume{ID: allocID(9), Name: "old", HostPath: there}); err != nil {
			t.Fatal(err)
		}
		n.crash()
		n.boot() // the volumes outlive the agent
		want := map[string]*api.HostVolumeInfo{
			"data": {Path: made.HostPath, ID: allocID(7)}, "old": {Path: there, ID: allocID(9)}, "fixed": {Path: there},
		}
		if diff := cmp.Diff(want, n.client.Node().HostVolumes); diff != "" {
			t.Errorf("offered: %s", diff)
		}
		for _, id := range []string{allocID(7), allocID(9), allocID(9)} { // the second time it is gone already
			if err := n.client.DeleteHostVolume(id); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(made.HostPath); !os.IsNotExist(err) {
			t.Errorf("the directory that the node made: %v", err)
		}
		if _, err := os.Stat(there); err != nil {
			t.Errorf("the directory that was there before: %v", err)
		}
		n.end()
	})
}

// TestTaskWithVolumeExecAndSnapshot: a real task finds its volume, a command runs beside
// it, and its files can be carried away.
func TestTaskWithVolumeExecAndSnapshot(t *testing.T) {
	m := newRealNode(t)
	c, end := m.agent()
	defer end()
	volume, err := c.CreateHostVolume(&api.HostVolume{ID: allocID(7), Name: "disk[0]", PluginID: "mkdir"})
	if err != nil {
		t.Fatal(err)
	}
	task := rawTask("web", "echo kept > data/in/file", "echo local > local/note", "ln -s /etc/passwd local/link", "echo ready", "exec sleep 3600")
	task.VolumeMounts = []*api.VolumeMount{{Volume: new("v"), Destination: new("/data/in")}}
	task.Actions = []*api.Action{{Name: "who", Command: "sh", Args: []string{"-c", "echo action of ${NOMAD_TASK_NAME}"}}}
	job := testJob("service", task)
	job.TaskGroups[0].Volumes = map[string]*api.VolumeRequest{"v": {Name: "v", Type: "host", Source: "disk", PerAlloc: true}}
	id := allocID(1)
	m.servers.place(id, job)
	m.untilStatus(id, "running")
	m.waitLog(c, id, 1)
	if text, err := os.ReadFile(filepath.Join(volume.HostPath, "file")); err != nil || string(text) != "kept\n" {
		t.Errorf("the volume holds %q, %v", text, err)
	}
	if err := c.DeleteHostVolume(volume.ID); refusedWith(err) != 409 {
		t.Errorf("delete a volume in use: %v", err)
	}

	for _, tc := range []struct {
		session ExecSession
		want    string
		code    int // of the refusal
	}{
		{ExecSession{Task: "web", Command: []string{"sh", "-c", "cat data/in/file; echo $SELFHEAL_VOLUME_v"}}, "kept\n" + volume.HostPath + "\n", 0},
		{ExecSession{Action: "who"}, "action of web\n", 0},
		{ExecSession{Task: "web", Action: "nope"}, "", 404},
		{ExecSession{Task: "nope", Command: []string{"true"}}, "", 404},
		{ExecSession{Task: "web"}, "", 400},
		{ExecSession{Task: "web", Command: []string{"no-such-program"}}, "", 400},
	} {
		var out bytes.Buffer
		tc.session.Stdout, tc.session.Stderr = &out, &out
		code, err := c.Exec(t.Context(), id, tc.session)
		if code != 0 || out.String() != tc.want || refusedWith(err) != tc.code {
			t.Errorf("%+v: exit %d, %q, %v", tc.session, code, out.String(), err)
		}
	}
	if _, err := c.Exec(t.Context(), allocID(2), ExecSession{}); refusedWith(err) != 404 {
		t.Errorf("exec in an unknown allocation: %v", err)
	}

	write, err := c.Snapshot(id)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := write(t.Context(), &archive); err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for r := tar.NewReader(&archive); ; {
		head, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s%s", head.Name, text, head.Linkname)))
	}
	if diff := cmp.Diff([]string{"alloc/data/", "web/local/", "web/local/link /etc/passwd", "web/local/note local"}, got); diff != "" {
		t.Errorf("the archive: %s", diff)
	}
	if err := c.Shutdown(t.Context(), StopTasks); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(volume.HostPath, "file")); err != nil {
		t.Errorf("the volume went with the allocation: %v", err)
	}
}
