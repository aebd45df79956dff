//go:build linux

package cluster

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Agent is one agent process and its host.
type Agent struct {
	Name   string
	Server bool
	Dir    string
	IP     string

	c               *Cluster
	index           int
	host            *host
	http, rpc, serf int
	cmd             *exec.Cmd
	exited          chan struct{}
	client          *api.Client
	nodeID          string
	cut, dev        bool
}

func (a *Agent) writeConfig(servers int) {
	a.c.T.Helper()
	var join []string
	for _, s := range a.c.Servers {
		port := s.rpc
		if a.Server {
			port = s.serf
		}
		join = append(join, fmt.Sprintf("%q", net.JoinHostPort(s.IP, strconv.Itoa(port))))
	}
	nic := "lo"
	if a.host != nil {
		nic = "eth0"
	}
	role := fmt.Sprintf("client {\n  enabled = true\n  network_interface = %q\n  server_join { retry_join = [%s] }\n}\n", nic, strings.Join(join, ", "))
	if a.Server {
		role = fmt.Sprintf("server {\n  enabled = true\n  bootstrap_expect = %d\n  server_join { retry_join = [%s] }\n}\n", servers, strings.Join(join, ", "))
	}
	text := fmt.Sprintf(`name      = %q
data_dir  = %q
bind_addr = %q
log_level = "DEBUG"
ports {
  http = %d
  rpc  = %d
  serf = %d
}
advertise {
  http = %q
  rpc  = %q
  serf = %q
}
plugin "raw_exec" {
  config { enabled = true }
}
%s%s`, a.Name, filepath.Join(a.Dir, "data"), a.IP, a.http, a.rpc, a.serf, a.IP, a.IP, a.IP, role, a.c.extra)
	a.writeFile(text)
}

// writeFile writes the agent's configuration file, and its directory.
func (a *Agent) writeFile(text string) {
	a.c.T.Helper()
	if err := os.MkdirAll(a.Dir, 0o755); err != nil {
		a.c.T.Fatal(err)
	}
	if err := os.WriteFile(a.configPath(), []byte(text), 0o644); err != nil {
		a.c.T.Fatal(err)
	}
}

func (a *Agent) configPath() string { return filepath.Join(a.Dir, "agent.hcl") }
func (a *Agent) logPath() string    { return filepath.Join(a.Dir, "agent.log") }

// Start starts the agent's process. It does not wait.
func (a *Agent) Start() {
	a.c.T.Helper()
	log, err := os.OpenFile(a.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		a.c.T.Fatal(err)
	}
	defer log.Close()
	name, args := a.c.binary, []string{"agent", "-config", a.configPath()}
	if a.dev {
		args = append(args, "-dev")
	}
	if a.host != nil {
		name, args = "ip", append([]string{"netns", "exec", a.host.ns, a.c.binary}, args...)
	}
	a.cmd = exec.Command(name, args...)
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.dev { // what it keeps in temporary directories is found as its own
		a.cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(a.Dir, "data"))
	}
	if err := a.cmd.Start(); err != nil {
		a.c.T.Fatal(err)
	}
	a.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(a.cmd, a.exited)
}

// PID is the agent's process. `ip netns exec` replaces itself by what it runs.
func (a *Agent) PID() int { return a.cmd.Process.Pid }

// Running reports whether the agent's process runs.
func (a *Agent) Running() bool {
	if a.cmd == nil {
		return false
	}
	select {
	case <-a.exited:
		return false
	default:
		return true
	}
}

// Kill is kill -9 of the agent alone: its tasks and their supervisors go on.
func (a *Agent) Kill() {
	if a.Running() {
		_ = a.cmd.Process.Kill()
		<-a.exited
	}
}

// Signal sends a signal to the agent: SIGTERM stops it, SIGSTOP freezes it.
func (a *Agent) Signal(sig syscall.Signal) { _ = a.cmd.Process.Signal(sig) }

// Interrupt stops the agent in order and waits for its end.
func (a *Agent) Interrupt(limit time.Duration) {
	a.c.T.Helper()
	a.Signal(syscall.SIGINT)
	select {
	case <-a.exited:
	case <-time.After(limit):
		a.c.T.Fatalf("%s did not stop within %v", a.Name, limit)
	}
}

