//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// lone is an agent, server and client in one, outside the harness: on a file system
// or under a user of its own.
type lone struct {
	t         testing.TB
	dir, addr string
	cmd       *exec.Cmd
	log       string
}

// startLone starts the agent with its data directory below dir, as the user if not 0.
func startLone(t *testing.T, dir string, uid, gid uint32) *lone {
	t.Helper()
	ports := idlePorts(t, 3)
	a := &lone{t: t, dir: dir, addr: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), log: filepath.Join(t.TempDir(), "log")}
	config := filepath.Join(dir, "agent.hcl")
	text := fmt.Sprintf("data_dir = %q\nbind_addr = \"127.0.0.1\"\nports {\n  http = %d\n  rpc = %d\n  serf = %d\n}\nserver {\n  enabled = true\n  bootstrap_expect = 1\n}\n"+
		"client {\n  enabled = true\n}\nplugin \"raw_exec\" {\n  config {\n    enabled = true\n  }\n}\n", filepath.Join(dir, "data"), ports[0], ports[1], ports[2])
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(a.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a.cmd = exec.Command(cluster.Binary(t, ""), "agent", "-config", config)
	a.cmd.Stdout, a.cmd.Stderr, a.cmd.Dir = log, log, "/"
	if uid != 0 {
		a.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	a.eventually("the agent is up", "node status", `ready`)
	return a
}

// idlePorts are ports that nobody listens on at the moment.
func idlePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // when all are found, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// stop ends the agent and all that it started.
func (a *lone) stop() {
	if a.t.Failed() {
		text, _ := os.ReadFile(a.log)
		a.t.Logf("the agent's log:\n%s", text)
	}
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	for _, pid := range a.processes() {
		cluster.Kill(pid)
	}
}

// processes are the supervisors and tasks of the agent.
func (a *lone) processes() []int {
	var out []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == a.cmd.Process.Pid {
			continue
		}
		for _, f := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, f))
			if strings.Contains(string(text), filepath.Join(a.dir, "data")+"/") {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// eventually runs a command of the program against the agent until it prints want.
func (a *lone) eventually(what, command, want string) {
	a.t.Helper()
	cluster.Eventually(a.t, 50*time.Second, what, func() error {
		ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, cluster.Binary(a.t, ""), strings.Fields(command)...)
		cmd.Env = append(os.Environ(), "NOMAD_ADDR="+a.addr, "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !regexp.MustCompile(want).Match(out) {
			return fmt.Errorf("%s: %v: %s", command, err, out)
		}
		return nil
	})
}

func (a *lone) api() *api.Client {
	c, err := api.NewClient(&api.Config{Address: a.addr})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// job is a small sleeping service that is tried again quickly.
func (a *lone) job(name string) *api.Job {
	hcl := strings.NewReplacer(`"web"`, fmt.Sprintf("%q", name), "count = 6", "count = 1\n    reschedule {\n      delay          = \"5s\"\n      delay_function = \"constant\"\n      unlimited      = true\n    }").Replace(sleeper)
	job, err := a.api().Jobs().ParseHCL(hcl, true)
	if err != nil {
		a.t.Fatal(err)
	}
	job.TaskGroups[0].EphemeralDisk.SizeMB = new(5)
	job.TaskGroups[0].Tasks[0].LogConfig.MaxFiles = new(1)
	job.TaskGroups[0].Tasks[0].LogConfig.MaxFileSizeMB = new(1)
	return job
}

// A full disk under an agent: what runs goes on, what starts fails with the reason,
// writes are refused with the reason, nothing that was acknowledged is lost, and all
// is well again by itself when there is room.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	a := startLone(t, dir, 0, 0)
	jobs := a.api().Jobs()
	register := func(job *api.Job) error { _, _, err := jobs.Register(job, nil); return err }
	if err := register(a.job("before")); err != nil {
		t.Fatal(err)
	}
	a.eventually("the job runs", "job status before", `run +running`)
	before := a.processes()

	fill := filepath.Join(dir, "fill")
	if err := fillDisk(fill); err != nil {
		t.Fatal(err)
	}
	if err := register(a.job("during")); err != nil {
		t.Fatal(err) // the log has room in what it reserved
	}
	a.eventually("the start fails", "job status during", `run +failed`)
	if now := a.processes(); !slices.Equal(now, before) {
		t.Errorf("processes were %v, are %v", before, now)
	}
	allocs, _, err := jobs.Allocations("during", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.eventually("the reason is told", "alloc status "+allocs[0].ID, `no space left on device`)

	acknowledged := 0
	for ; acknowledged < 100 && err == nil; acknowledged++ {
		job := a.job(fmt.Sprintf("big-%03d", acknowledged))
		job.Meta = map[string]string{"ballast": strings.Repeat(strconv.Itoa(acknowledged), 400_000)}
		job.Datacenters = []string{"nowhere"}
		err = register(job)
	}
	acknowledged--
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("the write without room: %v", err)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	a.eventually("the job runs when there is room", "job status during", `run +running`)
	list, _, err := jobs.PrefixList("big-")
	if err != nil || len(list) < acknowledged {
		t.Errorf("%d jobs were acknowledged, %d are there: %v", acknowledged, len(list), err)
	}
	a.eventually("the first job has not moved", "job status before", `run +running`)
	for _, pid := range before {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("process %d of the first job is gone", pid)
		}
	}
}

