package provider

import "github.com/netnsd/netnsd/provider/wsa"

// Path is how the bytes of a socket move: the base's own entries. They are
// WSPRecv and so on, under the same laws.
type Path struct {
	Recv, RecvFrom, Send, SendTo func(*Socket, *Msg) (int, wsa.Errno)
	Ready                        func(*Socket, wsa.Events) Readiness

	// SendBatch is SendTo and RecvBatch is RecvFrom for several datagrams in one
	// call; nil where the base has neither ([Batcher]).
	SendBatch, RecvBatch BatchFunc

	ioctl  func(*Socket, *IoctlRequest) (int, wsa.Errno)
	redeem func(*SocketRequest) (*Socket, wsa.Errno)
}

// StepAside states that for s the layer's data entries and its Ready do nothing
// any more but call those below, with nothing held: it has seen enough of this
// socket, and cannot come back. Its other entries stay in place.
func (r *StartupRequest) StepAside(s *Socket) { s.aside.Or(1 << r.Place.Index) }

// Direct is the path past all storeys if none of them stands in it: none has
// replaced a data entry or Ready, or all that did have stepped aside for s. Else
// nil. What is not nil stays valid as long as s.
//
// It is for those who move bytes for somebody else, such as a gateway, and ask
// again as long as it is nil: no layer's code runs in it, so that many sockets may
// share a goroutine (law 14).
func (s *Socket) Direct() *Path {
	if in := s.chain.inPath; s.aside.Load()&in != in {
		return nil
	}
	return &s.chain.path
}

// BaseIoctl is the WSPIoctl of the chain's base, past all layers: for
// SIO_BASE_HANDLE, which no layer may answer (winsock-spi 5.10).
func (c *Chain) BaseIoctl(s *Socket, r *IoctlRequest) (int, wsa.Errno) { return c.path.ioctl(s, r) }

// Redeem is the WSPSocket of the chain's base for a ProtocolInfo with the token of
// WSPDuplicateSocket, past all layers: it returns the socket that the token was
// made for, which they have seen opened and will see closed once. It judges nothing:
// who redeems asks the deciding layers of his own chain first. Descriptors are
// counted above.
func (c *Chain) Redeem(r *SocketRequest) (*Socket, wsa.Errno) { return c.path.redeem(r) }

// Retired reports whether the owner has given the chain up (Retire).
func (c *Chain) Retired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dying
}
