package driver

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// execRequest is one more command to run beside the task's own.
type execRequest struct {
	Command []string `json:"command"`
	TTY     bool     `json:"tty,omitempty"`
}

// opHungUp is the end of the connection behind a session, told to the loop by its
// goroutine; it never comes over the socket.
const opHungUp = "hung-up"

// session is one command that runs beside the task's own; the loop owns it.
type session struct {
	pid   int // of the command, whose session of processes it leads
	ended chan exitRecord
}

// serveExec answers once when the command runs, and again when it has ended. The
// connection is the session's life: when the agent hangs up the command is killed.
func (s *supervisor) serveExec(c call, conn net.Conn, out *json.Encoder) {
	c.ended = make(chan exitRecord, 1)
	s.calls <- c
	r := <-c.reply
	closeFiles(c.files)
	out.Encode(r) // who does not hear it has hung up
	if r.Fault != "" {
		return
	}
	go func() {
		var one [1]byte
		conn.Read(one[:]) // the agent sends no more: this is its end, or ours
		s.calls <- call{request: request{Op: opHungUp}, ended: c.ended}
	}()
	out.Encode(<-c.ended)
}

func (s *supervisor) onExec(c call) {
	want := maxFiles
	if c.Exec != nil && c.Exec.TTY {
		want = 1
	}
	switch {
	case c.Exec == nil || len(c.Exec.Command) == 0 || len(c.files) != want:
		s.answer(c, faultOther, fmt.Errorf("exec: a command and %d descriptors are required, got %d", want, len(c.files)))
	case !s.status().running() || s.mainGone:
		s.answer(c, faultNotRunning, nil)
	default:
		pid, err := s.forkSession(*c.Exec, c.files)
		if err != nil {
			s.answer(c, startFault(err), err)
			return
		}
		s.sessions[pid] = &session{pid: pid, ended: c.ended}
		s.answer(c, "", nil)
		time.AfterFunc(releaseAfter, shrink)
	}
}

// forkSession runs a command as the task itself was run: its environment, directory
// and user, by the supervisor, so that it is in whatever the task is in.
func (s *supervisor) forkSession(req execRequest, files []*os.File) (int, error) {
	sp := s.spec
	env := map[string]string{}
	for _, entry := range sp.Env {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	path, err := findCommand(req.Command[0], TaskConfig{
		TaskDir: sp.Dir, LocalDir: env["NOMAD_TASK_DIR"], AllocDir: env["NOMAD_ALLOC_DIR"], Env: env,
	})
	if err != nil {
		return 0, err
	}
	sp.Path, sp.Args = path, req.Command[1:]
	if _, set := env["TERM"]; req.TTY && !set {
		sp.Env = append(append([]string(nil), sp.Env...), "TERM=xterm") // what every terminal understands
	}
	fds := make([]uintptr, maxFiles)
	for i := range fds {
		f := files[min(i, len(files)-1)]
		fds[i] = f.Fd()
		if sp.User != nil { // so that it may open /dev/stdout or its terminal by name
			if err := f.Chown(int(sp.User.UID), int(sp.User.GID)); err != nil {
				return 0, fmt.Errorf("hand over descriptor %d: %w", i, err)
			}
		}
	}
	pid, err := fork(sp, fds, req.TTY)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", path, err)
	}
	if sp.OOMScoreAdj != 0 {
		setOOMScore(pid, sp.OOMScoreAdj)
	}
	return pid, nil
}

// onHungUp kills the command of a session whose agent is gone.
func (s *supervisor) onHungUp(c call) {
	for pid, one := range s.sessions {
		if one.ended == c.ended {
			syscall.Kill(-pid, syscall.SIGKILL) // unreaped: the number names its own group
			s.killSession(pid)
		}
	}
}

// sessionEnded answers for a command that was reaped, and ends what it left behind
// in its session. What left the session on purpose (setsid) ends with the task.
func (s *supervisor) sessionEnded(one *session, ws syscall.WaitStatus) {
	delete(s.sessions, one.pid)
	s.killSession(one.pid)
	exit := exitRecord{Code: ws.ExitStatus(), At: time.Now()}
	if ws.Signaled() {
		exit.Code, exit.Signal = 128+int(ws.Signal()), int(ws.Signal())
	}
	one.ended <- exit
}

// killSession kills the processes of a session, and looks again until there are
// none: one may fork while we look. Only processes below us count, so a number that
// was used again names nobody else.
func (s *supervisor) killSession(id int) {
	for range 10 {
		procs, err := listProcs()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		left := false
		for _, p := range descendants(procs, os.Getpid()) {
			if p.Session != id {
				continue
			}
			left = true
			if err := p.kill(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		if !left {
			return
		}
	}
}
