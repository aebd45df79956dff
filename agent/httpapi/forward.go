package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// headerHops counts how often a request was forwarded. A request crosses at most
	// maxHops agents: client agent -> server -> leader or node, and one more while
	// leadership moves. More would be a loop.
	headerHops = "X-Selfheal-Hops"
	maxHops    = 4
	// headerRetry on a 503 says that nothing was done and another try may succeed.
	headerRetry = "X-Selfheal-Retry"
	// leaderPoll is how often a waiting request looks for a leader: small against
	// the election that it waits for.
	leaderPoll = 20 * time.Millisecond
)

// perHop are the headers that are about one connection, not about the request (RFC 9110,
// section 7.6.1): HTTP/2 between agents refuses some of them.
var perHop = []string{"Connection", "Upgrade", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Expect"}

// errRetry says that a forwarded request was not carried out.
type errRetry struct{ err error }

func (e *errRetry) Error() string { return e.err.Error() }
func (e *errRetry) Unwrap() error { return e.err }

// carry brings a request to the agent that answers it. done false: that is this one.
func (a *API) carry(r *request) (out any, done bool, err error) {
	if r.row.where == here {
		return nil, false, nil
	}
	region := r.region
	if home := a.homeRegion(r); home != "" {
		region = home
	}
	if region != "" && region != a.cfg.Region {
		servers := a.cfg.Peers.Servers(region)
		if len(servers) == 0 {
			return nil, true, a.noRegion(region)
		}
		out, err = a.forwardAny(r, servers)
		return out, true, err
	}
	switch r.row.where {
	case anyServer:
		return a.carryToServer(r)
	case leaderRead:
		if r.stale && a.cfg.State != nil {
			return nil, false, nil
		}
		return a.carryToLeader(r)
	case leaderWrite, leaderRepeat, leaderToken:
		return a.carryToLeader(r)
	case onNode:
		return a.carryToNode(r)
	case onAgent:
		return a.carryToAgent(r)
	}
	return nil, false, nil
}

func (a *API) noRegion(region string) error {
	return badRequest("No path to region %q; known are %s", region, strings.Join(a.cfg.Peers.Regions(), ", "))
}

func (a *API) carryToServer(r *request) (any, bool, error) {
	if a.cfg.State != nil {
		return nil, false, nil
	}
	out, err := a.forwardAny(r, a.cfg.Peers.Servers(a.cfg.Region))
	return out, true, err
}

// carryToLeader waits for a leader as long as Limits.LeaderWait, so that a client
// need not retry while one is elected.
func (a *API) carryToLeader(r *request) (any, bool, error) {
	if a.cfg.State == nil {
		return a.carryToServer(r)
	}
	deadline := time.NewTimer(a.cfg.Limits.LeaderWait)
	defer deadline.Stop()
	for {
		if a.cfg.Raft.IsLeader() {
			return nil, false, nil
		}
		if addr := a.cfg.Peers.Leader(); addr != "" && addr != a.cfg.Self {
			r.giveToken()
			out, err := a.forwardToLeader(r, addr)
			var again *errRetry
			if !errors.As(err, &again) {
				return out, true, err
			}
			a.log.Debug("forward to leader failed", "addr", addr, "err", err)
		}
		select {
		case <-r.Context().Done():
			return nil, true, r.Context().Err()
		case <-deadline.C:
			r.w.Header().Set(headerRetry, "leader")
			return nil, true, errNoLeader
		case <-time.After(leaderPoll):
		}
	}
}

// forwardToLeader gives up waiting for a leader that no longer is one: a host that
// died in silence would hold the request until its connection times out.
func (a *API) forwardToLeader(r *request, addr string) (any, error) {
	ctx, deposed := context.WithCancelCause(r.Context())
	defer deposed(nil)
	changed := a.cfg.Peers.LeaderChanged()
	if a.cfg.Peers.Leader() != addr { // it changed before we watched
		return nil, &errRetry{errDeposed}
	}
	go func() { // ends with the request
		select {
		case <-changed:
			deposed(errDeposed)
		case <-ctx.Done():
		}
	}()
	return a.forward(r, addr, ctx)
}

// errDeposed ends a request to a leader that lost its office.
var errDeposed = errors.New("the leader changed while it was asked")

// carryToNode brings a request about an allocation ({alloc}) or a node (?node_id)
// to that node's agent.
func (a *API) carryToNode(r *request) (any, bool, error) {
	nodeID := r.query.Get("node_id")
	allocID := r.vars["alloc"]
	switch {
	case allocID != "" && a.cfg.Allocs != nil && a.cfg.Allocs.HasAlloc(allocID):
		return nil, false, nil
	case allocID == "" && nodeID == "" && a.cfg.Node != nil:
		return nil, false, nil
	case allocID == "" && nodeID == "":
		return nil, true, errNotClient
	case nodeID != "" && a.cfg.Node != nil && a.cfg.Node.NodeID() == nodeID:
		return nil, false, nil
	case a.cfg.State == nil:
		return a.carryToServer(r)
	}
	addr, err := a.nodeAddr(nodeID, allocID)
	if a.maybeLate(err) {
		if out, done, err := a.carryToLeader(r); done {
			return out, done, err
		}
		addr, err = a.nodeAddr(nodeID, allocID)
	}
	if addr == "" || err != nil {
		return nil, err != nil, err
	}
	out, err := a.forward(r, addr, r.Context())
	return out, true, err
}

// maybeLate reports whether what this server does not know may be known to the leader.
func (a *API) maybeLate(err error) bool {
	if err == nil || a.cfg.Raft.IsLeader() {
		return false
	}
	code, _ := answer(err)
	return code == http.StatusNotFound
}

// nodeAddr is the cluster port of a node, or of the node of an allocation; "" when
// that is this agent.
func (a *API) nodeAddr(nodeID, allocID string) (string, error) {
	snap := a.cfg.State.Snapshot()
	if allocID != "" {
		alloc := snap.Alloc(nil, allocID)
		if alloc == nil {
			return "", notFound("Unknown allocation %q", allocID)
		}
		nodeID = alloc.NodeID
	}
	if a.cfg.Node != nil && a.cfg.Node.NodeID() == nodeID {
		return "", nil
	}
	node := snap.Node(nil, nodeID)
	switch {
	case node == nil:
		return "", notFound("Unknown node %q", nodeID)
	case node.Status == api.NodeStatusDown || node.RPCAddr == "":
		return "", &Error{http.StatusInternalServerError, fmt.Sprintf("node %s is %s and cannot be asked", nodeID, node.Status)}
	}
	return node.RPCAddr, nil
}

// carryToAgent brings a request about an agent itself (monitor, pprof, host) to
// the one named by ?server_id ("leader" or a name) or ?node_id; without either it
// is about this one.
func (a *API) carryToAgent(r *request) (any, bool, error) {
	serverID, nodeID := r.query.Get("server_id"), r.query.Get("node_id")
	switch {
	case serverID != "" && nodeID != "":
		return nil, true, badRequest("Cannot target node and server simultaneously")
	case nodeID != "":
		return a.carryToNode(r)
	case serverID == "":
		return nil, false, nil
	}
	addr := a.cfg.Peers.Server(serverID)
	if serverID == "leader" {
		addr = a.cfg.Peers.Leader()
	}
	switch addr {
	case "":
		return nil, true, &Error{http.StatusInternalServerError, "unknown Nomad server " + serverID} // the code that clients of this API expect
	case a.cfg.Self:
		return nil, false, nil
	}
	out, err := a.forward(r, addr, r.Context())
	return out, true, err
}

// forwardAny tries servers until one answers.
func (a *API) forwardAny(r *request, addrs []string) (any, error) {
	err := error(errNotServer)
	for _, addr := range addrs {
		var out any
		out, err = a.forward(r, addr, r.Context())
		var again *errRetry
		if !errors.As(err, &again) {
			return out, err
		}
	}
	return nil, err
}

// forward sends a request to another agent's cluster port and streams the answer
// back. A request that certainly was not carried out, or may be repeated without
// harm, fails with errRetry; any other failure says that the outcome is unknown.
func (a *API) forward(r *request, addr string, ctx context.Context) (any, error) {
	hops, _ := strconv.Atoi(r.Header.Get(headerHops))
	if hops >= maxHops {
		r.w.Header().Set(headerRetry, "loop")
		return nil, &Error{http.StatusServiceUnavailable, "the request was forwarded too often: the servers disagree on who leads"}
	}
	var body io.Reader = r.Body
	if r.Method != http.MethodGet && !r.row.streams {
		held, err := r.body(a.cfg.Limits)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(held)
	}
	out, err := http.NewRequestWithContext(ctx, r.Method,
		a.cfg.ForwardScheme+"://"+addr+r.URL.EscapedPath()+"?"+r.URL.RawQuery, body)
	if err != nil {
		return nil, fmt.Errorf("forward to %s: %w", addr, err)
	}
	out.Header = r.Header.Clone()
	for _, name := range perHop {
		out.Header.Del(name)
	}
	out.Header.Set(headerHops, strconv.Itoa(hops+1))
	if out.Header.Get("Accept-Encoding") == "" {
		out.Header.Set("Accept-Encoding", "identity") // the body passes as it is
	}
	resp, err := a.cfg.Forward.Do(out)
	if err != nil {
		err = fmt.Errorf("forward to %s: %w", addr, err)
		if r.Context().Err() == nil && (r.repeatable() || neverSent(err)) {
			return nil, &errRetry{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.Header.Get(headerRetry) != "" {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, &errRetry{&Error{resp.StatusCode, string(text)}}
	}
	head, err := r.head(resp.Body)
	if err != nil {
		err = fmt.Errorf("forward to %s: the answer broke off: %w", addr, err)
		if r.Context().Err() == nil && r.repeatable() {
			return nil, &errRetry{err}
		}
		return nil, err
	}
	return streamed{}, a.relay(r, resp, head)
}

// heldAnswer is how much of a leader's answer is held back until it is known not to
// break off: nearly all answers are smaller, and such a one that does is asked for
// again instead of reaching the client in part.
const heldAnswer = 1 << 20

// head reads the beginning of an answer that comes from the leader. Other answers
// may be endless, such as logs and events, and begin at once.
func (r *request) head(body io.Reader) ([]byte, error) {
	switch r.row.where {
	case leaderRead, leaderWrite, leaderRepeat, leaderToken:
		return io.ReadAll(io.LimitReader(body, heldAnswer))
	}
	return nil, nil
}

// giveToken gives a write that takes an idempotency token one of its own, so that it
// may be sent again when the leader dies with it.
func (r *request) giveToken() {
	if r.row.where != leaderToken || r.query.Get("idempotency_token") != "" {
		return
	}
	r.query.Set("idempotency_token", newID())
	u := *r.URL
	u.RawQuery = r.query.Encode()
	r.URL = &u
}

// repeatable reports whether a request may be sent again when its outcome is unknown.
func (r *request) repeatable() bool {
	switch r.row.where {
	case anyServer, leaderRead, leaderRepeat:
		return true
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.query.Get("idempotency_token") != ""
}

// neverSent reports whether a request failed before it reached the other side.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// relay copies an answer, whose head was read already, as it comes: every piece is
// flushed, because logs and events must not wait for a full buffer.
func (a *API) relay(r *request, resp *http.Response, head []byte) error {
	h := r.w.Header()
	for name, values := range resp.Header {
		if name != "Connection" && name != "Keep-Alive" {
			h[name] = values
		}
	}
	if r.onStream != nil {
		r.onStream()
	}
	r.w.WriteHeader(resp.StatusCode)
	if _, err := r.w.Write(head); err != nil {
		return nil // our client is gone
	}
	flush := http.NewResponseController(r.w)
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := r.w.Write(buf[:n]); werr != nil {
				return nil // our client is gone
			}
			flush.Flush()
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && r.Context().Err() == nil: // also when the leader lost its office
			a.log.Debug("forwarded answer broke off", "path", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler) // the client must see that it is not whole
		case err != nil:
			return nil
		}
	}
}