// fillDisk writes until there is no room.
func fillDisk(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<16); err == nil && len(block) > 0; {
		if _, err = f.Write(block); err != nil && len(block) > 1 {
			block, err = block[:len(block)/2], nil
		}
	}
	return nil
}

// An agent without root runs raw_exec tasks as its own user, and says so when it may
// not enter its own directory.
func TestAgentWithoutRoot(t *testing.T) {
	uid, gid := uint32(0), uint32(0)
	dir := t.TempDir()
	if os.Getuid() == 0 {
		u, err := user.Lookup("nobody")
		if err != nil {
			t.Skip(err)
		}
		u64, _ := strconv.ParseUint(u.Uid, 10, 32)
		g64, _ := strconv.ParseUint(u.Gid, 10, 32)
		uid, gid = uint32(u64), uint32(g64)
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
		for p := dir; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
			if err := os.Chmod(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command("setpriv", "--reuid", u.Uid, "--regid", u.Gid, "--clear-groups", cluster.Binary(t, ""), "version").CombinedOutput(); err != nil {
			t.Skipf("nobody may not run the program, or setpriv is missing: %v: %s", err, out)
		}
	}
	a := startLone(t, dir, uid, gid)
	if _, _, err := a.api().Jobs().Register(a.job("own"), nil); err != nil {
		t.Fatal(err)
	}
	a.eventually("the job runs", "job status own", `run +running`)
	for _, pid := range a.processes() {
		if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil && uid != 0 && info.Sys().(*syscall.Stat_t).Uid != uid {
			t.Errorf("process %d runs as %d, want %d", pid, info.Sys().(*syscall.Stat_t).Uid, uid)
		}
	}
	other := a.job("other")
	other.TaskGroups[0].Tasks[0].User = "root"
	if os.Getuid() == 0 || uid != 0 {
		if _, _, err := a.api().Jobs().Register(other, nil); err != nil {
			t.Fatal(err)
		}
		a.eventually("a task of another user fails", "job status other", `run +failed`)
	}
	allocDir := filepath.Join(dir, "data", "alloc")
	if err := os.Chmod(allocDir, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.api().Jobs().Register(a.job("shut-out"), nil); err != nil {
		t.Fatal(err)
	}
	a.eventually("the start fails", "job status shut-out", `run +failed`)
	allocs, _, err := a.api().Jobs().Allocations("shut-out", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.eventually("the reason is told", "alloc status "+allocs[0].ID, `permission denied`)
	if err := os.Chmod(allocDir, 0o711); err != nil {
		t.Fatal(err)
	}
	a.eventually("it runs when it may", "job status shut-out", `run +running`)
}

// Two clusters on one machine know nothing of each other: one may die and the other
// does not notice, with jobs of the same name on both.
func TestTwoClustersOneMachine(t *testing.T) {
	one := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	two := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	one.Run(sleeper, 6)
	two.Run(sleeper, 6)
	pids, allocs := two.Clients[0].TaskPIDs(), ids(two)
	for _, a := range one.All() {
		a.KillHost()
	}
	steady(t, two, 3*time.Second, func() error {
		if now := two.Clients[0].TaskPIDs(); !slices.Equal(pids, now) {
			return fmt.Errorf("the tasks' PIDs were %v, they are %v", pids, now)
		}
		return same(allocs, ids(two))
	})
	members, err := two.Servers[0].API().Agent().Members()
	if err != nil || len(members.Members) != 1 {
		t.Errorf("the second cluster's server members: %v, %v", members, err)
	}
}
