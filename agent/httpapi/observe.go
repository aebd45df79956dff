package httpapi

import (
	"net/http"
	"time"
)

// Observation is one answered request, for the metrics.
type Observation struct {
	// Method and Route are the row of the table, such as "GET" and "/v1/job/{id...}":
	// never the path itself, whose names would make a series each.
	Method, Route string
	Code          int
	// Took is how long the answer took; 0 for blocking queries, streams and what
	// another agent answered, whose time says nothing about this one.
	Took time.Duration
}

// watched remembers the status of a response.
type watched struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(code int) {
	if w.code == 0 || w.code < 200 { // informational ones precede the answer
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush and hijack.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// observe reports a request that a row of the table answered.
func (a *API) observe(r *request, w *watched, out any, took time.Duration) {
	if a.cfg.Observe == nil {
		return
	}
	if _, far := out.(streamed); far || r.minIndex > 0 {
		took = 0
	}
	a.cfg.Observe(Observation{Method: r.row.method, Route: r.row.path, Code: w.code, Took: took})
}
