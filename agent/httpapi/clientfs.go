package httpapi

import (
	"context"
	"io"
	"iter"
	"slices"

	"github.com/hashicorp/nomad/api"
)

// files refuses requests about files on an agent without a client.
func (a *API) files() (Files, error) {
	if a.cfg.Files == nil {
		return nil, errNotClient
	}
	return a.cfg.Files, nil
}

// path reads ?path, which must be given.
func (r *request) path() (string, error) {
	p := r.query.Get("path")
	if p == "" {
		return "", badRequest("must provide a file name: set ?path=")
	}
	return p, nil
}

// fsList is GET /v1/client/fs/ls/:alloc.
func fsList(a *API, r *request) (any, error) {
	files, err := a.files()
	if err != nil {
		return nil, err
	}
	path := r.query.Get("path")
	if path == "" {
		path = "/"
	}
	infos, err := files.List(r.vars["alloc"], path)
	if infos == nil {
		infos = []*api.AllocFileInfo{}
	}
	return infos, err
}

// fsStat is GET /v1/client/fs/stat/:alloc.
func fsStat(a *API, r *request) (any, error) {
	files, err := a.files()
	if err != nil {
		return nil, err
	}
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	return files.Stat(r.vars["alloc"], path)
}

// fsReadAt is GET /v1/client/fs/readat/:alloc (?path, ?offset, ?limit).
func fsReadAt(a *API, r *request) (any, error) {
	offset, err := r.number("offset", -1)
	if err != nil {
		return nil, err
	}
	limit, err := r.number("limit", -1)
	switch {
	case err != nil:
		return nil, err
	case offset < 0 || limit < 0:
		return nil, badRequest("offset and limit must be given, both 0 or more")
	}
	return a.sendFile(r, offset, limit)
}

// fsCat is GET /v1/client/fs/cat/:alloc: the whole file.
func fsCat(a *API, r *request) (any, error) { return a.sendFile(r, 0, 0) }

func (a *API) sendFile(r *request, offset, limit int64) (any, error) {
	files, err := a.files()
	if err != nil {
		return nil, err
	}
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	rc, err := files.ReadAt(r.vars["alloc"], path, offset, limit)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	out := newStream(r, "application/octet-stream", frameWrite)
	defer out.close()
	buf := make([]byte, maxFrame)
	for {
		n, err := rc.Read(buf)
		if n > 0 && out.write(buf[:n]) != nil {
			return streamed{}, nil
		}
		if err == io.EOF {
			return streamed{}, nil
		}
		if err != nil {
			a.breakOff(r, err)
		}
	}
}

// position reads ?origin, ?offset and ?follow of a stream.
func (r *request) position(followDefault bool) (origin string, offset int64, follow bool, err error) {
	if origin = r.query.Get("origin"); origin == "" {
		origin = api.OriginStart
	}
	if origin != api.OriginStart && origin != api.OriginEnd {
		return "", 0, false, badRequest("origin must be start or end (is %q)", origin)
	}
	if offset, err = r.number("offset", 0); err != nil {
		return "", 0, false, err
	}
	if offset < 0 {
		return "", 0, false, badRequest("offset must be 0 or more: with origin=end it counts backwards")
	}
	follow = followDefault
	if r.query.Has("follow") {
		follow, err = r.flag("follow", true)
	}
	return origin, offset, follow, err
}

// fsStream is GET /v1/client/fs/stream/:alloc: frames of one file, following it.
func fsStream(a *API, r *request) (any, error) {
	files, err := a.files()
	if err != nil {
		return nil, err
	}
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	origin, offset, follow, err := r.position(true)
	if err != nil {
		return nil, err
	}
	return a.streamFrames(r, false, func(ctx context.Context) iter.Seq2[*api.StreamFrame, error] {
		return files.Stream(ctx, r.vars["alloc"], path, origin, offset, follow)
	})
}

// fsLogs is GET /v1/client/fs/logs/:alloc (?task, ?type, ?follow, ?plain).
func fsLogs(a *API, r *request) (any, error) {
	files, err := a.files()
	if err != nil {
		return nil, err
	}
	task, logType := r.query.Get("task"), r.query.Get("type")
	switch {
	case task == "":
		return nil, badRequest("must provide task name: set ?task=")
	case !slices.Contains([]string{api.FSLogNameStdout, api.FSLogNameStderr}, logType):
		return nil, badRequest("log type must be %q or %q: set ?type=", api.FSLogNameStdout, api.FSLogNameStderr)
	}
	plain, err := r.flag("plain", true)
	if err != nil {
		return nil, err
	}
	origin, offset, follow, err := r.position(false)
	if err != nil {
		return nil, err
	}
	return a.streamFrames(r, plain, func(ctx context.Context) iter.Seq2[*api.StreamFrame, error] {
		return files.Logs(ctx, r.vars["alloc"], task, logType, origin, offset, follow)
	})
}
