package httpapi

import "net/http"

// clientAllocSnapshot is GET /v1/client/allocation/:id/snapshot: a tar archive of
// what the allocation's ephemeral disk keeps, alloc/data and each task's local
// directory. One that breaks off cuts the connection.
func clientAllocSnapshot(a *API, r *request) (any, error) {
	if a.cfg.AllocSnapshot == nil {
		return nil, errNotClient
	}
	write, err := a.cfg.AllocSnapshot(r.vars["alloc"])
	if err != nil {
		return nil, err
	}
	out := newStream(r, "application/x-tar", frameWrite)
	defer out.close()
	if err := write(r.Context(), writer{out}); err != nil && r.Context().Err() == nil {
		a.log.Warn("snapshot of an allocation broke off", "alloc", r.vars["alloc"], "err", err)
		panic(http.ErrAbortHandler)
	}
	return streamed{}, nil
}
