package shape

import (
	"math"
	"time"

	"github.com/netnsd/netnsd/provider"
)

// A pipe is one token bucket: of bytes in a direction, or of connections. It is guarded
// by limits.mu. Tokens may be owed: a datagram goes whole.
type pipe struct {
	lim                  *limits
	rate, burst, quantum float64 // a second, tokens, tokens; rate 0 = no limit
	tokens               float64
	at                   time.Time // of tokens

	head, tail *waiter // by ticket
	waiting    int
	timer      *provider.Timer // the one; runs only while somebody waits
	owner      *instance       // whose timer it is
}

// slack forgives what floating point rounds away.
const slack = 1e-6

// set gives the pipe other parameters; a new one is full.
func (p *pipe) set(rate, burst float64, now time.Time) {
	if p.rate == rate && p.burst == burst {
		return
	}
	if p.refill(now); p.rate == 0 {
		p.tokens = burst
	}
	p.rate, p.burst, p.tokens = rate, burst, min(p.tokens, burst)
	p.quantum = max(1, min(burst, rate/100)) // 10 ms: what one waiter has at a turn
}

func (p *pipe) refill(now time.Time) {
	if d := now.Sub(p.at).Seconds(); d > 0 {
		p.tokens = min(p.burst, p.tokens+d*p.rate)
	}
	p.at = now
}

func (p *pipe) full() bool { return p.rate == 0 || p.tokens >= p.burst-slack }

// may reports whether it is w's turn and want may begin.
func (p *pipe) may(w *waiter, want float64) bool {
	if h := p.head; h != nil && h != w && (w.ticket == 0 || h.ticket < w.ticket) {
		return false
	}
	return p.tokens >= min(want, p.quantum)-slack
}

// most is what w may have now. Where others wait it is a turn's.
func (p *pipe) most(w *waiter) int64 {
	n := p.tokens + slack
	if p.waiting > 1 || p.waiting == 1 && p.head != w {
		n = min(n, p.quantum)
	}
	return max(1, int64(n))
}

// queue has w wait for its turn, by its ticket. A waiter waits in one pipe.
func (p *pipe) queue(w *waiter) {
	if w.in == p {
		return
	}
	w.leave()
	if w.ticket == 0 {
		p.lim.tickets++
		w.ticket = p.lim.tickets
	}
	after := p.tail
	for after != nil && after.ticket > w.ticket {
		after = after.prev
	}
	w.in, w.prev = p, after
	if after == nil {
		w.next, p.head = p.head, w
	} else {
		w.next, after.next = after.next, w
	}
	if w.next == nil {
		p.tail = w
	} else {
		w.next.prev = w
	}
	p.waiting++
	p.arm(0)
}

// arm sets the timer to when the first that waits has its turn, but not before d.
func (p *pipe) arm(d time.Duration) {
	if p.head == nil {
		if p.timer != nil {
			p.timer.Stop()
		}
		return
	}
	if p.rate > 0 {
		p.refill(time.Now())
		d = max(d, seconds((p.quantum-p.tokens)/p.rate))
	}
	if in := p.head.st.in; p.timer == nil || p.owner != in { // a timer ends with its chain, which lives as long as its sockets
		if p.timer != nil {
			p.timer.Stop()
		}
		p.owner, p.timer = in, in.r.AfterFunc(nil, d, p.fire)
		return
	}
	p.timer.Reset(d)
}

// seconds is f rounded up, as a timer that comes early has to be set again.
func seconds(f float64) time.Duration {
	return time.Duration(math.Ceil(min(max(f, 0), 1e9) * float64(time.Second)))
}

// fire is the timer's: one waiter has its turn. The next one's comes when that could
// have been used, at once if arm finds that it was not.
func (p *pipe) fire() {
	p.lim.mu.Lock()
	w := p.head
	if w == nil {
		p.lim.mu.Unlock()
		return
	}
	if p.rate > 0 {
		if p.refill(time.Now()); p.tokens < p.quantum-slack {
			p.arm(0)
			p.lim.mu.Unlock()
			return
		}
	}
	w.leaveQuietly()
	if p.rate > 0 {
		p.arm(seconds(p.quantum / p.rate))
	} else {
		p.arm(0)
	}
	p.lim.mu.Unlock()
	w.wake()
}
