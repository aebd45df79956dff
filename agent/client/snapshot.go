package client

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Snapshot returns what writes a tar archive of what the allocation's ephemeral disk
// keeps: alloc/data and each task's local directory. Links are kept as links and
// never followed; sockets and devices are left out.
func (c *Client) Snapshot(allocID string) (write func(context.Context, io.Writer) error, err error) {
	dirs := []string{path.Join(sharedDir, "data")}
	var root string
	err = c.ask(allocID, func(a *alloc) error {
		root = string(a.dir)
		for _, t := range a.tasks {
			dirs = append(dirs, path.Join(t.spec.Name, "local"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(root); err != nil {
		return nil, notFound("the allocation has no directory here")
	}
	return func(ctx context.Context, w io.Writer) error { return archive(ctx, w, root, dirs) }, nil
}

// archive writes the directories of root that exist.
func archive(ctx context.Context, w io.Writer, dir string, names []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("snapshot allocation: %w", err)
	}
	defer root.Close()
	out := tar.NewWriter(w)
	for _, name := range names {
		err := fs.WalkDir(root.FS(), name, func(at string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // not there, or gone since
				return nil
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			}
			return archiveEntry(out, root, at, entry)
		})
		if err != nil {
			return fmt.Errorf("snapshot allocation: %s: %w", name, err)
		}
	}
	return out.Close()
}

func archiveEntry(out *tar.Writer, root *os.Root, at string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	link := ""
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		if link, err = root.Readlink(at); err != nil {
			return err
		}
	case !mode.IsRegular() && !mode.IsDir():
		return nil
	}
	head, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	head.Name = at
	if info.IsDir() {
		head.Name += "/"
	}
	if !info.Mode().IsRegular() {
		return out.WriteHeader(head)
	}
	f, err := root.Open(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := out.WriteHeader(head); err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(f, head.Size)) // it may grow while it is read
	if err == nil && n < head.Size {
		return fmt.Errorf("%s shrank while it was read: try again", at)
	}
	return err
}
