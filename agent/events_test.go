package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// follower is a client that follows the event stream of a whole cluster: when its
// server dies it goes to the next and asks for what comes after the last index it saw.
type follower struct {
	s      *sim
	client *http.Client
	last   uint64
	seen   []uint64 // every index in the order in which it came
	text   map[uint64]string
	moves  int
}

// follow reads until ctx ends.
func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		for _, a := range f.s.servers {
			if a.agent != nil && ctx.Err() == nil {
				f.read(ctx, a)
				f.moves++
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// read takes one server's stream to its end.
func (f *follower) read(ctx context.Context, a *simAgent) {
	url := fmt.Sprintf("http://%s:4646/v1/event/stream?namespace=*&index=%d", a.ip, f.last+1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		f.s.t.Error(err)
		return
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Index  uint64
			Events []struct{ Topic, Type, Key string }
			Error  string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return // it broke off in the middle of a line: asked again elsewhere
		}
		if line.Error != "" {
			f.s.t.Errorf("after index %d: %s", f.last, line.Error)
		}
		if line.Index > 0 {
			f.last = line.Index
			f.seen = append(f.seen, line.Index)
			f.text[line.Index] = fmt.Sprint(line.Events)
		}
	}
}

// The event stream goes on over the death of leaders: a client that resumes on another
// server sees every index once, in order, and the same events.
func TestEventStreamOverFailovers(t *testing.T) {
	bubble(t, 3, 2, func(s *sim) {
		observer := s.net.Host("10.0.0.251")
		tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return observer.Dial(ctx, addr) }}
		ctx, cancel := context.WithCancel(s.t.Context())
		f := &follower{s: s, client: &http.Client{Transport: tr}, text: map[uint64]string{}}
		done := make(chan struct{})
		go func() { defer close(done); f.follow(ctx) }()

		write := func(n int) {
			for i := range n {
				s.eventually(20*time.Second, "a write", func() error {
					_, err := s.api().NodePools().Register(&api.NodePool{Name: "pool", Description: fmt.Sprint(s.rng.Int(), i)}, nil)
					return err
				})
			}
		}
		write(10)
		for range 3 {
			leader := s.leader()
			leader.crash()
			write(15)
			leader.start()
			write(5)
			s.voters(3)
		}
		time.Sleep(2 * time.Second)
		cancel()
		<-done

		whole := &follower{s: s, client: &http.Client{Transport: tr}, text: map[uint64]string{}}
		ctx, cancel = context.WithTimeout(s.t.Context(), 2*time.Second)
		defer cancel()
		whole.read(ctx, s.leader())
		if len(whole.seen) < 40 {
			s.t.Fatalf("only %d indexes are buffered", len(whole.seen))
		}
		if fmt.Sprint(f.seen) != fmt.Sprint(whole.seen) {
			s.t.Errorf("a client that moved %d times saw\n%v\none that reads all at once sees\n%v", f.moves, f.seen, whole.seen)
		}
		for index, text := range whole.text {
			if f.text[index] != text {
				s.t.Errorf("index %d: %s on one server, %s on another", index, f.text[index], text)
			}
		}
	})
}
