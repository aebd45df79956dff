package client

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// allocDir is the directory of one allocation:
//
//	<AllocDir>/<alloc ID>/
//	    alloc/{data,logs,tmp}       shared by its tasks
//	    <task>/{local,secrets,tmp}  each task's own
type allocDir string

// taskDirs are the absolute paths that one task sees.
type taskDirs struct {
	task, local, secrets, tmp string
	alloc, logs               string
}

const (
	sharedDir  = "alloc"
	secretsDir = "secrets"
)

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// validAllocID: only such an ID ever becomes part of a path.
func validAllocID(id string) bool { return uuidPattern.MatchString(id) }

// validTaskName: it becomes a directory beside "alloc", and part of a log's name.
func validTaskName(name string) error {
	switch {
	case name == "", name == ".", name == "..", name == sharedDir, strings.ContainsAny(name, "/\\\x00"):
		return fmt.Errorf("task name %q cannot be the name of a directory: choose another", name)
	}
	return nil
}

func (d allocDir) of(task string) taskDirs {
	root := filepath.Join(string(d), task)
	return taskDirs{
		task:    root,
		local:   filepath.Join(root, "local"),
		secrets: filepath.Join(root, secretsDir),
		tmp:     filepath.Join(root, "tmp"),
		alloc:   filepath.Join(string(d), sharedDir),
		logs:    filepath.Join(string(d), sharedDir, "logs"),
	}
}

// build makes the directories of one task and the shared ones; what exists stays.
// A task of another user must be able to write to them, so they are open, inside
// a directory that only the path is known to; secrets are the task's user's alone.
func (d allocDir) build(task, userName string) (taskDirs, error) {
	dirs := d.of(task)
	if err := validTaskName(task); err != nil {
		return dirs, fmt.Errorf("build task directory: %w", err)
	}
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return dirs, fmt.Errorf("build allocation directory: %w", err)
	}
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{
		{dirs.alloc, 0o777},
		{dirs.logs, 0o777},
		{filepath.Join(dirs.alloc, "data"), 0o777},
		{filepath.Join(dirs.alloc, "tmp"), 0o777 | os.ModeSticky},
		{dirs.task, 0o777},
		{dirs.local, 0o777},
		{dirs.tmp, 0o777 | os.ModeSticky},
		{dirs.secrets, 0o700},
	} {
		err := os.Mkdir(dir.path, dir.mode.Perm())
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			err = os.Chmod(dir.path, dir.mode) // the umask took some
		}
		if err != nil {
			return dirs, fmt.Errorf("build task directory: %w", err)
		}
	}
	if userName != "" && os.Geteuid() == 0 {
		if err := giveTo(dirs.secrets, userName); err != nil {
			return dirs, fmt.Errorf("build task directory: %w", err)
		}
	}
	return dirs, nil
}

// giveTo makes a user, by name or number, the owner of path.
func giveTo(path, userName string) error {
	uid, gid, err := userIDs(userName)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// userIDs are the numbers of a user, given by name or number, and of its group.
func userIDs(userName string) (uid, gid int, err error) {
	u, err := user.Lookup(userName)
	if err != nil {
		if u, err = user.LookupId(userName); err != nil {
			return 0, 0, fmt.Errorf("find user %q: %w", userName, err)
		}
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(err1, err2)
}

// destroy removes everything. Nothing of it may be in use.
func (d allocDir) destroy() error {
	if !validAllocID(filepath.Base(string(d))) {
		return fmt.Errorf("remove allocation directory: %q is none", string(d))
	}
	if err := os.RemoveAll(string(d)); err != nil {
		return fmt.Errorf("remove allocation directory: %w", err)
	}
	return nil
}
