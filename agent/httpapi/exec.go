package httpapi

import (
	"strings"

	"github.com/coder/websocket"
)

// closeBase makes a websocket's close code of an HTTP status: 4404 is a 404. Codes
// from 4000 on are an application's own (RFC 6455, 7.4.2).
const closeBase = 4000

// maxReason is the longest text of a close frame in bytes (RFC 6455, 5.5: 125
// with the code).
const maxReason = 123

// clientAllocExec is GET /v1/client/allocation/:id/exec. Clients of this API read
// errors from the websocket's close frame, so it is opened even to refuse.
func clientAllocExec(a *API, r *request) (any, error) {
	err := a.execRefusal(r.vars["alloc"])
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return nil, err
	}
	conn, upgradeErr := websocket.Accept(r.w, r.Request, nil) // it has answered when it fails
	if upgradeErr != nil {
		a.log.Debug("exec: websocket refused", "err", upgradeErr)
		return streamed{}, nil
	}
	code, text := answer(err)
	_ = conn.Close(websocket.StatusCode(closeBase+code), text[:min(len(text), maxReason)])
	return streamed{}, nil
}

func (a *API) execRefusal(alloc string) error {
	local := a.cfg.Allocs != nil && a.cfg.Allocs.HasAlloc(alloc)
	if !local && a.cfg.State != nil && a.cfg.State.Snapshot().Alloc(nil, alloc) == nil {
		return notFound("Unknown allocation %q", alloc)
	}
	return notYet("exec")
}
