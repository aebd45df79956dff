package client

import (
	"errors"
	"sync"
	"time"

	"github.com/selfheal/selfheal/agent/driver"
)

// mailbox is how everybody speaks to the goroutine that owns an allocation: it runs
// the functions that it is sent, one by one.
type mailbox struct {
	inbox chan func()
	quit  chan struct{} // closed when the owner takes nothing out of the inbox any more
	done  chan struct{} // closed when the owner has returned
}

func newMailbox() mailbox {
	return mailbox{inbox: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
}

// errAllocEnded answers those who ask an allocation that is gone.
var errAllocEnded = errors.New("the allocation is gone")

// send gives the owner something to do; false when it takes nothing any more.
func (m *mailbox) send(f func()) bool {
	select {
	case m.inbox <- f:
		return true
	case <-m.quit:
		return false
	}
}

// call lets the owner do something and waits for its answer.
func (m *mailbox) call(f func() error) error {
	answer := make(chan error, 1)
	if !m.send(func() { answer <- f() }) {
		return errAllocEnded
	}
	return <-answer
}

// lateExits keeps exits that come when the owner has just stopped listening: a
// driver may tell them only once.
type lateExits struct {
	mu    sync.Mutex
	exits []lateExit
}

type lateExit struct {
	task *task
	exit driver.Exit
}

func (l *lateExits) add(t *task, exit driver.Exit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exits = append(l.exits, lateExit{t, exit})
}

// journal takes them into the journal, where the next agent finds what is to be done
// about them. Nothing else runs any more.
func (l *lateExits) journal() {
	for _, late := range l.exits {
		t := late.task
		t.m, _ = t.m.step(event{kind: evExited, exit: late.exit}, time.Now(), t.pol)
		t.save()
	}
}
