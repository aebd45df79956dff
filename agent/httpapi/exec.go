package httpapi

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// clientAllocExec is GET /v1/client/allocation/:id/exec. Clients of this API read
// errors from the websocket's close frame, so it is opened even to refuse.
func clientAllocExec(a *API, r *request) (any, error) {
	err := a.execRefusal(r.vars["alloc"])
	key := r.Header.Get("Sec-Websocket-Key")
	if key == "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return nil, err
	}
	if err := closeWebsocket(r.w, key, err); err != nil {
		a.log.Debug("exec: refuse on the websocket", "err", err)
	}
	return streamed{}, nil
}

func (a *API) execRefusal(alloc string) error {
	local := a.cfg.Allocs != nil && a.cfg.Allocs.HasAlloc(alloc)
	if !local && a.cfg.State != nil && a.cfg.State.Snapshot().Alloc(nil, alloc) == nil {
		return notFound("Unknown allocation %q", alloc)
	}
	return notYet("exec")
}

// Facts of RFC 6455.
const (
	websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // section 1.3
	closeFrame    = 0x80 | 0x8                             // section 5.2: final, opcode close
	maxReason     = 125 - 2                                // section 5.5: a control frame's payload, less the code
	closeBase     = 4000                                   // section 7.4.2: codes of applications; 4404 is our 404
)

// closeWebsocket accepts an upgrade and closes it at once, with the reason.
func closeWebsocket(w http.ResponseWriter, key string, why error) error {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(key + websocketGUID))
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	code, text := answer(why)
	text = strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
	buf.Write([]byte{closeFrame, byte(2 + len(text))})
	buf.Write(binary.BigEndian.AppendUint16(nil, uint16(closeBase+code)))
	buf.WriteString(text)
	if err := buf.Flush(); err != nil {
		return err
	}
	// To close before the client has read, with its input unread, could reset the
	// connection and lose the reason.
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, conn)
	return nil
}
