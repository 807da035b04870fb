package sockets

import (
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Processes are sessions that may hand sockets to each other, each under the
// number that WSPDuplicateSocket names it by: what processes are on Windows. The
// zero value is empty. Safe for concurrent use.
type Processes struct {
	mu     sync.Mutex
	last   uint32
	open   map[uint32]*Session
	offers map[offerKey]*offer

	handles atomic.Uint64 // of those that have no Config.Handles
}

// offerKey is what of a WSAPROTOCOL_INFO names an offer: the token is unique
// within its base.
type offerKey struct {
	provider provider.GUID
	entry    provider.CatalogID
	token    uint32
}

func keyOf(i *provider.ProtocolInfo) offerKey {
	return offerKey{i.ProviderID, i.CatalogEntryID, i.ProviderReserved}
}

// offer is a socket that waits for the one process that it is meant for.
type offer struct {
	k       *sock
	target  uint32
	claimed bool // somebody is redeeming it
}

func (p *Processes) join(s *Session) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open, p.offers = make(map[uint32]*Session), make(map[offerKey]*offer)
	}
	p.last++
	p.open[p.last] = s
	return p.last
}

// leave ends a process, and the offers made to it.
func (p *Processes) leave(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, id)
	for key, o := range p.offers {
		if o.target == id {
			delete(p.offers, key)
		}
	}
}

func (p *Processes) has(id uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[id] != nil
}

func (p *Processes) offer(i *provider.ProtocolInfo, k *sock, target uint32) {
	p.mu.Lock()
	p.offers[keyOf(i)] = &offer{k: k, target: target}
	p.mu.Unlock()
}

// withdraw takes back what k was offered by.
func (p *Processes) withdraw(k *sock) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, o := range p.offers {
		if o.k == k {
			delete(p.offers, key)
		}
	}
}

// claim is the offer of i to process id, for it alone until settle: EINVAL if
// there is none.
func (p *Processes) claim(i *provider.ProtocolInfo, id uint32) (*sock, wsa.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.offers[keyOf(i)]
	if o == nil || o.target != id || o.claimed {
		return nil, wsa.EINVAL
	}
	o.claimed = true
	return o.k, 0
}

// settle ends a claim: an offer that was taken is gone, one that was refused stays.
func (p *Processes) settle(i *provider.ProtocolInfo, taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.offers[keyOf(i)]; o != nil && !taken {
		o.claimed = false
	} else {
		delete(p.offers, keyOf(i))
	}
}
