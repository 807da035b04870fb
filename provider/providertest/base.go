package providertest

import (
	"slices"
	"sync"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Rows are two entries like those of a TCP/IP base: a stream and a datagram protocol.
func Rows() []provider.ProtocolInfo {
	return []provider.ProtocolInfo{
		{
			ServiceFlags1: wsa.XP1_GUARANTEED_DELIVERY | wsa.XP1_GUARANTEED_ORDER | wsa.XP1_GRACEFUL_CLOSE,
			ProviderFlags: wsa.PFL_MATCHES_PROTOCOL_ZERO, Version: 2, AddressFamily: wsa.AF_INET,
			SocketType: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Name: "scripted [TCP/IP]",
		},
		{
			ServiceFlags1: wsa.XP1_CONNECTIONLESS | wsa.XP1_MESSAGE_ORIENTED, MessageSize: 65507,
			ProviderFlags: wsa.PFL_MATCHES_PROTOCOL_ZERO, Version: 2, AddressFamily: wsa.AF_INET,
			SocketType: wsa.SOCK_DGRAM, Protocol: wsa.IPPROTO_UDP, Name: "scripted [UDP/IP]",
		},
	}
}

// Call is one call that reached the base.
type Call struct {
	Op     string
	Socket *provider.Socket
	Info   *provider.ProtocolInfo // of the five functions that carry one
	Arg    any
}

// Base is a scripted base provider. Entries that a test sets in Script run in
// place of the defaults; both are recorded. The defaults make every operation
// succeed: sends are kept in Sent, receives take what Inject gave.
// Safe for concurrent use.
type Base struct {
	Script provider.ProcTable // set before Startup

	mu    sync.Mutex
	calls []Call
	peak  map[string]int // most calls of an entry at once on one socket
	now   map[nowKey]int
}

type nowKey struct {
	op string
	s  *provider.Socket
}

// Endpoint is the scripted base's state of a socket.
type Endpoint struct {
	mu        sync.Mutex
	in        [][]byte
	sent      []byte
	eof       bool
	fail      wsa.Errno
	connected bool
	to        provider.Addr
}

// Entries implements provider.Base.
func (b *Base) Entries() []provider.ProtocolInfo { return Rows() }

// Calls are what has reached the base, in order, restricted to the given
// operations; none given means all.
func (b *Base) Calls(ops ...string) []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(ops) == 0 {
		return slices.Clone(b.calls)
	}
	return slices.DeleteFunc(slices.Clone(b.calls), func(c Call) bool { return !slices.Contains(ops, c.Op) })
}

// Peak is the most calls of op that were in the base at once on one socket.
func (b *Base) Peak(op string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak[op]
}

func (b *Base) enter(op string, s *provider.Socket, info *provider.ProtocolInfo, arg any) (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, Call{op, s, info, arg})
	k := nowKey{op, s}
	if b.now == nil {
		b.now, b.peak = make(map[nowKey]int), make(map[string]int)
	}
	b.now[k]++
	b.peak[op] = max(b.peak[op], b.now[k])
	return func() {
		b.mu.Lock()
		b.now[k]--
		b.mu.Unlock()
	}
}

// EndpointOf is the base's state of s.
func EndpointOf(s *provider.Socket) *Endpoint { return s.Base.(*Endpoint) }

// Inject queues data (one datagram, or bytes of a stream) and wakes.
func Inject(s *provider.Socket, data []byte) {
	e := EndpointOf(s)
	e.mu.Lock()
	e.in = append(e.in, slices.Clone(data))
	e.mu.Unlock()
	s.Wake(wsa.FD_READ)
}

// InjectEOF ends the stream after what is queued.
func InjectEOF(s *provider.Socket) {
	e := EndpointOf(s)
	e.mu.Lock()
	e.eof = true
	e.mu.Unlock()
	s.Wake(wsa.FD_READ | wsa.FD_CLOSE)
}

// InjectReset makes every later receive and send return code, after what is queued.
func InjectReset(s *provider.Socket, code wsa.Errno) {
	e := EndpointOf(s)
	e.mu.Lock()
	e.fail = code
	e.mu.Unlock()
	s.Wake(wsa.FD_READ | wsa.FD_WRITE | wsa.FD_CLOSE)
}

// Sent is all that was sent on s.
func Sent(s *provider.Socket) []byte {
	e := EndpointOf(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.sent)
}

// Startup implements provider.Base.
func (b *Base) Startup(r *provider.StartupRequest) (provider.ProcTable, wsa.Errno) {
	b.enter("WSPStartup", nil, r.Info, r.Place)()
	t := b.defaults(r)
	overlay(&t, &b.Script)
	return b.recorded(t), 0
}

