package scheduler

import "time"

// fate is what the state of the world, by itself, makes of an allocation; counts and
// versions are looked at later.
type fate int8

const (
	over      fate = iota // ended: holds no slot
	held                  // ended or waiting, and holds its slot
	kept                  // runs, or will
	lost                  // its node is gone: another takes its slot
	absent                // its node cannot be reached: it may come back
	migrating             // a drain or a user asks it to leave
	failing               // failed, and due to be replaced
	foreign               // of an earlier job with the same name
)

// decideFates gives every item of the group its fate. Waiting ones get a follow-up.
func (p *groupPlan) decideFates() {
	for i := range p.items {
		it := &p.items[i]
		it.fate = p.fateOf(it)
	}
}

func (p *groupPlan) fateOf(it *item) fate {
	a := it.a
	switch {
	case a.JobCreateIndex != p.d.job.CreateIndex:
		if Terminal(a) {
			return over
		}
		return foreign
	case a.Desired != Run:
		if p.batch && a.NoReplace {
			return held
		}
		return over
	case a.Client == Complete && p.batch:
		return held
	case a.Client == Complete || a.Client == Failed:
		return p.fateOfFailed(it, a.Client == Failed)
	case a.Client == Lost:
		return over
	case nodeGone(it.node):
		return p.fateOfUnreachable(it)
	case a.Client == Unknown: // its node is back, and will tell what it runs
		if p.successor(a.ID) == nil {
			return held
		}
		p.up.Ignore++
		return over // then reconnect decides
	case a.Migrate:
		return migrating
	case a.Reschedule && a.Health == Unhealthy:
		return p.fateOfFailed(it, true)
	}
	return kept
}

// A service instance that ends well at once, again and again, must not be replaced as
// fast as it ends: the documented defaults of the reschedule block, as least values.
const (
	endedDelay    = 30 * time.Second
	endedMaxDelay = time.Hour
)

// fateOfFailed applies the reschedule policy. A service instance that ended well is
// replaced too, after the same delay but without a limit on attempts.
func (p *groupPlan) fateOfFailed(it *item, limited bool) fate {
	a := it.a
	if a.Next != "" || p.successor(a.ID) != nil {
		return over
	}
	if a.ForceReschedule {
		return failing
	}
	policy := p.g.Reschedule
	if !limited {
		policy.Unlimited = true
		policy.Delay = max(policy.Delay, endedDelay)
		policy.MaxDelay = max(policy.MaxDelay, endedMaxDelay)
	}
	at, delay, ok := policy.next(a, failedAt(a, p.d.req.Now))
	switch {
	case !ok && !Terminal(a):
		return kept
	case !ok:
		return held
	case due(at, p.d.req.Now):
		p.delays[a.ID] = delay
		return failing
	}
	if !p.d.followed(a, at) {
		p.d.note(it, "", "will be rescheduled after "+delay.String())
		p.d.wait(it, at, triggerReschedule)
	}
	p.up.RescheduleLater++
	if !Terminal(a) {
		return kept
	}
	return held
}

// fateOfUnreachable applies the disconnect block. An allocation with stop_on_client_after
// is waited for as well: its node stops it by then, and only after that may another run.
func (p *groupPlan) fateOfUnreachable(it *item) fate {
	a, now := it.a, p.d.req.Now
	dis := &p.g.Disconnect
	grace := dis.LostAfter
	if grace == 0 {
		grace = dis.StopOnClientAfter
	}
	if grace == 0 || it.node == nil || a.Client == Pending && dis.StopOnClientAfter == 0 {
		return lost
	}
	if a.Client == Unknown {
		if !now.Before(a.UnknownAt.Add(grace)) {
			return lost
		}
		if !p.d.followed(a, a.UnknownAt.Add(grace)) {
			p.d.note(it, "", "is unreachable until "+grace.String()+" have passed")
			p.d.wait(it, a.UnknownAt.Add(grace), triggerDisconnect)
		}
		return absent
	}
	p.d.note(it, Unknown, "is unreachable since its node is; lost after "+grace.String())
	p.d.wait(it, now.Add(grace), triggerDisconnect)
	p.up.Disconnect++
	return absent
}

