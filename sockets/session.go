package sockets

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// DefaultMaxSockets is what Config.MaxSockets means when it is 0.
const DefaultMaxSockets = 1 << 16

// Config says what a Session works with. The zero value of each field but
// Catalog is its default.
type Config struct {
	// Catalog is where chains are chosen from; required. It may change while the
	// session lives: each socket is resolved in the catalog as it then is.
	Catalog *provider.Catalog
	// MaxSockets bounds the sockets open at a time, accepted ones included; a
	// socket more is EMFILE. Default 65536.
	MaxSockets int
	// Handles is counted up for the sockets' handles. Sessions that share one never
	// give a number twice between them. Default: that of Processes.
	Handles *atomic.Uint64
	// Resources outlive the session's chains; default: the session's own.
	Resources *provider.Resources
	// Processes are the sessions that this one may hand sockets to by
	// WSPDuplicateSocket, and get them from. Default: itself alone.
	Processes *Processes
	// Log is told of what is reported of layers; default: nothing is logged.
	Log *slog.Logger
	// Origin is who asks, copied for each socket and completed with what is
	// dialled. Default: everything unknown, which no rule that allows matches.
	Origin *provider.Origin
	// Budget is how long a call of a layer may take, Breaker when one that fails is no
	// longer asked: see provider.BuildConfig. Default: 10 s, and five failures a minute.
	Budget  time.Duration
	Breaker provider.BreakerConfig
	// OnReport is told of all that a guard caught: panics, stalls, lies, leaks. It may
	// be called with locks held and must not use the session.
	OnReport func(*provider.Report)
	// Application and Arguments are the program that the session is for, as
	// WSCSetApplicationCategory names it: which layers it permits is looked up once,
	// when the session begins. Default: it permits all.
	Application, Arguments string
	// DNS are the servers that names are looked up at, reached through the
	// session itself. Without one only addresses and localhost can be dialled.
	DNS []netip.AddrPort
}

// A Session is a program's view of a catalog (WSAStartup to WSACleanup): it
// opens sockets through chains and owns both. All methods are safe for
// concurrent use.
type Session struct {
	cfg     Config
	origin  provider.Origin
	program *provider.Application // nil: no layer is barred
	log     *slog.Logger
	handles handles
	chains  chains
	panics  atomic.Uint64
	nextDNS atomic.Uint32

	ctx    context.Context // ends with Close; only what runs in the background looks at it
	cancel context.CancelFunc
	wg     sync.WaitGroup // lingering closes

	workers     workers
	descriptors descriptors // of the Winsock face
	down        atomic.Bool // NOTINITIALISED from now on
	contexts    contexts
	messages    messages
	starts      atomic.Int32
	process     uint32

	mu     sync.Mutex
	closed bool
	open   map[*sock]struct{} // of the Go face
	end    sync.Once
	err    error
}

// Startup begins a session (WSPStartup is called later, when a chain is first
// needed). The error is EINVAL: no catalog.
func Startup(cfg Config) (*Session, error) {
	if cfg.Catalog == nil {
		return nil, fmt.Errorf("sockets: startup: Config.Catalog is nil: %w", wsa.EINVAL)
	}
	if cfg.MaxSockets == 0 {
		cfg.MaxSockets = DefaultMaxSockets
	}
	if cfg.Resources == nil {
		cfg.Resources = new(provider.Resources)
	}
	if cfg.Processes == nil {
		cfg.Processes = new(Processes)
	}
	if cfg.Handles == nil {
		cfg.Handles = &cfg.Processes.handles
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Session{cfg: cfg, log: cfg.Log, origin: provider.Origin{UID: -1}, open: make(map[*sock]struct{})}
	if cfg.Origin != nil {
		s.origin = *cfg.Origin
	}
	if a := cfg.Catalog.Snapshot().Application(cfg.Application, cfg.Arguments); a != nil {
		fixed := *a
		s.program = &fixed
	}
	s.handles.max, s.handles.last = cfg.MaxSockets, cfg.Handles
	s.process = s.cfg.Processes.join(s)
	s.starts.Store(1)
	s.workers.init(runtime.GOMAXPROCS(0))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Process is the number that other sessions of Config.Processes hand sockets to
// this one by.
func (s *Session) Process() uint32 { return s.process }

// Close ends the session (WSACleanup): every socket is failed with ENETDOWN,
// those of the Go face are reset and closed, the chains are retired, and Close
// waits until they have ended. A socket that was opened with [Session.Socket]
// is closed by who opened it, who learns from the failure that it is time: Close
// waits for that too. A socket that another session has a descriptor of is that
// one's from now on, and its chain ends with it. The error is what the layers reported while they ended;
// further calls wait and return the same.
func (s *Session) Close() error {
	s.end.Do(func() {
		s.down.Store(true)
		s.cfg.Processes.leave(s.process)
		mine := append(s.leaveAll(), s.part()...) // before they fail, so that they say that they are closed
		for _, k := range s.all() {
			k.Fail(wsa.ENETDOWN, "session closed")
		}
		s.cancel()
		for _, k := range mine {
			if k.winsock != nil {
				k.abandon((*Overlapped).cancelSilently)
			}
			k.end(provider.CloseAbort)
		}
		s.wg.Wait()
		s.workers.wait()
		s.descriptors.clear()
		s.err = s.chains.close(s.handles.parted())
	})
	return s.err
}

// leaveAll keeps further sockets from being made, ends what runs on those that
// nobody else holds, and returns those that nobody else is closing.
func (s *Session) leaveAll() []*sock {
	s.handles.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var mine []*sock
	for k := range s.open {
		if k.leaveIf(s.alone) {
			mine = append(mine, k)
		}
	}
	return mine
}

// all are the sockets that end with s: of its chains, and those of others' that it
// keeps.
func (s *Session) all() []*provider.Socket {
	all := slices.DeleteFunc(s.handles.mine(), func(k *provider.Socket) bool { return !k.Opened() }) // others are still being made
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.open {
		if k.maker != s {
			all = append(all, k.s)
		}
	}
	return all
}

// Sockets are the session's open sockets in no order, as they were when the
// iteration began. To end one from outside, call its Fail.
func (s *Session) Sockets() iter.Seq[*provider.Socket] {
	return func(yield func(*provider.Socket) bool) {
		for k := range s.handles.all() {
			if k.Opened() && !yield(k) { // others are still being made
				return
			}
		}
	}
}

// Traffic is what the session's sockets have moved since it began, in bytes: those
// that were received and those that were sent.
func (s *Session) Traffic() (in, out uint64) { return s.handles.traffic() }

// Panics counts the panics of layers that were caught.
func (s *Session) Panics() uint64 { return s.panics.Load() }

// keep takes a socket of the Go face into the session's care.
func (s *Session) keep(k *sock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.open[k] = struct{}{}
	return nil
}

func (s *Session) forget(k *sock) {
	s.mu.Lock()
	delete(s.open, k)
	s.mu.Unlock()
}

// background runs f on a goroutine that Close waits for; false once it closes.
func (s *Session) background(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(f)
	return true
}