func (b *Base) defaults(r *provider.StartupRequest) provider.ProcTable {
	own := r.Info.CatalogEntryID
	create := func(typ, proto int32) (*provider.Socket, wsa.Errno) {
		s, e := r.Upcalls.CreateSocketHandle(own, &Endpoint{})
		if e == 0 {
			s.Family, s.Type, s.Protocol = wsa.AF_INET, typ, proto
		}
		return s, e
	}
	return provider.ProcTable{
		WSPSocket: func(q *provider.SocketRequest) (*provider.Socket, wsa.Errno) {
			return create(q.Info.SocketType, q.Info.Protocol)
		},
		WSPAccept: func(l *provider.Socket, q *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
			if q.Cond != nil && q.Cond(&provider.Indication{}) != provider.CF_ACCEPT {
				return nil, wsa.ECONNREFUSED
			}
			s, e := create(l.Type, l.Protocol)
			if e == 0 {
				EndpointOf(s).connected = true
			}
			return s, e
		},
		WSPJoinLeaf: func(s *provider.Socket, _ *provider.JoinRequest) (*provider.Socket, wsa.Errno) {
			return s, 0
		},
		WSPDuplicateSocket: func(*provider.Socket, uint32) (*provider.ProtocolInfo, wsa.Errno) {
			i := *r.Info
			i.ProviderReserved = 4711
			return &i, 0
		},
		WSPCloseSocket: func(*provider.Socket, provider.CloseMode) wsa.Errno { return 0 },
		WSPCleanup:     func() wsa.Errno { return 0 },
		WSPBind:        func(*provider.Socket, provider.Addr) wsa.Errno { return 0 },
		WSPConnect: func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
			e := EndpointOf(s)
			e.connected, e.to = true, q.To
			return 0
		},
		WSPListen:          func(*provider.Socket, int) wsa.Errno { return 0 },
		WSPGetSockName:     func(*provider.Socket) (provider.Addr, wsa.Errno) { return provider.Any(wsa.AF_INET, 1), 0 },
		WSPGetPeerName:     func(s *provider.Socket) (provider.Addr, wsa.Errno) { return EndpointOf(s).to, 0 },
		WSPAddressToString: func(a provider.Addr, _ *provider.ProtocolInfo) (string, wsa.Errno) { return a.String(), 0 },
		WSPStringToAddress: func(string, int32, *provider.ProtocolInfo) (provider.Addr, wsa.Errno) {
			return provider.Any(wsa.AF_INET, 0), 0
		},
		WSPRecv:       receive,
		WSPRecvFrom:   receive,
		WSPSend:       send,
		WSPSendTo:     send,
		WSPShutdown:   func(*provider.Socket, int) wsa.Errno { return 0 },
		WSPGetSockOpt: func(_ *provider.Socket, _, _ int32, out []byte) (int, wsa.Errno) { return min(4, len(out)), 0 },
		WSPSetSockOpt: func(*provider.Socket, int32, int32, []byte) wsa.Errno { return 0 },
		WSPIoctl:      func(*provider.Socket, *provider.IoctlRequest) (int, wsa.Errno) { return 0, 0 },
		Ready:         ready,
		Watch: func(s *provider.Socket, w provider.Watcher, m wsa.Events) {
			s.SetWatch(w, m)
		},
	}
}

func receive(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
	e := EndpointOf(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.in) == 0 {
		switch {
		case e.fail != 0:
			return 0, e.fail
		case e.eof:
			return 0, 0
		}
		return 0, wsa.EWOULDBLOCK
	}
	n := 0
	rest := e.in[0]
	for _, b := range m.Buffers {
		c := copy(b, rest)
		n, rest = n+c, rest[c:]
	}
	peek := m.Flags&wsa.MSG_PEEK != 0
	if !peek {
		s.Traffic.BytesIn.Add(uint64(n))
	}
	if s.Info.MessageOriented() {
		if !peek {
			e.in = e.in[1:]
		}
		if len(rest) > 0 {
			return n, wsa.EMSGSIZE
		}
		return n, 0
	}
	if !peek {
		if e.in[0] = rest; len(rest) == 0 {
			e.in = e.in[1:]
		}
	}
	return n, 0
}

func send(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
	e := EndpointOf(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != 0 {
		return 0, e.fail
	}
	n := 0
	for _, b := range m.Buffers {
		e.sent = append(e.sent, b...)
		n += len(b)
	}
	s.Traffic.BytesOut.Add(uint64(n))
	return n, 0
}

func ready(s *provider.Socket, mask wsa.Events) provider.Readiness {
	if r, failed := s.FailedReadiness(mask); failed {
		return r
	}
	e := EndpointOf(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	r := provider.Readiness{Events: wsa.FD_WRITE, Close: e.fail}
	for _, p := range e.in {
		r.Queued += len(p)
	}
	if r.Queued > 0 {
		r.Events |= wsa.FD_READ
	}
	if e.eof || e.fail != 0 {
		r.Events |= wsa.FD_CLOSE
	}
	if e.connected {
		r.Events |= wsa.FD_CONNECT
	}
	r.Events &= mask
	return r
}
