package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sys/unix"
)

const (
	// maxFrame is the most data in one frame.
	maxFrame = 64 << 10
	// followEvery is how often a followed file is looked at once its end is reached.
	followEvery = 100 * time.Millisecond
	// sniffLength is what http.DetectContentType looks at.
	sniffLength = 512
)

// The API's words for what happens to a followed file.
const (
	fileDeleted   = "file deleted"
	fileTruncated = "file truncated"
)

// List lists a directory of an allocation. Paths are relative to the allocation's
// directory; those that lead out of it, also by symbolic links, and those into a
// task's secrets are refused, here and in all that follows.
func (c *Client) List(allocID, name string) ([]*api.AllocFileInfo, error) {
	f, err := c.openFile(allocID, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, badRequest("%q is no directory that can be listed: %v", name, err)
	}
	out := []*api.AllocFileInfo{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil { // gone since
			continue
		}
		out = append(out, fileInfo(info))
	}
	return out, nil
}

// Stat describes one file or directory, with the type of a file's content.
func (c *Client) Stat(allocID, name string) (*api.AllocFileInfo, error) {
	f, err := c.openFile(allocID, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat file: %w", err)
	}
	out := fileInfo(info)
	if info.Mode().IsRegular() {
		head := make([]byte, sniffLength)
		n, _ := f.ReadAt(head, 0)
		out.ContentType = http.DetectContentType(head[:n])
	}
	return out, nil
}

func fileInfo(info fs.FileInfo) *api.AllocFileInfo {
	return &api.AllocFileInfo{
		Name: info.Name(), IsDir: info.IsDir(), Size: info.Size(),
		FileMode: info.Mode().String(), ModTime: info.ModTime(),
	}
}

// ReadAt reads limit bytes of a file from offset, all that follows when limit is 0
// or less.
func (c *Client) ReadAt(allocID, name string, offset, limit int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, badRequest("offset %d is negative", offset)
	}
	f, _, err := c.openRegular(allocID, name)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = 1<<63 - 1 - offset
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, offset, limit), f}, nil
}

// Stream yields the frames of a file from offset, counted from origin ("start", or
// "end" and backwards). A frame's Offset is the file's after its data. With follow
// it goes on, past truncations, until the file is deleted or ctx ends.
func (c *Client) Stream(ctx context.Context, allocID, name, origin string, offset int64, follow bool) iter.Seq2[*api.StreamFrame, error] {
	return func(yield func(*api.StreamFrame, error) bool) {
		f, size, err := c.openRegular(allocID, name)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		pos, err := startAt(origin, offset, size)
		if err != nil {
			yield(nil, err)
			return
		}
		label := cleanPath(name)
		for {
			var more bool
			if pos, more, err = frames(f, pos, label, yield); !more || !follow {
				return
			}
			if !sleep(ctx, followEvery) {
				return
			}
			event := ""
			if event, pos = watched(f, pos); event == "" {
				continue
			}
			if !yield(&api.StreamFrame{File: label, FileEvent: event, Offset: pos}, nil) || event == fileDeleted {
				return
			}
		}
	}
}

// frames yields what is in f after pos. It returns the position reached, and false
// when nobody wants to go on.
func frames(f *os.File, pos int64, label string, yield func(*api.StreamFrame, error) bool) (int64, bool, error) {
	for {
		data := make([]byte, maxFrame)
		n, err := f.ReadAt(data, pos)
		if n > 0 {
			pos += int64(n)
			if !yield(&api.StreamFrame{File: label, Offset: pos, Data: data[:n]}, nil) {
				return pos, false, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return pos, true, nil
		}
		if err != nil {
			yield(nil, fmt.Errorf("read file: %w", err))
			return pos, false, err
		}
	}
}

// watched tells what happened to an open file, and where to read on.
func watched(f *os.File, pos int64) (string, int64) {
	info, err := f.Stat()
	if err != nil {
		return fileDeleted, pos
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && sys.Nlink == 0 {
		return fileDeleted, pos
	}
	if info.Size() < pos {
		return fileTruncated, 0
	}
	return "", pos
}

// startAt is the position in a file of this size that origin and offset mean.
func startAt(origin string, offset, size int64) (int64, error) {
	if offset < 0 {
		return 0, badRequest("offset %d is negative", offset)
	}
	switch origin {
	case "", api.OriginStart:
		return offset, nil
	case api.OriginEnd:
		return max(0, size-offset), nil
	}
	return 0, badRequest("origin %q is neither start nor end", origin)
}

// sleep waits, and returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// openRegular opens a file with content.
func (c *Client) openRegular(allocID, name string) (*os.File, int64, error) {
	f, err := c.openFile(allocID, name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = badRequest("%q is no regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// openFile opens something inside an allocation's directory.
func (c *Client) openFile(allocID, name string) (*os.File, error) {
	a, err := c.find(allocID)
	if err != nil {
		return nil, err
	}
	return a.dir.open(name)
}

// cleanPath is a path as it is inside the allocation's directory: "." for the
// directory itself, and never above it.
func cleanPath(name string) string {
	if rel := path.Clean("/" + name)[1:]; rel != "" {
		return rel
	}
	return "."
}

// open opens a path inside the directory for reading. It is confined twice: no
// symbolic link is followed out of the directory, and what was opened is looked at
// again, so that none leads into a task's secrets.
func (d allocDir) open(name string) (*os.File, error) {
	root, err := os.OpenRoot(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound("the allocation has no directory here")
	}
	if err != nil {
		return nil, fmt.Errorf("open allocation directory: %w", err)
	}
	defer root.Close()
	// O_NONBLOCK: a pipe without a writer must not hold us.
	f, err := root.OpenFile(cleanPath(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, notFound("no file %q in the allocation", name)
	case err != nil:
		return nil, forbidden("%q cannot be opened: %v", name, errors.Unwrap(err))
	}
	secret, err := d.secret(f)
	if err == nil && secret {
		err = forbidden("%q is in a task's secrets", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// secret tells whether an open file is, or is inside, <task>/secrets.
func (d allocDir) secret(f *os.File) (bool, error) {
	var real string
	var err error
	if ctl := control(f, func(fd int) { real, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }); ctl != nil {
		return false, ctl
	}
	if err != nil {
		return false, fmt.Errorf("find real path: %w", err)
	}
	base, err := realPath(string(d))
	if err != nil {
		return false, err
	}
	if real == base {
		return false, nil
	}
	rel, inside := strings.CutPrefix(real, base+"/")
	if !inside {
		return true, nil // moved out of it since: as good as secret
	}
	parts := strings.Split(rel, "/")
	return len(parts) > 1 && parts[0] != sharedDir && parts[1] == secretsDir, nil
}

// realPath is a directory's path without symbolic links.
func realPath(dir string) (string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", fmt.Errorf("find real path: %w", err)
	}
	defer f.Close()
	var real string
	if ctl := control(f, func(fd int) { real, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }); ctl != nil {
		return "", ctl
	}
	return real, err
}

// control does something with a file's descriptor, and leaves its mode alone.
func control(f *os.File, do func(fd int)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { do(int(fd)) })
}
