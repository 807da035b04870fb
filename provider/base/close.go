package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// closeSocket is WSPCloseSocket (winsock-spi 8.3). By SO_LINGER: off is graceful
// in the background; on with 0 seconds resets; on with more is EWOULDBLOCK while
// anything, the FIN included, is not acknowledged: the socket stays open and
// nothing is begun. Whoever wants to linger does SD_SEND and waits for EvDrained.
func closeSocket(s *provider.Socket, mode provider.CloseMode) wsa.Errno {
	if s == nil {
		return wsa.ENOTSOCK
	}
	k, ok := s.Base.(*socket)
	if !ok {
		return wsa.ENOTSOCK
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return wsa.ENOTSOCK
	}
	abort := mode == provider.CloseAbort || s.Failed() != 0
	if mode == provider.CloseLinger && !abort && k.stream() && k.now() == connected {
		switch on, seconds := k.linger(); {
		case on && seconds == 0:
			abort = true
		case on && k.ended() == 0 && !k.link.State().Drained:
			return wsa.EWOULDBLOCK
		}
	}
	k.closed = true
	if k.offered {
		k.in.tokens.drop(k)
	}
	k.unsubscribe()
	k.link.owner.Store(nil)
	k.link.Close(abort)
	k.acceptMu.Lock()
	defer k.acceptMu.Unlock()
	for _, l := range k.held {
		l.drop()
	}
	for _, a := range k.deferred {
		a.Refuse()
	}
	k.held, k.deferred = nil, nil
	return 0
}
