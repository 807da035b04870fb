package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// several is a base that takes batches. A test looks at what it was given, and
// says what becomes of it.
type several struct {
	*providertest.Base
	mu    sync.Mutex
	sent  []sentTo
	calls []int // datagrams of each batch, 1 for a single send
	fate  func(d sentTo) wsa.Errno
	recv  provider.BatchFunc
}

type sentTo struct {
	s    *provider.Socket
	to   netip.AddrPort
	data string
}

func newSeveral() *several {
	b := &several{Base: new(providertest.Base)}
	b.Script.WSPSendTo = func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		n, e := b.take(s, []provider.Datagram{{Data: slices.Concat(m.Buffers...), Addr: m.Addr}})
		return n * m.Len(), e
	}
	b.Script.WSPRecvFrom = quiet
	b.recv = func(*provider.Socket, []provider.Datagram) (int, wsa.Errno) { return 0, wsa.EWOULDBLOCK }
	return b
}

func (b *several) Batch() (send, recv provider.BatchFunc) {
	return b.take, func(s *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
		if e := s.Failed(); e != 0 {
			return 0, e
		}
		b.mu.Lock()
		recv := b.recv
		b.mu.Unlock()
		return recv(s, ds)
	}
}

// comes makes f what is received from now on.
func (b *several) comes(s *provider.Socket, f provider.BatchFunc) {
	b.mu.Lock()
	b.recv = f
	b.mu.Unlock()
	s.Wake(wsa.FD_READ)
}

func (b *several) take(s *provider.Socket, ds []provider.Datagram) (int, wsa.Errno) {
	if e := s.Failed(); e != 0 {
		return 0, e
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, len(ds))
	for i, d := range ds {
		it := sentTo{s, d.Addr.AddrPort, string(d.Data)}
		if b.fate != nil {
			if e := b.fate(it); e != 0 {
				return i, e
			}
		}
		b.sent = append(b.sent, it)
	}
	return len(ds), 0
}

// texts are the datagrams sent, in order.
func (b *several) texts() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, d := range b.sent {
		all = append(all, d.data)
	}
	return strings.Join(all, " ")
}

// judge decides, and counts.
type judge struct {
	asked atomic.Int32
	deny  atomic.Bool
}

func (*judge) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (j *judge) Decide(provider.Facts, provider.Op) provider.Verdict {
	j.asked.Add(1)
	if j.deny.Load() {
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	return provider.Verdict{Action: provider.Allow}
}

func (*judge) OnFailure() provider.OnFailure { return provider.FailClosed }

// looking is a layer in the path of the bytes.
type looking struct{}

func (looking) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	n := *next
	return provider.ProcTable{
		WSPRecv:     func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecv(s, m) },
		WSPRecvFrom: func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return n.WSPRecvFrom(s, m) },
	}, 0
}

// lane is a reader's way into a gateway.
type lane struct {
	t   testing.TB
	g   *Gateway
	cat *provider.Catalog
	nic *stack.NIC
	c   stack.Batch
}

func newLane(t testing.TB, b provider.Base, cfg Config, layers ...provider.Layer) *lane {
	t.Helper()
	l := &lane{t: t}
	l.g, l.cat = over(t, b, cfg, layers...)
	pair := stacktest.NewPair(t, stacktest.PairConfig{AFlow: l.g})
	l.nic = pair.NA
	l.c = l.g.Batch(l.nic, 0)
	return l
}

func (l *lane) udp(src, dst netip.AddrPort, texts ...string) {
	for _, text := range texts {
		d := &stack.Datagram{Src: src, Dst: dst, NIC: l.nic, TTL: 64}
		if text != "" {
			d.Data = [][]byte{[]byte(text[:len(text)/2]), []byte(text[len(text)/2:])}
		}
		l.c.UDP(d)
	}
}

func (l *lane) pair(src, dst netip.AddrPort) *pair {
	return l.g.dgram.known(flowKey{l.nic, src, dst, wsa.IPPROTO_UDP})
}

// counts are UDPSent, UDPFull, UDPDenied.
func (l *lane) counts() string {
	return fmt.Sprint(l.g.UDPSent.Load(), " ", l.g.UDPFull.Load(), " ", l.g.UDPDenied.Load())
}

func (l *lane) same(what string, got, want any) {
	l.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// expire ends the trust in a flow as a second would.
func (p *pair) expire() { p.until.Store(1) }

var guestB = netip.MustParseAddrPort("10.1.0.2:4001")
