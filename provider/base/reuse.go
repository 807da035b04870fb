package base

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// reuse is SIO_REUSE_SOCKET, by which package sockets makes TF_REUSE_SOCKET: a
// stream that has ended on both sides, or has died, is like new, bound as
// WSPBind had bound it. What is still to be acknowledged goes on in the
// background: the peer sees the FIN that was sent, never a reset. EISCONN: the
// connection lives; EINVAL: there was none.
func reuse(k *socket, _, _ []byte) wsa.Errno {
	switch k.now() {
	case fresh, listening, connecting:
		return wsa.EINVAL
	case connected:
		if st := k.link.State(); k.ended() == 0 && !(k.shutSend && st.PeerClosed) {
			return wsa.EISCONN
		}
	}
	old := k.link
	if e := k.replace(func() { old.owner.Store(nil); old.Close(false) }); e != 0 {
		return e
	}
	k.shutRecv, k.shutSend, k.active = false, false, false
	k.connErr.Store(0)
	k.since.Store(0)
	k.peer, k.listener = provider.Addr{}, nil
	return 0
}
