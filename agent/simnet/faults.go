package simnet

import "time"

// keepAlive is when a connection that hears nothing gives up: Go's listener
// and dialer set 15 s idle, then 9 probes 15 s apart.
const (
	keepAliveIdle  = 15 * time.Second
	keepAliveLimit = 150 * time.Second
)

// Unplug pulls the machine's cable: what it sends and what is sent to it
// vanishes. Established connections stall; they time out after 150 s.
func (n *Net) Unplug(ip string) { n.fault(ip, func(m *machine) { m.plugged = false }) }

// Plug puts the cable back and, after Crash, the power.
func (n *Net) Plug(ip string) {
	n.fault(ip, func(m *machine) { m.plugged, m.powered = true, true })
}

// Freeze stops every process of the machine (SIGSTOP, a starved guest): the
// kernel still answers dials and buffers what comes, the process does nothing.
func (n *Net) Freeze(ip string) { n.fault(ip, func(m *machine) { m.frozen = true }) }

// Thaw lets frozen processes go on.
func (n *Net) Thaw(ip string) { n.fault(ip, func(m *machine) { m.frozen = false }) }

// Kill ends every process of the machine; the kernel closes their sockets.
// Peers see EOF or a reset, dials are refused, Host handles given so far are dead.
func (n *Net) Kill(ip string) {
	n.fault(ip, func(m *machine) {
		for c := range n.conns {
			if c.m == m {
				c.shut()
			}
		}
		n.end(m)
	})
}

// Crash takes the machine's power: its sockets are gone and nobody is told.
// Plug brings the machine back, empty.
func (n *Net) Crash(ip string) {
	n.fault(ip, func(m *machine) {
		m.powered = false
		for c := range n.conns {
			if c.m == m {
				c.closed, c.vanished = true, true
				c.out.drop()
				c.cond.Broadcast()
			}
		}
		n.end(m)
	})
}

// end closes what Kill and Crash have in common: listeners, datagram sockets, handles.
func (n *Net) end(m *machine) {
	for _, l := range m.tcp {
		l.shut()
	}
	for _, p := range m.udp {
		p.shut()
	}
	m.frozen = false
	close(m.dying)
	m.dying = make(chan struct{})
}

// Partition cuts every link between the two groups, in both directions.
func (n *Net) Partition(a, b []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range a {
		for _, y := range b {
			mx, my := n.machine(x), n.machine(y)
			n.cuts[link{mx.ip, my.ip}], n.cuts[link{my.ip, mx.ip}] = true, true
		}
	}
	n.settle()
}

// Cut loses what one machine sends to the other; the way back stays open.
func (n *Net) Cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[link{n.machine(from).ip, n.machine(to).ip}] = true
	n.settle()
}

// Heal takes back every Partition and Cut.
func (n *Net) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
	n.settle()
}

// SetLoss changes the share of packets lost, from now on.
func (n *Net) SetLoss(p float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cfg.Loss = p
}

// SetDelay changes the time that packets take one way, from now on.
func (n *Net) SetDelay(least, most time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cfg.MinDelay, n.cfg.MaxDelay = least, most
}

// Close ends every process of every machine, so that nothing waits any more.
func (n *Net) Close() {
	n.mu.Lock()
	ips := make([]string, 0, len(n.machines))
	for ip := range n.machines {
		ips = append(ips, ip.String())
	}
	n.mu.Unlock()
	for _, ip := range ips {
		n.Crash(ip)
	}
}

func (n *Net) fault(ip string, change func(*machine)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n.machine(ip))
	n.settle()
}

// settle lets everything that waits look at the network anew.
func (n *Net) settle() {
	for _, m := range n.machines {
		m.thawed.Broadcast()
		for _, l := range m.tcp {
			l.cond.Broadcast()
		}
		for _, p := range m.udp {
			p.cond.Broadcast()
		}
	}
	for c := range n.conns {
		c.watch()
		c.out.resume()
		c.cond.Broadcast()
	}
}
