package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// gzipFrom is the size in bytes from which a response is worth compressing; one
// smaller fits a packet anyway.
const gzipFrom = 1400

// raw is a response that is not JSON.
type raw struct {
	contentType string
	body        []byte
}

// streamed says that the handler has written the response itself.
type streamed struct{}

// status is a response with a code other than 200.
type status struct {
	code int
	body any
}

// respond writes what a handler returned: nil is an empty 200, anything else JSON.
func (a *API) respond(r *request, out any, err error) {
	if err != nil {
		a.respondError(r, err)
		return
	}
	code := http.StatusOK
	if s, ok := out.(status); ok {
		code, out = s.code, s.body
	}
	a.setMeta(r)
	switch v := out.(type) {
	case streamed:
	case nil:
		r.w.WriteHeader(code)
	case sent:
		v.send(r, code)
	case raw:
		r.w.Header().Set("Content-Type", v.contentType)
		r.write(code, v.body)
	default:
		body, err := encode(out, r.pretty)
		if err != nil {
			a.log.Error("encode response", "path", r.URL.Path, "err", err)
			http.Error(r.w, "encode response: "+err.Error(), http.StatusInternalServerError)
			return
		}
		r.w.Header().Set("Content-Type", "application/json")
		r.write(code, body)
	}
}

// respondError writes an error as plain text with the status that answer gives it.
func (a *API) respondError(r *request, err error) {
	code, text := answer(err)
	level := a.log.Debug
	if code >= 500 && code != http.StatusNotImplemented {
		level = a.log.Warn
	}
	level("request failed", "method", r.Method, "path", r.URL.Path, "code", code, "err", err)
	a.setMeta(r)
	h := r.w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "ETag"} {
		h.Del(name)
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	r.w.WriteHeader(code)
	io.WriteString(r.w, text)
}

// setMeta sets the headers of a query or write, also of one that is refused: who waits
// for what is not there yet needs an index to wait on.
func (a *API) setMeta(r *request) {
	h := r.w.Header()
	if r.index > 0 {
		index := r.index
		if r.zeroIndex && index == 1 {
			index = 0
		}
		h.Set("X-Nomad-Index", strconv.FormatUint(index, 10))
	}
	if a.cfg.Raft != nil && r.row != nil && r.row.where != here {
		h.Set("X-Nomad-KnownLeader", strconv.FormatBool(a.cfg.Raft.KnownLeader()))
		h.Set("X-Nomad-LastContact", strconv.FormatInt(a.cfg.Raft.LastContact().Milliseconds(), 10))
	}
}

// encode writes JSON as clients of this API know it: HTML characters as they are.
func encode(v any, pretty bool) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if pretty {
		enc.SetIndent("", "    ")
	}
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// write sends a body, compressed where the client takes it and it is worth it.
func (r *request) write(code int, body []byte) {
	h := r.w.Header()
	h.Add("Vary", "Accept-Encoding")
	if len(body) < gzipFrom || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		r.w.WriteHeader(code)
		r.w.Write(body)
		return
	}
	h.Set("Content-Encoding", "gzip")
	r.w.WriteHeader(code)
	r.w.Write(compressed(body))
}

// compressors are used again: each has tables of 800 KB, more than most bodies.
var compressors = sync.Pool{New: func() any {
	zw, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return zw
}}
