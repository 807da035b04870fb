package trace

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// DefaultBuffer is what Config.Buffer means when it is 0: some ten thousand lines.
const DefaultBuffer = 1 << 20

// MaxData is the most of Config.Data.
const MaxData = 4096

// Config says what is written, and where to. The zero value writes every operation to
// standard error, as text and without data.
type Config struct {
	Path   string    // a file, which is appended to and made with mode 0600; "" and "-" mean Output
	Output io.Writer // default os.Stderr; a Write may block, but only the trace's own goroutine
	JSON   bool      // JSON Lines (Record) in place of text
	Ops    Ops       // default all; without Data the layer is not in the path of the bytes
	To     []Target  // only what has to do with these destinations; default all
	Data   int       // bytes shown of each data operation; default 0, at most MaxData
	Buffer int       // bytes that wait to be written; what comes on top is dropped; default 1 MiB
	Now    func() time.Time
}

// A Layer is a trace layer, to be installed in a catalog.
type Layer struct {
	cfg     Config
	dropped atomic.Uint64
}

var _ provider.Layer = (*Layer)(nil)

// New makes a layer. Nothing is opened before a chain is built.
func New(c Config) *Layer {
	if c.Output == nil {
		c.Output = os.Stderr
	}
	if c.Ops == 0 {
		c.Ops = All
	}
	if c.Buffer <= 0 {
		c.Buffer = DefaultBuffer
	}
	c.Data = max(0, min(c.Data, MaxData))
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Layer{cfg: c}
}

// Dropped is how many lines were lost since the layer was made.
func (l *Layer) Dropped() uint64 { return l.dropped.Load() }

// Startup implements provider.Layer. A file that cannot be opened keeps the chain from
// being built.
func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	out, err := provider.Resource(r, l.resource(), l.open)
	if err != nil {
		r.Log.Error("trace: the chain is not built", "error", err)
		return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
	}
	if !r.Go(nil, out.writer(r.Log)) {
		return provider.ProcTable{}, wsa.EPROVIDERFAILEDINIT
	}
	t := &tracer{
		cfg: &l.cfg, out: out, next: next, request: r, chain: r.Info.Name, stream: !r.Info.MessageOriented(),
		ops: l.cfg.Ops, slot: provider.NewSlot[life](r),
	}
	t.inPath = t.ops&Data != 0
	return t.table(), 0
}

// tracer is the layer in one chain.
type tracer struct {
	cfg     *Config
	out     *output
	next    *provider.ProcTable
	request *provider.StartupRequest
	chain   string
	stream  bool
	inPath  bool // data entries are replaced
	ops     Ops
	slot    provider.Slot[life]
}

// table has the entries that are traced, and those that sockets are followed by.
func (t *tracer) table() provider.ProcTable {
	p := provider.ProcTable{
		WSPSocket: t.socket, WSPAccept: t.accept, WSPJoinLeaf: t.joinLeaf,
		WSPConnect: t.connect, WSPCloseSocket: t.close,
	}
	if t.stream && t.ops.has(opConnect) {
		p.Ready, p.Watch = t.ready, t.next.Watch
	}
	t.control(&p)
	if t.ops&(opRecv.set()|opRecvFrom.set()) != 0 {
		p.WSPRecv, p.WSPRecvFrom = t.data(opRecv, t.next.WSPRecv), t.data(opRecvFrom, t.next.WSPRecvFrom)
	}
	if t.ops&(opSend.set()|opSendTo.set()) != 0 {
		p.WSPSend, p.WSPSendTo = t.data(opSend, t.next.WSPSend), t.data(opSendTo, t.next.WSPSendTo)
	}
	return p
}

// matches reports whether a is one of the destinations that are traced.
func (t *tracer) matches(a provider.Addr) bool {
	for i := range t.cfg.To {
		if t.cfg.To[i].has(a) {
			return true
		}
	}
	return len(t.cfg.To) == 0
}

// write queues an event of s, which may be nil.
func (t *tracer) write(s *provider.Socket, v *event) {
	if s != nil {
		v.socket = s.Handle()
		_, v.process = s.Origin.Seen()
	}
	v.chain = t.chain
	t.out.add(v)
}

// Contract implements provider.Contracted: it shows what the application does, and what
// it is told.
func (*Layer) Contract() provider.Contract {
	return provider.Contract{
		Kind: "trace", Categories: wsa.LSP_INSPECTOR,
		Before: []string{"audit", "firewall", "sni", "redirector", "inbound-modify", "outbound-modify"},
	}
}
