package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/hashicorp/nomad/api"
)

// fsFlags are the flags of alloc fs.
type fsFlags struct {
	stat, machine, job, follow, tail, verbose bool
	lines, bytes                              int
}

func allocFS() verb {
	var f fsFlags
	return verb{
		args: "ALLOC [PATH]", min: 1, max: 2,
		short: "List the files of an allocation, or print one",
		flags: []flagRow{
			{"stat", "", "Describe the file instead of printing it.", &f.stat, nil},
			{"H", "", "Sizes in bytes.", &f.machine, nil},
			{"f", "", "Go on printing as the file grows, until Ctrl-C.", &f.follow, nil},
			{"tail", "", "Only the end: the last 10 lines, or what -n or -c say.", &f.tail, nil},
			{"n", "LINES", "With -tail: this many lines.", &f.lines, nil},
			{"c", "BYTES", "With -tail: this many bytes.", &f.bytes, nil},
			{"job", "", "ALLOC is the ID of a job; one of its allocations is taken.", &f.job, nil},
			{"verbose", "", "Say which allocation was taken.", &f.verbose, nil},
		},
		run: func(s *session, args []string) error {
			name := "/"
			if len(args) == 2 {
				name = path.Join("/", args[1])
			}
			return s.allocFile(f, args[0], name)
		},
	}
}

func (s *session) allocFile(f fsFlags, id, name string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	var a *api.Allocation
	if f.job {
		a, err = s.anyAllocation(c, id, "")
	} else {
		a, err = s.allocation(c, id)
	}
	if err != nil {
		return err
	}
	if f.verbose {
		s.say("Allocation %s (%s)", a.ID, a.Name)
	}
	q := &api.QueryOptions{Namespace: a.Namespace}
	file, _, err := c.AllocFS().Stat(a, name, q)
	if err == nil && file == nil {
		err = errEmpty
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", name, err)
	}
	switch {
	case f.stat:
		s.fileTable([]*api.AllocFileInfo{file}, f.machine)
		return nil
	case file.IsDir:
		files, _, err := c.AllocFS().List(a, name, q)
		if err != nil {
			return fmt.Errorf("list %s: %w", name, err)
		}
		s.fileTable(files, f.machine)
		return nil
	case f.follow:
		return s.followFile(f, c, a, name)
	}
	return s.printFile(f, c, a, name, file.Size)
}

// ends are the flags as those of the log of the same end.
func (f fsFlags) ends() logFlags { return logFlags{tail: f.tail, lines: f.lines, bytes: f.bytes} }

func (s *session) printFile(f fsFlags, c *api.Client, a *api.Allocation, name string, size int64) error {
	origin, offset, lines := f.ends().logOrigin()
	from := int64(0)
	if origin == api.OriginEnd {
		from = max(0, size-offset)
	}
	r, err := c.AllocFS().ReadAt(a, name, from, size-from, &api.QueryOptions{Namespace: a.Namespace})
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer r.Close()
	out := &lastLines{w: s.out, keep: lines}
	if _, err := io.Copy(out, r); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return out.flush()
}

func (s *session) followFile(f fsFlags, c *api.Client, a *api.Allocation, name string) error {
	ctx, stop := s.interruptible()
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	origin, offset, lines := f.ends().logOrigin()
	frames, errs := c.AllocFS().Stream(a, name, origin, offset, ctx.Done(), (&api.QueryOptions{Namespace: a.Namespace}).WithContext(ctx))
	out := &lastLines{w: s.out, keep: lines}
	write := func(frame *api.StreamFrame) error {
		if frame.FileEvent != "" {
			s.say("%s", frame.FileEvent)
		}
		_, err := out.Write(frame.Data)
		return errors.Join(err, out.flush())
	}
	for {
		select {
		case err := <-errs:
			if restErr := restOf(frames, write); restErr != nil {
				return restErr
			}
			if ctx.Err() != nil || errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("follow %s: %w", name, err)
		case frame, ok := <-frames:
			if !ok {
				return nil
			}
			if frame != nil {
				if err := write(frame); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// restOf passes on the frames that came before an error and were not looked at.
func restOf(frames <-chan *api.StreamFrame, write func(*api.StreamFrame) error) error {
	for {
		select {
		case frame, ok := <-frames:
			if !ok {
				return nil
			}
			if frame != nil {
				if err := write(frame); err != nil {
					return err
				}
			}
		default:
			return nil
		}
	}
}

func (s *session) fileTable(files []*api.AllocFileInfo, machine bool) {
	rows := []string{row("Mode", "Size", "Modified Time", "Name")}
	for _, f := range present(files) {
		size, name := bytes(uint64(max(f.Size, 0))), f.Name
		if machine {
			size = fmt.Sprint(f.Size)
		}
		if f.IsDir {
			name += "/"
		}
		rows = append(rows, row(f.FileMode, size, f.ModTime.UTC().Format(time.RFC3339), name))
	}
	s.table(rows)
}
