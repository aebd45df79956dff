package httpapi

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

const (
	// keptAnswers is how many lists are remembered: the few that dashboards and
	// scripts ask for all the time.
	keptAnswers = 16
	// maxAnswer is the largest that is, in bytes of JSON.
	maxAnswer = 16 << 20
)

// answers remembers lists as they were sent, so that a hundred clients who ask for the same
// list cost one: the others get the same bytes until the index passes that of the list.
type answers struct {
	mu   sync.Mutex
	rows []*listed // the one used last comes last
}

// listed is a list, encoded.
type listed struct {
	key string

	mu    sync.Mutex // held while it is made: who asks for the same meanwhile waits
	index uint64     // 0: not made
	next  string
	body  []byte
	zip   []byte // nil: nobody asked for it compressed
}

// listKey names everything that a list depends on beside the state.
func listKey(r *request) string {
	q := url.Values{}
	for name, values := range r.query {
		switch name {
		case "index", "wait", "stale", "region", "namespace":
		default:
			q[name] = values
		}
	}
	return r.URL.Path + "?" + q.Encode() + "\x00" + r.namespace
}

// row finds or makes the row of a key.
func (s *answers) row(key string) *listed {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.rows {
		if l.key == key {
			s.rows = append(append(s.rows[:i:i], s.rows[i+1:]...), l)
			return l
		}
	}
	l := &listed{key: key}
	if s.rows = append(s.rows, l); len(s.rows) > keptAnswers {
		s.rows = s.rows[1:]
	}
	return l
}

// forget drops all: the state was replaced, and may count from a lower index again.
func (s *answers) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = nil
}

// sent is a list on its way, as bytes.
type sent struct{ *listed }

// at answers the list at an index: as remembered, or made by items.
func (l *listed) at(index uint64, pretty bool, items func() (any, string, error)) (any, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index == index {
		return sent{l.copy()}, l.next, nil
	}
	out, next, err := items()
	if err != nil {
		return nil, "", err
	}
	body, err := encode(out, pretty)
	if err != nil {
		return nil, "", err
	}
	if len(body) > maxAnswer {
		return raw{"application/json", body}, next, nil
	}
	l.index, l.next, l.body, l.zip = index, next, body, nil
	if len(body) >= gzipFrom {
		l.zip = compressed(body)
	}
	return sent{l.copy()}, next, nil
}

// copy is what is sent, which the next index does not change.
func (l *listed) copy() *listed {
	return &listed{index: l.index, next: l.next, body: l.body, zip: l.zip}
}

func compressed(body []byte) []byte {
	var out bytes.Buffer
	zw := compressors.Get().(*gzip.Writer)
	zw.Reset(&out)
	zw.Write(body)
	zw.Close()
	compressors.Put(zw)
	return out.Bytes()
}

// send writes a list in the form that the client takes.
func (l sent) send(r *request, code int) {
	h := r.w.Header()
	h.Set("Content-Type", "application/json")
	h.Add("Vary", "Accept-Encoding")
	body := l.body
	if l.zip != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = l.zip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	r.w.WriteHeader(code)
	if r.Method != http.MethodHead {
		r.w.Write(body)
	}
}
