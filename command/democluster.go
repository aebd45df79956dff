package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"
)

// The demo's cluster, and how many ports each of its clients gives to tasks: all
// of them share this machine, so each has its own.
const (
	demoServers = 3
	demoClients = 4
	demoPorts   = 128
)

// demoAgent is one agent of the demo: a process of this same binary.
type demoAgent struct {
	name            string
	server          bool
	dir             string
	http, rpc, serf int
	taskPorts       int // first of demoPorts; 0 on a server

	api *api.Client // asks this agent only

	cmd    *exec.Cmd
	exited chan struct{}
}

func (a *demoAgent) url() string     { return fmt.Sprintf("http://127.0.0.1:%d", a.http) }
func (a *demoAgent) logPath() string { return filepath.Join(a.dir, "agent.log") }
func (a *demoAgent) pid() int        { return a.cmd.Process.Pid }

func (a *demoAgent) running() bool {
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

// planCluster chooses names, directories and ports. The first server gets port
// and the two after it; 0 lets the kernel choose those as well.
func planCluster(dir string, port int) ([]*demoAgent, error) {
	p := &portPicker{}
	defer p.release()
	var out []*demoAgent
	for i := range demoServers + demoClients {
		a := &demoAgent{name: fmt.Sprintf("server-%d", i+1), server: true}
		if i >= demoServers {
			a.name, a.server = fmt.Sprintf("client-%d", i-demoServers+1), false
		}
		a.dir = filepath.Join(dir, a.name)
		first := 0
		if i == 0 {
			first = port
		}
		for j, field := range []*int{&a.http, &a.rpc, &a.serf} {
			want := 0
			if first != 0 {
				want = first + j
			}
			n, err := p.take(want)
			if err != nil {
				return nil, err
			}
			*field = n
		}
		if !a.server {
			var err error
			if a.taskPorts, err = p.span(demoPorts); err != nil {
				return nil, err
			}
		}
		var err error
		if a.api, err = api.NewClient(&api.Config{Address: a.url()}); err != nil {
			return nil, fmt.Errorf("make client: %w", err)
		}
		out = append(out, a)
	}
	return out, nil
}

// portPicker finds ports of 127.0.0.1 that are free, and holds them meanwhile.
type portPicker struct {
	held []interface{ Close() error }
	next int
}

// take holds a port for TCP and UDP: this one, or any for 0.
func (p *portPicker) take(port int) (int, error) {
	for range 50 {
		tcp, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return 0, portError(port, err)
		}
		p.held = append(p.held, tcp)
		n := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", n))
		if err == nil {
			p.held = append(p.held, udp)
			return n, nil
		}
		if port != 0 {
			return 0, portError(port, err)
		}
	}
	return 0, errors.New("find a free port on 127.0.0.1: none in 50 tries")
}

func portError(port int, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is taken, perhaps by another agent (ss -ltnp shows by whom): stop that, or run selfheal demo -port 0 to let others be chosen", port)
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return fmt.Errorf("listening on port %d is not permitted: choose one of 1024 and above with selfheal demo -port N", port)
	}
	return fmt.Errorf("listen on 127.0.0.1: %w", err)
}

// span finds n free ports in a row, from 20000 on.
func (p *portPicker) span(n int) (int, error) {
	if p.next == 0 {
		p.next = 20000
	}
	for ; p.next+n < 32000; p.next += n {
		free := true
		for port := p.next; port < p.next+n && free; port++ {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				ln.Close()
			}
		}
		if free {
			first := p.next
			p.next += n
			return first, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row between 20000 and 32000: there are none", n)
}

func (p *portPicker) release() {
	for _, h := range p.held {
		h.Close()
	}
}

// config is the agent's configuration file, of the kind that people write.
func (a *demoAgent) config(all []*demoAgent) string {
	var join []string
	for _, s := range all {
		if s.server {
			port := s.serf // servers find each other by gossip, clients ask at the cluster port
			if !a.server {
				port = s.rpc
			}
			join = append(join, fmt.Sprintf(`"127.0.0.1:%d"`, port))
		}
	}
	role := fmt.Sprintf(`server {
  enabled          = true
  bootstrap_expect = %d
  server_join {
    retry_join = [%s]
  }
}
`, demoServers, strings.Join(join, ", "))
	if !a.server {
		role = fmt.Sprintf(`client {
  enabled           = true
  network_interface = "lo"
  min_dynamic_port  = %d
  max_dynamic_port  = %d
  server_join {
    retry_join = [%s]
  }
}

plugin "raw_exec" {
  config {
    enabled = true
  }
}
`, a.taskPorts, a.taskPorts+demoPorts-1, strings.Join(join, ", "))
	}
	return fmt.Sprintf(`name      = %q
data_dir  = %q
bind_addr = "127.0.0.1"

ports {
  http = %d
  rpc  = %d
  serf = %d
}

%s`, a.name, filepath.Join(a.dir, "data"), a.http, a.rpc, a.serf, role)
}

// start starts the agent's process. It does not wait until it is ready.
func (a *demoAgent) start(binary string, all []*demoAgent) error {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return fmt.Errorf("start %s: %w", a.name, err)
	}
	path := filepath.Join(a.dir, "agent.hcl")
	if err := os.WriteFile(path, []byte(a.config(all)), 0o644); err != nil {
		return fmt.Errorf("start %s: %w", a.name, err)
	}
	log, err := os.OpenFile(a.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", a.name, err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "agent", "-config", path)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: Ctrl-C is for the demo, which then stops its agents.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", a.name, err)
	}
	a.cmd, a.exited = cmd, make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) { // ends with the process
		_ = cmd.Wait()
		close(exited)
	}(a.cmd, a.exited)
	return nil
}

// lastWords are the last lines of an agent's log.
func (a *demoAgent) lastWords(n int) string {
	f, err := os.Open(a.logPath())
	if err != nil {
		return ""
	}
	defer f.Close()
	var lines []string
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if lines = append(lines, "  "+scan.Text()); len(lines) > n {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}

// died is an error if one of the agents has ended.
func died(agents []*demoAgent) error {
	for _, a := range agents {
		if a.cmd != nil && !a.running() {
			return fmt.Errorf("%s has ended (%s); its last words:\n%s", a.name, a.cmd.ProcessState, a.lastWords(8))
		}
	}
	return nil
}

// until calls f every few milliseconds until it is true, an agent dies or ctx ends.
func until(ctx context.Context, what string, agents []*demoAgent, f func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if err := died(agents); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}
