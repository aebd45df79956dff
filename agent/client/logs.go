package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
)

// Logs yields the frames of a task's log, logType "stdout" or "stderr", across its
// rotated files as if they were one: from offset bytes after its start or, with
// origin "end", before its end. With follow it goes on until ctx ends, from file to
// file. A frame's File and Offset say which file it is from.
func (c *Client) Logs(ctx context.Context, allocID, task, logType, origin string, offset int64, follow bool) iter.Seq2[*api.StreamFrame, error] {
	return func(yield func(*api.StreamFrame, error) bool) {
		r, err := c.openLog(allocID, task, logType, origin, offset)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.close()
		for r.drain(yield) && follow {
			if !sleep(ctx, followEvery) {
				return
			}
		}
	}
}

// logReader reads one stream of a task from file to file.
type logReader struct {
	dir          allocDir
	task, stream string
	n            int      // of the file being read; -1 before the first
	file         *os.File // nil before the first
	pos          int64
	skip         int64 // still to skip, when the log is shorter than its start
}

// openLog checks the request and finds where to begin.
func (c *Client) openLog(allocID, task, logType, origin string, offset int64) (*logReader, error) {
	if logType != driver.Stdout && logType != driver.Stderr {
		return nil, badRequest("log type %q is neither stdout nor stderr", logType)
	}
	if _, err := startAt(origin, offset, 0); err != nil {
		return nil, err
	}
	r := &logReader{task: task, stream: logType, n: -1}
	err := c.ask(allocID, func(a *alloc) error {
		r.dir = a.dir
		tasks, err := a.choose(task)
		if err != nil {
			return err
		}
		if task == "" {
			return badRequest("a task is required")
		}
		if tasks[0].m.State.StartedAt.IsZero() {
			return notFound("task %q has not started yet: it has no logs", task)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, r.seek(origin, offset)
}

// files are the present files of the stream, oldest first; none is no error.
func (r *logReader) files() ([]driver.LogFile, error) {
	files, err := driver.LogFiles(filepath.Join(string(r.dir), sharedDir, "logs"), r.task, r.stream)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return files, err
}

// seek finds the file and the position in it that origin and offset mean.
func (r *logReader) seek(origin string, offset int64) error {
	files, err := r.files()
	if err != nil {
		return fmt.Errorf("read logs: %w", err)
	}
	var total int64
	for _, f := range files {
		total += f.Size
	}
	skip, err := startAt(origin, offset, total)
	if err != nil {
		return err
	}
	for i, f := range files {
		if skip >= f.Size && i < len(files)-1 {
			skip -= f.Size
			continue
		}
		if err := r.open(f.N); err != nil {
			return err
		}
		r.pos = skip
		return nil
	}
	r.skip = skip
	return nil
}

// open goes to the beginning of a file.
func (r *logReader) open(n int) error {
	f, err := r.dir.open(r.name(n))
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return badRequest("%q is no log file", r.name(n))
	}
	r.close()
	r.n, r.file, r.pos, r.skip = n, f, r.skip, 0
	return nil
}

func (r *logReader) name(n int) string {
	return path.Join(sharedDir, "logs", driver.LogName(r.task, r.stream, n))
}

func (r *logReader) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// drain yields all that is there now. A file is over when a later one was there
// before its end was reached: then nothing is written to it any more. It returns
// false when nobody wants to go on.
func (r *logReader) drain(yield func(*api.StreamFrame, error) bool) bool {
	for {
		next, err := r.next()
		if err != nil {
			yield(nil, err)
			return false
		}
		if r.file != nil {
			var more bool
			if r.pos, more, _ = frames(r.file, r.pos, r.name(r.n), yield); !more {
				return false
			}
		}
		if next < 0 {
			return true
		}
		err = r.open(next)
		var missing *Error
		if errors.As(err, &missing) && missing.Code == 404 {
			r.n = next // rotated away already: look for the one after
			continue
		}
		if err != nil {
			yield(nil, err)
			return false
		}
	}
}

// next is the number of the file after the present one, -1 if there is none yet.
func (r *logReader) next() (int, error) {
	files, err := r.files()
	if err != nil {
		return -1, fmt.Errorf("read logs: %w", err)
	}
	for _, f := range files {
		if f.N > r.n {
			return f.N, nil
		}
	}
	return -1, nil
}
