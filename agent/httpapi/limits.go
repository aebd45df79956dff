package httpapi

import (
	"net"
	"net/http"
	"sync"
)

// connLimit bounds how many requests one address has open at a time: a client that
// leaks long polls must not starve the others.
type connLimit struct {
	most int
	mu   sync.Mutex
	open map[string]int
}

func newConnLimit(most int) *connLimit {
	return &connLimit{most: most, open: map[string]int{}}
}

func (l *connLimit) wrap(next http.Handler) http.Handler {
	if l.most < 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil { // a unix socket has no address
			next.ServeHTTP(w, r)
			return
		}
		if !l.enter(host) {
			http.Error(w, "too many open requests from "+host+": raise http_max_conns_per_client, or close some", http.StatusTooManyRequests)
			return
		}
		defer l.leave(host)
		next.ServeHTTP(w, r)
	})
}

func (l *connLimit) enter(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host] >= l.most {
		return false
	}
	l.open[host]++
	return true
}

func (l *connLimit) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host]--; l.open[host] == 0 {
		delete(l.open, host)
	}
}
