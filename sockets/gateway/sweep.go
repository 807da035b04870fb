package gateway

import "time"

// One timer serves all associations: whoever was idle too long is found within a
// sixteenth of the shortest life.

// watch starts the sweeper unless it runs. all.mu is held.
func (all *associations) watch() {
	if all.sweeper == nil {
		all.sweeper = time.AfterFunc(all.shortest(), all.sweep)
	}
}

// shortest is the least that an association lives: an answer from port 53 may
// make any of them that short-lived, at any time.
func (all *associations) shortest() time.Duration {
	return min(all.g.cfg.Limits.Idle, all.g.cfg.Limits.IdleDNS)
}

func (all *associations) sweep() {
	now := all.now()
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.closed {
		return
	}
	next := all.shortest()
	least := max(next/16, time.Millisecond)
	for _, a := range all.byKey {
		if left := a.untilIdle(now); left <= 0 {
			all.forget(a)
		} else {
			next = min(next, left)
		}
	}
	if len(all.byKey) == 0 {
		all.sweeper = nil
		return
	}
	all.sweeper.Reset(max(next, least))
}

func (a *association) untilIdle(now int64) time.Duration {
	life := a.g.cfg.Limits.Idle
	if a.dns.Load() {
		life = a.g.cfg.Limits.IdleDNS
	}
	return life - time.Duration(now-a.used.Load())
}
