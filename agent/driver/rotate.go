package driver

import (
	"fmt"
	"os"
	"path/filepath"
)

// Defaults of LogConfig, those of a Nomad job file.
const (
	defaultMaxFiles      = 10
	defaultMaxFileSizeMB = 10
)

// rotation is LogConfig in the units of the writer.
type rotation struct {
	Files int   `json:"files"` // files kept, the current one included
	Bytes int64 `json:"bytes"` // of one file
}

// rotation fills in the defaults.
func (c LogConfig) rotation() rotation {
	r := rotation{Files: c.MaxFiles, Bytes: int64(c.MaxFileSizeMB) << 20}
	if r.Files < 1 {
		r.Files = defaultMaxFiles
	}
	if r.Bytes < 1 {
		r.Bytes = defaultMaxFileSizeMB << 20
	}
	return r
}

// rotator writes one stream of one task into numbered files. Every file but
// the last is filled to exactly the limit, so that the files, read one after
// another, are the stream: the n-th byte written is byte n%Bytes of file
// n/Bytes. It is not safe for concurrent use.
type rotator struct {
	dir    string
	task   string
	stream string
	limit  rotation

	file *os.File
	n    int   // number of the current file
	size int64 // bytes in it
}

// openRotator continues the newest file of the stream, or begins number 0.
func openRotator(dir, task, stream string, limit rotation) (*rotator, error) {
	files, err := LogFiles(dir, task, stream)
	if err != nil {
		return nil, err
	}
	r := &rotator{dir: dir, task: task, stream: stream, limit: limit}
	if len(files) > 0 {
		r.n = files[len(files)-1].N
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, r.prune(files)
}

// Write never splits what fits, and fills the current file before it begins
// the next. After an error the bytes not counted are lost, not retried.
func (r *rotator) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if r.size >= r.limit.Bytes {
			if err := r.next(); err != nil {
				return written, err
			}
		}
		part := p[:min(int64(len(p)), r.limit.Bytes-r.size)]
		n, err := r.file.Write(part)
		r.size += int64(n)
		written += n
		if err != nil {
			return written, fmt.Errorf("write log: %w", err)
		}
		p = p[n:]
	}
	return written, nil
}

// next closes a full file and begins the one after it.
func (r *rotator) next() error {
	full := r.file
	r.n++
	if err := r.open(); err != nil {
		r.n--
		return err
	}
	full.Close()
	if oldest := r.n - r.limit.Files; oldest >= 0 {
		err := os.Remove(filepath.Join(r.dir, LogName(r.task, r.stream, oldest)))
		if err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("drop old log: %w", err)
		}
	}
	return nil
}

func (r *rotator) open() error {
	path := filepath.Join(r.dir, LogName(r.task, r.stream, r.n))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("open log: %w", err)
	}
	r.file, r.size = file, info.Size()
	return nil
}

// prune drops what is beyond the limit, which may have shrunk since.
func (r *rotator) prune(files []LogFile) error {
	for _, f := range files {
		if f.N > r.n-r.limit.Files {
			break
		}
		if err := os.Remove(f.Path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("drop old log: %w", err)
		}
	}
	return nil
}

func (r *rotator) Close() error { return r.file.Close() }
