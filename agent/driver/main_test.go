package driver

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be, by its arguments, a supervisor or one of
// the programs that the tests run as tasks. They end by syscall.Exit: under the
// race detector os.Exit first sleeps for a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == SuperviseCommand {
		cfg, special := supervisors[filepath.Base(os.Args[0])]
		if !special {
			syscall.Exit(Supervise(os.Args[2:]))
		}
		syscall.Exit(superviseWith(os.Args[2:], cfg))
	}
	if len(os.Args) > 2 && os.Args[1] == "task" {
		program, ok := programs[os.Args[2]]
		if !ok {
			syscall.Exit(99)
		}
		program(os.Args[3:])
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

// supervisors are the special ones, by the name of the link they are run by.
var supervisors = map[string]supervisorConfig{
	"no-rename": {disk: failingDisk{rename: true}, idle: time.Minute},
	"no-write":  {disk: failingDisk{write: true}, idle: time.Minute},
	"no-sync":   {disk: failingDisk{sync: true}, idle: time.Minute},
	"impatient": {disk: realDisk{}, idle: 40 * time.Millisecond},
}

// failingDisk fails one kind of call from the second record on: the one that
// carries the exit.
type failingDisk struct {
	realDisk
	write, rename, sync bool
}

func (d failingDisk) WriteFile(path string, data []byte) error {
	if d.write && strings.Contains(string(data), `"exit"`) {
		return unix.ENOSPC
	}
	return d.realDisk.WriteFile(path, data)
}

func (d failingDisk) Rename(from, to string) error {
	if data, _ := os.ReadFile(from); d.rename && strings.Contains(string(data), `"exit"`) {
		return unix.EIO
	}
	return d.realDisk.Rename(from, to)
}

func (d failingDisk) Sync(path string) error {
	if d.sync {
		return unix.EIO
	}
	return d.realDisk.Sync(path)
}

// programs are what a task may do. Those that wait print "ready" when a signal
// finds them as they mean to be.
var programs = map[string]func(args []string){
	"exit": func(args []string) {
		code, _ := strconv.Atoi(args[0])
		syscall.Exit(code)
	},
	"env": func([]string) {
		for _, entry := range os.Environ() {
			fmt.Println(entry)
		}
		dir, _ := os.Getwd()
		fmt.Println("dir", dir)
	},
	"wait": func([]string) {
		fmt.Println("ready")
		time.Sleep(time.Hour)
	},
	"stubborn": func([]string) {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	},
	"polite": func([]string) {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("ready")
		for sig := range c {
			fmt.Println("got", sig)
			if sig == syscall.SIGINT {
				syscall.Exit(7)
			}
		}
	},
	// daemonize leaves a process in a session of its own and a parent that
	// waits, or exits with a code if it is told one.
	"daemonize": func(args []string) {
		pid := forkProgram(&syscall.SysProcAttr{Setsid: true}, "middle")
		syscall.Wait4(pid, nil, 0, nil)
		if len(args) > 0 {
			code, _ := strconv.Atoi(args[0])
			syscall.Exit(code)
		}
		time.Sleep(time.Hour)
	},
	"middle": func([]string) { fmt.Println("daemon", forkProgram(&syscall.SysProcAttr{Setsid: true}, "wait")) },
	"flood": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		line := []byte(strings.Repeat("x", 99) + "\n")
		for range n {
			os.Stdout.Write(line)
			os.Stderr.Write(line[90:])
		}
	},
	"burn": func(args []string) {
		d, _ := time.ParseDuration(args[0])
		for begin := time.Now(); time.Since(begin) < d; {
		}
		fmt.Println("ready")
		time.Sleep(time.Hour)
	},
	// agent starts a task and prints its handle; the test kills it then.
	"agent": func(args []string) {
		d := NewRawExec(RawExecConfig{Binary: args[1]})
		task, err := d.Start(testContext(), decodeConfig(args[0]))
		if err != nil {
			fmt.Println("error", err)
			syscall.Exit(1)
		}
		handle, _ := json.Marshal(task.Handle())
		fmt.Println(string(handle))
		time.Sleep(time.Hour)
	},
}

func forkProgram(sys *syscall.SysProcAttr, args ...string) int {
	exe, _ := os.Executable()
	pid, err := syscall.ForkExec(exe, append([]string{exe, "task"}, args...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: sys,
	})
	if err != nil {
		fmt.Println("error", err)
		syscall.Exit(98)
	}
	return pid
}
