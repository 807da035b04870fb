package provider

import "sync/atomic"

// A flight is what is known of the calls of one layer that are on their way for one
// socket: the watchdog looks at it ([Chain.look]), and nobody else's calls are in it.
type flight struct {
	in, out lane
	asked   lane // the decision, or the telling, about a datagram that is sent
	// others are calls that may run beside each other. A call that finds no room is not
	// watched: there are as many already, and if they do not return, they are seen.
	others [4]atomic.Uint64
}

// A lane is the data operations of one direction, of which one runs at a time (law 4).
//
// Its words are written by that one alone, and read by the watchdog, as plain memory:
// two atomic stores are 20 ns an operation on amd64 (each is an XCHG), the plain ones
// 1 ns, and a whole guard is 4 ns (measured). The race detector is told not to look
// (go:norace); what a reader may get is a value that was written a moment ago, by the
// memory model of Go for words that a machine reads at once.
type lane struct {
	begun, ended uint64 // how many; they differ while one is on its way
	bytes        uint64
	entry        entry
	phase        uint8 // which of them are sampled

	seen  uint64 // the watchdog's: begun of what was on its way, and since which tick
	since uint32

	span span // of a sampled operation

	_ [8]byte // a line of the cache for each direction
}

// begin and end stand around an operation, of which one in sampled is measured.
//
//go:norace
func (l *lane) begin(op entry) (measured bool) {
	l.begun++
	l.entry = op
	return (l.begun+uint64(l.phase))%sampled == 0
}

//go:norace
func (l *lane) end(n int) {
	l.bytes += uint64(n)
	l.ended = l.begun
}

// took is end of a receive, of which a look at the bytes takes none.
func (l *lane) took(n int, look bool) {
	if look {
		n = 0
	}
	l.end(n)
}

//go:norace
func (l *lane) look() (begun, ended uint64, op entry) { return l.begun, l.ended, l.entry }

// total is what has gone through.
//
//go:norace
func (l *lane) total() (operations, bytes uint64) { return l.ended, l.bytes }

// told is the age of what has been reported.
const told = 1<<32 - 1

// age is how many ticks the operation that is on its way has been seen for; ok is false
// if there is none, or it has been reported.
func (l *lane) age(now uint32) (ticks uint32, op entry, ok bool) {
	begun, ended, op := l.look()
	switch {
	case begun == ended:
		l.seen = 0
		return 0, 0, false
	case begun != l.seen:
		l.seen, l.since = begun, now-1 // it has begun since the last look
	case l.since == told:
		return 0, 0, false
	}
	return now - l.since, op, true
}

// take puts a call into one of others. It is taken out by storing 0.
func (f *flight) take(op entry, now uint32) *atomic.Uint64 {
	for i := range f.others {
		if f.others[i].CompareAndSwap(0, stamp(op, now)) {
			return &f.others[i]
		}
	}
	return nil
}

func stamp(op entry, now uint32) uint64 { return uint64(now)<<16 | uint64(op) }

// reported marks what is in others and was reported.
const reported = 1 << 8

// oldest is the call among others that has been on its way longest.
func (f *flight) oldest(now uint32) (ticks uint32, op entry, ok bool) {
	for i := range f.others {
		v := f.others[i].Load()
		if v == 0 || v&reported != 0 {
			continue
		}
		if t := now - uint32(v>>16); !ok || t > ticks {
			ticks, op, ok = t, entry(v), true
		}
	}
	return ticks, op, ok
}

// age is that of the oldest call of the flight. A wake is told apart: it goes up, and
// what hangs in it is not below.
func (f *flight) age(now uint32) (ticks uint32, op entry, ok bool) {
	ticks, op, ok = f.oldest(now)
	for _, l := range []*lane{&f.in, &f.out, &f.asked} {
		if t, o, is := l.age(now); is && (!ok || t > ticks) {
			ticks, op, ok = t, o, true
		}
	}
	return ticks, op, ok
}

// settle marks all that is on its way as reported.
func (f *flight) settle() {
	for _, l := range []*lane{&f.in, &f.out, &f.asked} {
		if begun, ended, _ := l.look(); begun != ended {
			l.seen, l.since = begun, told
		}
	}
	for i := range f.others {
		if v := f.others[i].Load(); v != 0 {
			f.others[i].CompareAndSwap(v, v|reported)
		}
	}
}

// entry is what a layer was called by.
type entry uint8

const (
	noEntry entry = iota
	opSocket
	opAccept
	opJoinLeaf
	opDuplicate
	opClose
	opCleanup
	opBind
	opConnect
	opListen
	opGetSockName
	opGetPeerName
	opAddressToString
	opStringToAddress
	opRecv
	opRecvFrom
	opSend
	opSendTo
	opShutdown
	opGetSockOpt
	opSetSockOpt
	opIoctl
	opReady
	opWatch
	opWake
	opDecide
	opObserve
	opWitness
	opAnswered
	opTimer
	opGoroutine
	opCondition
	opStartup
	opOnFailure
	opResource
)

var entryNames = [...]string{
	"", "WSPSocket", "WSPAccept", "WSPJoinLeaf", "WSPDuplicateSocket", "WSPCloseSocket", "WSPCleanup", "WSPBind", "WSPConnect",
	"WSPListen", "WSPGetSockName", "WSPGetPeerName", "WSPAddressToString", "WSPStringToAddress", "WSPRecv", "WSPRecvFrom",
	"WSPSend", "WSPSendTo", "WSPShutdown", "WSPGetSockOpt", "WSPSetSockOpt", "WSPIoctl", "Ready", "Watch", "wake", "Decide",
	"ObserveSends", "Witness", "Answered", "timer", "goroutine", "condition function", "WSPStartup", "OnFailure", "resource",
}

func (o entry) String() string { return entryNames[o] }
