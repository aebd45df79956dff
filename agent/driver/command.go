package driver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// execConfig is the config block of raw_exec.
type execConfig struct {
	command     string
	args        []string
	workDir     string
	oomScoreAdj int
}

func parseExecConfig(config map[string]any) (execConfig, error) {
	var c execConfig
	err := schema{
		"command":            stringKey(&c.command),
		"args":               stringsKey(&c.args),
		"work_dir":           stringKey(&c.workDir),
		"oom_score_adj":      intKey(&c.oomScoreAdj),
		"cgroup_v1_override": unimplementedKey,
		"cgroup_v2_override": unimplementedKey,
		"denied_envvars":     unimplementedKey,
	}.decode(rawExecName, config)
	switch {
	case err != nil:
		return c, err
	case c.command == "":
		return c, fmt.Errorf("%s config: command is required", rawExecName)
	case c.workDir != "" && !filepath.IsAbs(c.workDir):
		return c, fmt.Errorf("%s config: work_dir: want an absolute path, got %q", rawExecName, c.workDir)
	case c.oomScoreAdj < 0 || c.oomScoreAdj > 1000: // the kernel's upper bound
		return c, fmt.Errorf("%s config: oom_score_adj: want 0 to 1000, got %d", rawExecName, c.oomScoreAdj)
	}
	return c, nil
}

// defaultKillSignal and defaultKillTimeout are those of Nomad's raw_exec.
const (
	defaultKillSignal  = syscall.SIGINT
	defaultKillTimeout = 5 * time.Second
)

// resolve turns a task's configuration into what a supervisor executes: the
// command found, the user looked up, the environment in order.
func resolve(task TaskConfig) (*spec, error) {
	config, err := parseExecConfig(task.Config)
	if err != nil {
		return nil, err
	}
	path, err := findCommand(config.command, task)
	if err != nil {
		return nil, err
	}
	account, err := findAccount(task.User)
	if err != nil {
		return nil, err
	}
	signal := defaultKillSignal
	if task.KillSignal != "" {
		if signal, err = ParseSignal(task.KillSignal); err != nil {
			return nil, err
		}
	}
	sp := &spec{
		Path:        path,
		Args:        config.args,
		Env:         environment(task.Env),
		Dir:         task.TaskDir,
		User:        account,
		Markers:     markers(task.Env),
		Task:        task.Name,
		Logs:        task.Logs.rotation(),
		Cores:       task.Resources.Cores,
		OOMScoreAdj: config.oomScoreAdj,
		KillSignal:  signal,
		KillTimeout: task.KillTimeout,
	}
	if sp.KillTimeout <= 0 {
		sp.KillTimeout = defaultKillTimeout
	}
	if config.workDir != "" {
		sp.Dir = config.workDir
	}
	if info, err := os.Stat(sp.Dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("working directory %q does not exist or is no directory", sp.Dir)
	}
	if !task.Logs.Disabled {
		sp.LogDir = task.LogDir
	}
	return sp, nil
}

func environment(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// markers are the variables that only this task's processes have: by them its
// orphans are found when its supervisor is gone.
func markers(env map[string]string) []string {
	alloc, task := env["NOMAD_ALLOC_ID"], env["NOMAD_TASK_NAME"]
	if alloc == "" || task == "" {
		return nil
	}
	return []string{"NOMAD_ALLOC_ID=" + alloc, "NOMAD_TASK_NAME=" + task}
}

// findCommand looks for the executable: an absolute path is taken as it is; a
// relative one is looked for in the task's directories and then, when it is a
// bare name, in the PATH of the task and of the agent.
func findCommand(command string, task TaskConfig) (string, error) {
	if filepath.IsAbs(command) {
		if err := executable(command); err != nil {
			return "", fmt.Errorf("find command %q: %w", command, err)
		}
		return command, nil
	}
	dirs := []string{task.TaskDir, task.LocalDir, task.AllocDir}
	if !strings.Contains(command, "/") {
		dirs = append(dirs, filepath.SplitList(task.Env["PATH"])...)
		dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	}
	var looked []string
	var found error // the first file of that name which cannot be run
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) || slices.Contains(looked, dir) {
			continue
		}
		looked = append(looked, dir)
		path := filepath.Join(dir, command)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if found == nil && !errors.Is(err, os.ErrNotExist) {
			found = err
		}
	}
	if found != nil {
		return "", fmt.Errorf("find command %q: %w", command, found)
	}
	return "", fmt.Errorf("find command %q: not in %s", command, strings.Join(looked, ", "))
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w", path, os.ErrNotExist)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable: set its mode to 0755", path)
	}
	return nil
}

// findAccount looks a user up by name or number. It returns nil for the
// agent's own.
func findAccount(name string) (*account, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("find user %q: no user of that name or number on this node", name)
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("find user %q: %w", name, err)
	}
	if self := os.Geteuid(); self == int(uid) {
		return nil, nil
	} else if self != 0 {
		return nil, fmt.Errorf("run as user %q: the agent runs as user %d and only root may change that", name, self)
	}
	a := &account{UID: uint32(uid), GID: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("find groups of user %q: %w", name, err)
	}
	for _, id := range groups {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.Groups = append(a.Groups, uint32(n))
		}
	}
	return a, nil
}
