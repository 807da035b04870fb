package base

import (
	"math/rand/v2"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// maxTokens bounds the duplications of a base's sockets that nobody has taken up.
const maxTokens = 1 << 16

// tokens are the dwProviderReserved that WSPDuplicateSocket gave out and
// WSPSocket has not yet taken: each is good for one call, and goes with its
// socket. They are of the base, but name the chain: a socket is found again by
// the chain that made it.
type tokens struct {
	mu   sync.Mutex
	open map[uint32]*socket
}

func (t *tokens) add(k *socket) (uint32, wsa.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= maxTokens {
		return 0, wsa.ENOBUFS
	}
	if t.open == nil {
		t.open = make(map[uint32]*socket)
	}
	n := rand.Uint32() // not to be guessed by who was not told
	for n == 0 || t.open[n] != nil {
		n = rand.Uint32()
	}
	t.open[n] = k
	return n, 0
}

func (t *tokens) take(n uint32, in *instance) *socket {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.open[n]
	if k == nil || k.in != in {
		return nil
	}
	delete(t.open, n)
	return k
}

// drop takes back the tokens of a socket that is being closed.
func (t *tokens) drop(k *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, of := range t.open {
		if of == k {
			delete(t.open, n)
		}
	}
}

// duplicateSocket is WSPDuplicateSocket (winsock-spi 3.10, 8.1): the base's entry
// with the socket's triple and a token. Who it is for, and that nobody else uses
// it, is seen to above, where processes are known; EINVAL for process 0, ENOBUFS
// for too many that were not taken up.
func duplicateSocket(s *provider.Socket, process uint32) (*provider.ProtocolInfo, wsa.Errno) {
	k, e := writer(s)
	if e != 0 {
		return nil, e
	}
	defer k.mu.Unlock()
	if process == 0 {
		return nil, wsa.EINVAL
	}
	n, e := k.in.tokens.add(k)
	if e != 0 {
		return nil, e
	}
	k.offered = true
	i := *k.in.own
	i.AddressFamily, i.SocketType, i.Protocol, i.ProviderReserved = k.row.Family, k.row.Type, k.protocol, n
	return &i, 0
}

// redeem is WSPSocket with a token: the very Socket that it was made for. Nothing
// is opened, and group and flags do not matter.
func (in *instance) redeem(token uint32) (*provider.Socket, wsa.Errno) {
	k := in.tokens.take(token, in)
	if k == nil {
		return nil, wsa.EINVAL
	}
	return k.self.Load(), 0
}
