package audit

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// DefaultBuffer is what Config.Buffer means when it is 0: some thousand lines.
const DefaultBuffer = 1 << 20

// remembered is how many destinations a datagram socket remembers.
const remembered = 1024

// Config says where lines go. The zero value writes to standard error.
type Config struct {
	Path   string           // a file; "" and "-" mean Output
	Output io.Writer        // default os.Stderr; a Write may block, but only the audit's own goroutine
	Buffer int              // bytes that wait while nothing can be written; default 1 MiB
	Now    func() time.Time // default time.Now

	// Owners has each socket's owner looked up when it opens, and that of each lookup
	// of a name: a question to the kernel and a reading of /proc for each
	// (sockets/gateway/owner has the price). Without it, lines say what other layers
	// have asked for.
	Owners bool
}

// A Layer is an audit layer, to be installed in a catalog.
type Layer struct {
	cfg     Config
	dropped atomic.Uint64

	mu   sync.Mutex
	open []*journal // one for each provider.Resources that has it
}

var _ provider.Layer = (*Layer)(nil)

// New makes a layer. Nothing is opened before a chain is built; to learn early
// that a file cannot be written, see [Layer.Check].
func New(c Config) *Layer {
	if c.Output == nil {
		c.Output = os.Stderr
	}
	if c.Buffer <= 0 {
		c.Buffer = DefaultBuffer
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Layer{cfg: c}
}

// Check opens the file, making it if need be, and closes it again.
func (l *Layer) Check() error {
	if st, err := os.Stat(l.cfg.Path); err == nil && st.Mode()&os.ModeNamedPipe != 0 {
		return nil // its reader would take the closing for the end
	}
	_, end, err := l.sink()
	if err == nil {
		err = end()
	}
	return err
}

// Dropped is how many lines were lost since the layer was made.
func (l *Layer) Dropped() uint64 { return l.dropped.Load() }

// Witness implements provider.Witness: it writes down a verdict that no socket
// stands for, as a lookup at a gateway's name service, a flow that was refused
// before it had a socket, or a client of a published UDP port. The event is op.
// While no chain with the layer is built the line counts as dropped.
func (l *Layer) Witness(f provider.Facts, op provider.Op, v provider.Verdict) {
	r := Record{Event: op.String(), Names: f.Names, Verdict: verdictOf(&v)}
	r.late(f.Late)
	l.ask(f.Origin)
	r.origin(f.Origin)
	if f.Type != 0 || f.Protocol != 0 {
		r.triple(max(f.Remote.Family, f.Local.Family), f.Type, f.Protocol)
	}
	switch r.Dst = f.Remote.String(); op {
	case provider.OpAccept:
		r.Src, r.Dst = f.Remote.String(), f.Local.String()
	case provider.OpListen:
		r.Src = f.Local.String()
	}
	if l := f.Lookup; l != nil {
		r.Query, r.RCode, r.Answers = l.Type, l.RCode, l.Answers
	}
	if v.Denied() {
		r.Error = v.Errno.Name()
	}
	l.note(r)
}

// ask has the origin's owner looked up, if lines are to name it.
func (l *Layer) ask(o *provider.Origin) {
	if l.cfg.Owners {
		o.User()
		o.Process()
	}
}

// Start writes down that a program is about to run on attachment, and what holds it.
func (l *Layer) Start(attachment string, argv []string, held []Held) {
	l.note(Record{Event: "start", Attachment: attachment, Argv: argv, Held: held})
}

func (l *Layer) note(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) == 0 {
		l.dropped.Add(1)
		return
	}
	l.open[len(l.open)-1].add(r)
}

// Startup implements provider.Layer. A file that cannot be opened keeps the
// chain from being built: nothing runs unaudited.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	j, err := provider.Resource(r, l.resource(), l.journal)
	if err != nil {
		r.Log.Error("audit: the chain is not built", "error", err)
		return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
	}
	if !r.Go(nil, j.writer(r)) {
		return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
	}
	w := &witness{j: j, now: l.cfg.Now, next: next, chain: r.Info.Name, ask: l.ask, slot: provider.NewSlot[life](r)}
	t := provider.ProcTable{
		WSPSocket:      w.socket,
		WSPAccept:      w.accept,
		WSPJoinLeaf:    w.join,
		WSPConnect:     w.connect,
		WSPListen:      w.listen,
		WSPSetSockOpt:  w.setSockOpt,
		WSPCloseSocket: w.close,
	}
	r.ObserveSends(w.sent)
	return t, 0
}

// Contract implements provider.Contracted: what a layer denies is seen above it alone.
func (*Layer) Contract() provider.Contract {
	return provider.Contract{Kind: "audit", Categories: wsa.LSP_INSPECTOR, Before: []string{"firewall"}}
}