// note changes what is said of an allocation that stays wanted. It is in the plan unless
// a later step stops the allocation.
func (d *decision) note(it *item, client ClientStatus, what string) {
	it.note = &StopAlloc{
		ID: it.a.ID, Desired: Run, Client: client, Description: "allocation " + what,
		PreemptedBy: -1, Followup: -1, KeepDesired: true,
	}
}

// replaceAbsent decides whether another shall run while an absent one is away: true when
// one shall be placed now, or already is.
func (p *groupPlan) replaceAbsent(it *item) (now, already bool) {
	if p.g.Disconnect.LostAfter == 0 || !p.g.Disconnect.Replace {
		return false, false
	}
	if it.a.Next != "" || p.successor(it.a.ID) != nil {
		return false, true
	}
	since := it.a.UnknownAt
	if since.IsZero() {
		since = p.d.req.Now
	}
	var delay time.Duration
	if p.g.Reschedule.enabled() {
		delay = p.g.Reschedule.delay(it.a.Reschedules, since)
	}
	at := since.Add(delay)
	if due(at, p.d.req.Now) {
		return true, false
	}
	if it.a.Client != Unknown {
		p.d.wait(it, at, triggerReschedule)
	}
	return false, false
}

// successor returns the allocation that replaced id and is still wanted, nil if none.
func (p *groupPlan) successor(id string) *item {
	if p.successors == nil {
		p.successors = map[string]*item{}
		for i := range p.items {
			if it := &p.items[i]; it.a.Previous != "" && it.a.Desired == Run && it.a.Client != Lost {
				p.successors[it.a.Previous] = it
			}
		}
	}
	return p.successors[id]
}

// reconnect finds allocations that came back although another had taken their slot, and
// keeps one of the two as the disconnect block says.
func (p *groupPlan) reconnect() {
	if p.g.Disconnect.LostAfter == 0 {
		return
	}
	for i := range p.items {
		it := &p.items[i]
		if it.fate != kept || it.a.Client == Unknown || it.a.MoveTo != "" {
			continue
		}
		other := p.successor(it.a.ID)
		if other == nil || other.stopped || other.a.Canary {
			continue
		}
		p.up.Reconnect++
		loser := other
		if p.prefersReplacement(it, other) {
			loser = it
		}
		loser.fate = over
		p.d.end(loser, "not needed: the disconnected allocation is back and "+p.reconcileRule()+" keeps the other")
	}
}

// reconcileRule is the rule in force.
func (p *groupPlan) reconcileRule() string {
	if p.g.Disconnect.Reconcile == "" {
		return "best_score"
	}
	return p.g.Disconnect.Reconcile
}

// prefersReplacement decides between an allocation that came back and its replacement.
// One of an older version of the job never wins.
func (p *groupPlan) prefersReplacement(original, replacement *item) bool {
	switch {
	case replacement.fate != kept:
		return false
	case original.a.JobVersion != replacement.a.JobVersion:
		return replacement.a.JobVersion > original.a.JobVersion
	}
	switch p.reconcileRule() {
	case "keep_original":
		return false
	case "keep_replacement":
		return true
	case "longest_running":
		return replacement.a.Client == Running && original.a.Client != Running ||
			replacement.a.CreatedAt.Before(original.a.CreatedAt)
	}
	return p.d.standing(p.g, replacement.rec.ord) > p.d.standing(p.g, original.rec.ord)
}

// standing scores a node for an allocation that is already there: packing and affinity.
func (d *decision) standing(g *Group, ord int32) float64 {
	p := &pass{d: d, c: d.c, job: d.job, group: g, spread: d.req.Settings.Algorithm == "spread"}
	p.compileAffinities()
	l := &d.c.loads[ord]
	total := pow10(free(l.usedCPU, l.capCPU)) + pow10(free(l.usedMem, l.capMem))
	score := min(18, max(0, 20-total)) / 18
	if p.spread {
		score = min(18, max(0, total-2)) / 18
	}
	if liked := p.liked(ord); liked != 0 {
		return (score + liked) / 2
	}
	return score
}
