package base

import (
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A ConditionalListener is a stream Endpoint that can leave connection attempts
// unanswered until it is told (SO_CONDITIONAL_ACCEPT, set by SetOption before Listen):
// no SYN is acknowledged before the condition function says CF_ACCEPT. State.Acceptable
// then means an attempt too. A driver without it has the option be ENOPROTOOPT.
type ConditionalListener interface {
	// Offer takes the first attempt that waits; EWOULDBLOCK: there is none.
	Offer() (Attempt, wsa.Errno)
}

// An Attempt is a connection that a peer wants and that nothing was answered to. It is
// base's until Answer or Refuse; closing the listener refuses it.
type Attempt interface {
	LocalAddr() provider.Addr
	PeerAddr() provider.Addr
	// Answer has the handshake completed in the background; Accept gives the
	// connection then, and nothing if the peer is gone. EACCES: it was withdrawn.
	Answer() wsa.Errno
	// Refuse answers with a reset.
	Refuse()
}

// conditional reports that connections are offered before they are answered.
func (k *socket) conditional() (ConditionalListener, bool) {
	if k.value(wsa.SOL_SOCKET, wsa.SO_CONDITIONAL_ACCEPT) == 0 {
		return nil, false
	}
	l, ok := k.link.Endpoint.(ConditionalListener)
	return l, ok
}

// beforeListen is the rule of SO_CONDITIONAL_ACCEPT (winsock-spi 9.1).
func beforeListen(k *socket, _ int) wsa.Errno {
	if k.now() == listening {
		return wsa.EINVAL
	}
	return 0
}

// judged reports that k's connections were put to the condition function before they
// were answered.
func (k *socket) judged() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, ok := k.conditional()
	return ok
}

// consider puts the first attempt to the condition function (winsock-spi 3.3), where no
// connection stands that was answered before. Of one that is answered the connection
// comes when its handshake is over, mostly after a further EWOULDBLOCK; then it is not
// asked about again. Without a condition function all are answered.
func (k *socket) consider(r *provider.AcceptRequest) (answered bool, e wsa.Errno) {
	for {
		a, e := k.nextAttempt()
		if e != 0 {
			return false, e
		}
		verdict := provider.CF_ACCEPT
		if r.Cond != nil { // no lock is held here: see accept
			verdict = r.Cond(&provider.Indication{Caller: a.PeerAddr(), Callee: a.LocalAddr()})
		}
		switch verdict {
		case provider.CF_ACCEPT:
			if e = a.Answer(); e != 0 && r.Cond == nil {
				continue // withdrawn, and nobody was told of it
			}
			return e == 0, e
		case provider.CF_REJECT:
			a.Refuse()
			return false, wsa.ECONNREFUSED
		case provider.CF_DEFER:
			k.postpone(a)
			return false, wsa.TRY_AGAIN
		default:
			k.postpone(a)
			return false, wsa.EINVAL
		}
	}
}

// nextAttempt is the one that was deferred, or the driver's first; EWOULDBLOCK.
func (k *socket) nextAttempt() (Attempt, wsa.Errno) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	l, ok := k.conditional()
	switch {
	case k.closed:
		return nil, wsa.ENOTSOCK
	case !ok:
		return nil, wsa.EWOULDBLOCK
	}
	k.acceptMu.Lock()
	defer k.acceptMu.Unlock()
	if len(k.deferred) > 0 {
		a := k.deferred[0]
		k.deferred = slices.Delete(k.deferred, 0, 1)
		return a, 0
	}
	return l.Offer()
}

// postpone puts an attempt back at the head of the queue (CF_DEFER).
func (k *socket) postpone(a Attempt) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.closed {
		a.Refuse()
		return
	}
	k.acceptMu.Lock()
	k.deferred = slices.Insert(k.deferred, 0, a)
	k.acceptMu.Unlock()
}
