package provider

import (
	"log/slog"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Version is the only version of the SPI there is: 2.2, minor byte first.
const Version uint16 = 0x0202

// A Base is a base service provider: it makes the sockets.
type Base interface {
	// Entries are the protocols that the base serves, in catalog order, without
	// ids and chains: the catalog gives those.
	Entries() []ProtocolInfo
	// Startup is WSPStartup, called once for each chain that stands on the base.
	// The table returned must be complete.
	Startup(*StartupRequest) (ProcTable, wsa.Errno)
}

// A Layer is a layered service provider: one catalog entry, of which each chain
// makes an instance by Startup.
type Layer interface {
	// Startup is WSPStartup. It returns only the entries that it replaces; nil is
	// pass-through. next is the complete table of the storey below and stays
	// valid; capture the one entry you call, not the table.
	//
	// Groups are replaced whole or not at all: {Recv, RecvFrom}, {Send, SendTo},
	// {Ready, Watch}, {Socket, Accept, JoinLeaf} if a Slot is reserved, and
	// {Connect, GetPeerName} if the layer says ChangesDestination.
	Startup(r *StartupRequest, next *ProcTable) (ProcTable, wsa.Errno)
}

// Place is where an instance stands in its chain. The builder computes it;
// [FindPlace] is the same rule for people with Windows' tables in hand.
type Place struct {
	Index, Depth int       // 0 = nearest the application; Depth counts all storeys, the base too
	Self         CatalogID // the layer's own entry, or the base's
	Entry        CatalogID // the layer's own chain entry where it stands below another layer, else the chain
	Next         CatalogID // entry below; 0 for the base
}

// Upcalls is the WPU table. Every storey of a chain is given the same one.
type Upcalls struct {
	// CreateSocketHandle is WPUCreateSocketHandle: a new Socket of the chain whose
	// Base is ctx. EMFILE and ENOBUFS come from the session's quota. Call it last
	// in WSPSocket, so that nothing has to be undone.
	CreateSocketHandle func(entry CatalogID, ctx any) (*Socket, wsa.Errno)
	// GetProviderPath is WPUGetProviderPath: the name that a provider was installed under.
	GetProviderPath func(GUID) (string, wsa.Errno)
}

// StartupRequest is the argument of WSPStartup. It stays valid while the chain
// lives, and a layer may keep it: Go, AfterFunc and resources hang on it.
type StartupRequest struct {
	Version uint16
	Info    *ProtocolInfo // the chain's entry; a base gets its own
	Place   Place
	Upcalls *Upcalls
	Log     *slog.Logger // never nil; carries chain and layer

	// Data is WSPDATA, what the storey says of itself: version 2.2 unless it writes
	// another, see [Negotiate]. A chain with one of another version is not built:
	// WSPCleanup is called, and the error is EINVALIDPROVIDER.
	Data WSPData

	build       *build
	chain       *Chain
	guard       *guard
	phase       atomic.Uint32 // of Startup
	usesSlots   bool
	changesDest bool
	readsHellos bool
	observe     func(*Socket, Addr, wsa.Errno) // of ObserveSends
}

// Phases of Startup: what it may ask for depends on them.
const (
	starting uint32 = iota
	hasStarted
	abandoned // it did not return in time
)

// ChangesDestination states that the layer's WSPConnect may go elsewhere than
// asked: it must then answer WSPGetPeerName with the peer asked for (law 11).
func (r *StartupRequest) ChangesDestination() { r.changesDest = true }

// ReadsHellos states that the layer has OpSNI asked of each connection that the
// application makes, before a byte of it leaves.
func (r *StartupRequest) ReadsHellos() { r.readsHellos = true }

// ObserveSends has f told of each datagram that a socket of the chain has sent to
// an address of its own choice (WSPSendTo): where to, and what came of it. On a
// stream's chain f is never called.
//
// A layer that replaces WSPSendTo to know the destinations stands in the path of
// the bytes. One that asks here does not, so a gateway's short cut stays open: then
// f hears of the first datagram to a destination, and not of each that follows.
func (r *StartupRequest) ObserveSends(f func(s *Socket, to Addr, e wsa.Errno)) { r.observe = f }
