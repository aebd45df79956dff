package gossip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// firstRetry is the first pause of RetryJoin; it doubles up to the interval.
const firstRetry = 100 * time.Millisecond

// Join contacts every address once, "host" or "host:port", all at the same
// time, and returns how many answered and what went wrong with the others.
// Addresses of this member itself are passed over; if there are no others, it
// returns 0 and no error. One answer is enough to know the whole cluster.
func (g *Gossip) Join(ctx context.Context, addrs []string) (int, error) {
	if g.ctx.Err() != nil {
		return 0, ErrShutdown
	}
	found, errs := g.resolve(ctx, addrs)
	results := make(chan error, len(found))
	for _, addr := range found {
		go func() { // ends by itself, after StreamTimeout at the latest
			_, err := g.ml.Join([]string{addr})
			results <- explain(addr, err)
		}()
	}
	joined := 0
	for range found {
		select {
		case err := <-results:
			if err == nil {
				joined++
			} else {
				errs = append(errs, err)
			}
		case <-ctx.Done():
			return joined, errors.Join(append(errs, ctx.Err())...)
		case <-g.ctx.Done():
			return joined, ErrShutdown
		}
	}
	return joined, errors.Join(errs...)
}

// resolve turns names into "ip:port", without this member's own addresses.
func (g *Gossip) resolve(ctx context.Context, addrs []string) (found []string, errs []error) {
	seen := map[string]bool{g.addr: true}
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			host, port = strings.Trim(addr, "[]"), strconv.Itoa(g.defaultPort())
		}
		ips := []string{host}
		if net.ParseIP(host) == nil {
			if ips, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
				errs = append(errs, fmt.Errorf("join %s: %w", addr, err))
				continue
			}
		}
		for _, ip := range ips {
			if at := net.JoinHostPort(ip, port); !seen[at] {
				seen[at] = true
				found = append(found, at)
			}
		}
	}
	return found, errs
}

func (g *Gossip) defaultPort() int {
	if g.cfg.Port != 0 {
		return g.cfg.Port
	}
	return DefaultPort
}

// hints says what to change for the errors that a configuration causes.
// memberlist knows them as text only; it is compared in lower case.
var hints = []struct{ text, hint string }{
	{"no installed keys could decrypt", "the gossip keys differ: set the same `encrypt` on both agents"},
	{"is encrypted and encryption is not configured", "the cluster is encrypted and one of the two agents has no key: set the same `encrypt` on both"},
	{"encryption is configured but remote state is not encrypted", "one of the two agents has no gossip key: set the same `encrypt` on both"},
	{"eof", "it closed the connection: is that the gossip port (4648) of an agent, and the gossip key the same?"},
}

// explain makes one line of memberlist's error. It never hides the original.
func explain(addr string, err error) error {
	if err == nil {
		return nil
	}
	if inner := errors.Unwrap(err); inner != nil { // out of the multierror's bullets
		err = inner
	}
	text := strings.TrimPrefix(err.Error(), "failed to join "+addr+": ")
	for _, h := range hints {
		if strings.Contains(strings.ToLower(text), h.text) {
			return fmt.Errorf("join %s: %s (%s)", addr, h.hint, text)
		}
	}
	if strings.HasPrefix(text, ErrDuplicateID.Error()) {
		return fmt.Errorf("join %s: %w%s", addr, ErrDuplicateID, strings.TrimPrefix(text, ErrDuplicateID.Error()))
	}
	return fmt.Errorf("join %s: %s", addr, text)
}

// RetryJoin joins through the addresses and then keeps watch over them until
// ctx ends or Shutdown; its error says which. Attempts follow after 100 ms, 200 ms and
// so on up to interval; after max failed ones (0: no limit) it gives up with
// the last error. Once joined it looks every interval for addresses that are
// not alive in this cluster and joins those: two clusters that started apart,
// or a partition that outlived FailedTimeout, become one.
func (g *Gossip) RetryJoin(ctx context.Context, addrs []string, interval time.Duration, max int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	wait, joined := min(firstRetry, interval), false
	for failed := 0; ; {
		n, err := g.Join(ctx, g.absent(ctx, addrs))
		switch {
		case g.ctx.Err() != nil:
			return ErrShutdown
		case ctx.Err() != nil:
			return ctx.Err()
		case n > 0:
			g.log.Info("joined the cluster", "contacted", n, "members", g.NumNodes())
			joined = true
		case err == nil: // everyone is here
			joined = true
		case joined:
			g.log.Debug("some addresses to join do not answer", "err", err)
		default:
			if failed++; failed == max {
				return fmt.Errorf("gossip: gave up after %d attempts: %w", failed, err)
			}
			g.log.Warn("cannot join yet, will try again", "attempt", failed, "in", wait.String(), "err", err)
		}
		if joined {
			wait = interval
		}
		if !pause(ctx, wait) {
			continue
		}
		wait = min(2*wait, interval)
	}
}

// absent returns the addresses that no living member has.
func (g *Gossip) absent(ctx context.Context, addrs []string) (out []string) {
	here := map[string]bool{}
	for _, m := range g.roster.all() {
		if m.Status == Alive {
			here[m.GossipAddr()] = true
		}
	}
	for _, addr := range addrs {
		found, errs := g.resolve(ctx, []string{addr})
		if len(errs) > 0 {
			out = append(out, addr)
		}
		for _, at := range found {
			if !here[at] {
				out = append(out, at)
			}
		}
	}
	return out
}

// reconnect dials failed members now and then: they may be back, or have been
// on the other side of a partition.
func (g *Gossip) reconnect() {
	for pause(g.ctx, jitter(g.cfg.ReconnectInterval)) {
		var failed []Member
		for _, m := range g.roster.all() {
			if m.Status == Failed {
				failed = append(failed, m)
			}
		}
		if len(failed) == 0 || rand.Float64() > float64(len(failed))/float64(g.NumNodes()) {
			continue
		}
		m := failed[rand.IntN(len(failed))]
		n, err := g.Join(g.ctx, []string{m.GossipAddr()})
		g.log.Debug("dialled a failed member", "node", m.ID, "answered", n > 0, "err", err)
	}
}

// jitter spreads members apart: d plus or minus a quarter.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d)/2+1))
}