// KillHost is the death of everything on the host: the agent, the supervisors,
// the tasks, all at once.
func (a *Agent) KillHost() {
	if a.Running() {
		_ = a.cmd.Process.Kill()
	}
	for range 3 { // what forks while it is killed is found again
		for _, pid := range a.Processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if a.cmd != nil {
		<-a.exited
	}
}

// Processes are the PIDs on the agent's host but the agent's own: supervisors and
// tasks. On loopback they are told by the data directory in their command line,
// environment or working directory.
func (a *Agent) Processes() []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || (a.cmd != nil && pid == a.PID()) {
			continue
		}
		if a.owns(pid) {
			out = append(out, pid)
		}
	}
	return out
}

func (a *Agent) owns(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if stat, err := os.ReadFile(proc + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
		return false
	}
	data := filepath.Join(a.Dir, "data")
	cwd, _ := os.Readlink(proc + "/cwd")
	if strings.HasPrefix(cwd, data+"/") {
		return true
	}
	for _, f := range []string{"/cmdline", "/environ"} {
		text, _ := os.ReadFile(proc + f)
		if strings.Contains(string(text), data+"/") {
			return true
		}
	}
	return false
}

// Cut pulls the host's cable: nothing gets in or out, and nobody is told.
func (a *Agent) Cut() { a.c.T.Helper(); a.host.cable(a.c.T, false); a.cut = true }

// Mend plugs the cable in again.
func (a *Agent) Mend() { a.c.T.Helper(); a.host.cable(a.c.T, true); a.cut = false }

// URL is the agent's API.
func (a *Agent) URL() string { return fmt.Sprintf("http://%s:%d", a.IP, a.http) }

// API is a client of the agent's API.
func (a *Agent) API() *api.Client {
	if a.client == nil {
		cfg := &api.Config{Address: a.URL(), HttpClient: a.c.httpClient()}
		client, err := api.NewClient(cfg)
		if err != nil {
			a.c.T.Fatal(err)
		}
		a.client = client
	}
	return a.client
}

// NodeID is the ID of the client's node, found by its name.
func (a *Agent) NodeID() string {
	if a.nodeID == "" {
		nodes, _, err := a.c.Live().API().Nodes().List(nil)
		if err != nil {
			a.c.T.Fatal(err)
		}
		for _, n := range nodes {
			if n.Name == a.Name {
				a.nodeID = n.ID
			}
		}
	}
	return a.nodeID
}

// Log is what the agent has logged.
func (a *Agent) Log() string {
	text, _ := os.ReadFile(a.logPath())
	return string(text)
}

func (a *Agent) dumpLog() {
	lines := strings.Split(a.Log(), "\n")
	if len(lines) > 60 {
		lines = lines[len(lines)-60:]
	}
	a.c.T.Logf("--- %s\n%s", a.Name, strings.Join(lines, "\n"))
}

// freePorts finds ports that are free for TCP and UDP, below those that the
// kernel gives to outgoing connections and that agents give to tasks.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var out []int
	for len(out) < n {
		port := firstPort + int(nextPort.Add(1))%(lastPort-firstPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		u.Close()
		out = append(out, port)
	}
	return out
}

const firstPort, lastPort = 10_000, 19_000

// nextPort starts elsewhere in every process, so that test runs side by side
// rarely want the same.
var nextPort = func() *atomic.Int64 {
	var n atomic.Int64
	n.Store(int64(os.Getpid()*97) % (lastPort - firstPort))
	return &n
}()

// TaskPIDs are the main processes of the tasks on the agent's host, sorted: the
// children of supervisors.
func (a *Agent) TaskPIDs() []int {
	all := a.Processes()
	supervisor := map[int]bool{}
	for _, pid := range all {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if args := strings.Split(string(text), "\x00"); len(args) > 1 && args[1] == "supervise" {
			supervisor[pid] = true
		}
	}
	var out []int
	for _, pid := range all {
		if !supervisor[pid] && supervisor[parent(pid)] {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}

// Tasks counts them.
func (a *Agent) Tasks() int { return len(a.TaskPIDs()) }

// parent is a process's parent, 0 when it is gone.
func parent(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(text), ") ")
	if fields := strings.Fields(rest); ok && len(fields) > 1 {
		n, _ := strconv.Atoi(fields[1])
		return n
	}
	return 0
}

// Kill is kill -9 of a process.
func Kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
